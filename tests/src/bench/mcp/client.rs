//! Who asks: connections that are kept, one request after the other on each.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};

use crate::measure::count;

/// A server, and what it is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    address: SocketAddr,
    request: Vec<u8>,
}

impl Asked {
    /// For this tool, with this token.
    pub fn new(address: SocketAddr, tool: &str, token: Option<&str>) -> Self {
        let body = serde_json::json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": {},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        })
        .to_string();
        let authorization =
            token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\n{authorization}Accept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n\
             Mcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self {
            address,
            request: format!("{head}{body}").into_bytes(),
        }
    }
}

/// How much is asked at once, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// So many connections.
    pub connections: usize,
    /// For so long.
    pub slice: Duration,
}

impl Load {
    /// Answers the calls in a second, and adds how long each took.
    pub fn run(self, runtime: &Runtime, asked: &Asked, latencies: &mut Vec<Duration>) -> Result<f64> {
        runtime.block_on(async {
            let mut asking = JoinSet::new();
            let began = Instant::now();
            for _ in 0..self.connections {
                asking.spawn(ask(asked.clone(), began + self.slice));
            }
            let mut calls = 0;
            while let Some(done) = asking.join_next().await {
                let done = done??;
                calls += done.len() as u64;
                latencies.extend(done);
            }
            Ok(count(calls) / began.elapsed().as_secs_f64())
        })
    }
}

async fn ask(asked: Asked, until: Instant) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(asked.address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        stream.write_all(&asked.request).await?;
        answer(&mut stream, &mut buffer).await?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

/// Reads one answer, and refuses whatever is none of a tool's.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        ensure!(stream.read_buf(buffer).await? > 0, "the server hung up");
    };
    let head = std::str::from_utf8(&buffer[..end])?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("expected an answer, found: {head}");
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.context("the answer does not say how long it is")?;
    let whole = end + length.trim().parse::<usize>()?;
    while buffer.len() < whole {
        ensure!(stream.read_buf(buffer).await? > 0, "the server hung up");
    }
    ensure!(
        buffer[end..].windows(8).any(|window| window == b"\"result\""),
        "expected a result, found: {}",
        String::from_utf8_lossy(&buffer[end..])
    );
    Ok(())
}
