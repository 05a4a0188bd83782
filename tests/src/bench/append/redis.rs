//! The peer: Redis with an append-only file that is synced before each answer, one connection for each writer.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    runtime::Runtime,
    sync::Mutex,
};

use super::{Lane, WRITERS};
use crate::events::payload_text;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection for each writer.
pub struct RedisLane {
    connections: Vec<Mutex<BufReader<UnixStream>>>,
    command: Vec<u8>,
    _server: Server,
}

/// Ended with the lane.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl RedisLane {
    /// Starts a server of its own in `folder`; nothing if none is installed, which is said.
    pub fn start(runtime: &Runtime, folder: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let socket = folder.join("socket");
        let Some(server) = spawn(folder, &socket)? else {
            eprintln!(
                "`redis-server` is not installed, so nothing is measured against it; on Debian: apt-get install redis-server"
            );
            return Ok(None);
        };
        let connections = runtime.block_on(connect(&socket))?;
        Ok(Some(Self {
            connections,
            command: command(&["XADD", "events", "*", "payload", &payload_text()]),
            _server: server,
        }))
    }

    pub fn lane(self) -> Arc<dyn Lane> {
        Arc::new(self)
    }
}

#[async_trait]
impl Lane for RedisLane {
    async fn append(&self, writer: usize, _number: usize) -> Result<()> {
        // Nobody else uses it: the lock is never waited for.
        let mut connection = self.connections[writer].lock().await;
        connection.write_all(&self.command).await?;
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let length = line
            .strip_prefix('$')
            .and_then(|length| length.trim_end().parse::<usize>().ok());
        let Some(length) = length else {
            bail!("expected the id of the entry, found `{}`", line.trim_end());
        };
        let mut id = vec![0; length + 2];
        connection.read_exact(&mut id).await?;
        Ok(())
    }
}

fn spawn(folder: &Path, socket: &PathBuf) -> Result<Option<Server>> {
    let log = File::create(folder.join("log"))?;
    let spawned = Command::new("redis-server")
        .args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"])
        .arg(socket)
        .arg("--dir")
        .arg(folder)
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        // Nothing beside: no snapshots, no rewriting of the file.
        .args(["--save", "", "--auto-aof-rewrite-percentage", "0"])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    match spawned {
        Ok(child) => Ok(Some(Server(child))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("cannot start `redis-server`"),
    }
}

async fn connect(socket: &Path) -> Result<Vec<Mutex<BufReader<UnixStream>>>> {
    let began = Instant::now();
    let mut connections = Vec::with_capacity(WRITERS);
    while connections.len() < WRITERS {
        match UnixStream::connect(socket).await {
            Ok(connection) => connections.push(Mutex::new(BufReader::new(connection))),
            Err(error) => {
                ensure!(began.elapsed() < PATIENCE, "cannot reach `redis-server`: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    Ok(connections)
}

/// As it travels: each word with its length before it.
fn command(words: &[&str]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    command.into_bytes()
}
