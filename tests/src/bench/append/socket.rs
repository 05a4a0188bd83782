//! Appends from another process, over the control socket of a running host.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use async_trait::async_trait;
use kora_host::{
    service::api::{AppendEvent, Call},
    socket::Client,
};
use tokio::runtime::Runtime;

use super::{Lane, WRITERS};
use crate::{
    Surroundings,
    events::{EVENT_TYPE, payload_text},
    home::{Daemon, Home},
};

/// How long a connection may wait for its place on the socket.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

/// One connection for each writer.
pub struct SocketLane {
    clients: Vec<Client>,
    call: Call,
    _daemon: Daemon,
}

impl SocketLane {
    /// Starts a host and connects to it.
    pub fn start(runtime: &Runtime, surroundings: &Surroundings, folder: &Path) -> Result<Self> {
        let home = Home::make(
            surroundings,
            folder,
            &format!("[events]\ntypes = [\"{EVENT_TYPE}\"]"),
        )?;
        let daemon = home.start(surroundings)?;
        daemon.wait_until_running()?;
        let call = Call::EventsAppend(AppendEvent {
            tenant: Some("acme".to_owned()),
            event_type: EVENT_TYPE.to_owned(),
            payload: payload_text(),
            idempotency_key: None,
            expected_seq: None,
        });
        let connect = async {
            let mut clients = Vec::with_capacity(WRITERS);
            for _ in 0..WRITERS {
                clients.push(connect(&home.socket(), &call).await?);
            }
            anyhow::Ok(clients)
        };
        Ok(Self {
            clients: runtime.block_on(connect)?,
            call,
            _daemon: daemon,
        })
    }

    pub fn lane(self) -> Arc<dyn Lane> {
        Arc::new(self)
    }
}

/// A connection that is served, which a first append proves. The writers are as many as the socket serves, so the last one
/// waits until the host has noticed that whoever asked whether it runs is gone.
async fn connect(socket: &Path, call: &Call) -> Result<Client> {
    let began = Instant::now();
    loop {
        let refused = match Client::connect(socket).await {
            Ok(client) => match client.call(call).await {
                Ok(_) => return Ok(client),
                Err(problem) => problem,
            },
            Err(problem) => problem,
        };
        ensure!(
            began.elapsed() < PATIENCE,
            "cannot append over the control socket: {refused:?}"
        );
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
}

#[async_trait]
impl Lane for SocketLane {
    async fn append(&self, writer: usize, _number: usize) -> Result<()> {
        let answer = self.clients[writer].call(&self.call).await;
        answer.map(drop).map_err(|problem| anyhow!("{problem:?}"))
    }
}
