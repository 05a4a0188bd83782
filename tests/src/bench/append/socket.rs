//! Appends from another process, over the control socket of a running host.

use std::{path::Path, sync::Arc};

use anyhow::{Result, anyhow};
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
        let connect = async {
            let mut clients = Vec::with_capacity(WRITERS);
            for _ in 0..WRITERS {
                clients.push(
                    Client::connect(&home.socket())
                        .await
                        .map_err(|problem| anyhow!("{problem:?}"))?,
                );
            }
            anyhow::Ok(clients)
        };
        Ok(Self {
            clients: runtime.block_on(connect)?,
            call: Call::EventsAppend(AppendEvent {
                tenant: Some("acme".to_owned()),
                event_type: EVENT_TYPE.to_owned(),
                payload: payload_text(),
                idempotency_key: None,
                expected_seq: None,
            }),
            _daemon: daemon,
        })
    }

    pub fn lane(self) -> Arc<dyn Lane> {
        Arc::new(self)
    }
}

#[async_trait]
impl Lane for SocketLane {
    async fn append(&self, writer: usize, _number: usize) -> Result<()> {
        let answer = self.clients[writer].call(&self.call).await;
        answer.map(drop).map_err(|problem| anyhow!("{problem:?}"))
    }
}
