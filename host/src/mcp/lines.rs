//! The protocol's messages as lines, in both directions. What is no message is answered here: the protocol's own reader says nothing to
//! what is no JSON, and is silent of a line that is too long.

use std::{io, sync::Arc};

use futures_util::future::BoxFuture;
use rmcp::{
    RoleServer,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::Mutex,
};

use super::{
    envelope::{Envelope, Malformed},
    fault::refuses,
    stdio::Door,
};

/// The longest line that is taken; the bodies of HTTP are held to less by default.
const LINE_MAX_BYTES: usize = 16 << 20;

/// One stream of lines.
pub(super) struct Lines<R, W> {
    read: BufReader<R>,
    /// What came of the line that is being read. It stays here when reading is broken off, and is gone on with.
    line: Vec<u8>,
    is_too_long: bool,
    /// Whether the client said which revision it speaks.
    is_open: bool,
    /// An answer that is still to be written.
    refusal: Option<Malformed>,
    /// Whether it was counted and noted.
    is_noted: bool,
    door: Door,
    write: Arc<Mutex<Unsent<W>>>,
}

/// Where lines are written. One that was begun is ended before the next, though whoever began it has gone.
struct Unsent<W> {
    write: Option<W>,
    bytes: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Unsent<W> {
    fn push(&mut self, message: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.bytes, message)?;
        self.bytes.push(b'\n');
        Ok(())
    }

    async fn send(&mut self) -> io::Result<()> {
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "the stream is closed");
        let write = self.write.as_mut().ok_or_else(closed)?;
        while !self.bytes.is_empty() {
            let sent = write.write(&self.bytes).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.bytes.drain(..sent);
        }
        write.flush().await
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Lines<R, W> {
    pub fn new(read: R, write: W, door: Door) -> Self {
        let write = Unsent {
            write: Some(write),
            bytes: Vec::new(),
        };
        Self {
            read: BufReader::new(read),
            line: Vec::new(),
            is_too_long: false,
            is_open: false,
            refusal: None,
            is_noted: false,
            door,
            write: Arc::new(Mutex::new(write)),
        }
    }

    /// The next line without its end; nothing once there are no more. A line without an end is none.
    async fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let available = self.read.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = &available[..end.unwrap_or(available.len())];
            if self.line.len() + taken.len() > LINE_MAX_BYTES {
                self.is_too_long = true;
                self.line = Vec::new();
            }
            if !self.is_too_long {
                self.line.extend_from_slice(taken);
            }
            let consumed = taken.len() + usize::from(end.is_some());
            self.read.consume(consumed);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }

    /// What is no message counts as one: whoever sends nothing else may not send more of it than another.
    async fn note_refusal(&mut self) {
        let Some(refusal) = self.refusal.as_mut().filter(|_| !self.is_noted) else {
            return;
        };
        let by = (self.door.by)();
        match self.door.admission.admit(&by).await {
            true => self.door.admission.note_malformed(&by).await,
            false => *refusal = Malformed::came_too_often(),
        }
        self.is_noted = true;
    }

    /// What was refused is noted, and told before anything more is read.
    async fn tell_refusal(&mut self) -> io::Result<()> {
        self.note_refusal().await;
        let mut write = self.write.lock().await;
        if let Some(refusal) = self.refusal.take() {
            self.is_noted = false;
            write.push(&refusal.to_json())?;
        }
        if write.bytes.is_empty() {
            return Ok(());
        }
        write.send().await
    }

    async fn next(&mut self) -> io::Result<Option<RxJsonRpcMessage<RoleServer>>> {
        loop {
            self.tell_refusal().await?;
            let Some(line) = self.next_line().await? else {
                return Ok(None);
            };
            if std::mem::take(&mut self.is_too_long) {
                let why = "invalid request: expected a line of at most 16 MiB";
                self.refusal = Some(Malformed::request(why));
                continue;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let envelope = match Envelope::sound(&line) {
                Ok(envelope) => envelope,
                Err(malformed) => {
                    self.refusal = Some(malformed);
                    continue;
                }
            };
            self.is_open |= envelope.opens();
            if !self.is_open && !envelope.is_request() {
                // The protocol's library would give the stream up. Of a notification there is nothing to say.
                self.refusal = envelope.malformed_as_request();
                continue;
            }
            match serde_json::from_slice(&line) {
                Ok(message) => return Ok(Some(message)),
                Err(_) => {
                    let why = "invalid request: expected a message of the protocol";
                    self.refusal = Some(Malformed::request(why));
                }
            }
        }
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (write, door) = (self.write.clone(), self.door.clone());
        let sending: BoxFuture<'static, _> = Box::pin(async move {
            // Also what the protocol's library refused by itself.
            if let TxJsonRpcMessage::<RoleServer>::Error(answer) = &message
                && refuses(&answer.error)
            {
                door.admission.note_malformed(&(door.by)()).await;
            }
            let mut write = write.lock().await;
            write.push(&message)?;
            write.send().await
        });
        sending
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        match self.next().await {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a stream of lines broke off");
                None
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        let write = self.write.lock().await.write.take();
        drop(write);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use serde_json::Value;
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;
    use crate::{access::Principal, mcp::Admission};

    /// Lets so many pass, and counts those that are told to it.
    struct Count {
        left: AtomicUsize,
        malformed: AtomicUsize,
    }

    #[async_trait]
    impl Admission for Count {
        async fn admit(&self, _: &Principal) -> bool {
            let take = |left: usize| left.checked_sub(1);
            self.left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
        }

        async fn note_malformed(&self, _: &Principal) {
            self.malformed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn door(left: usize) -> (Door, Arc<Count>) {
        let count = Arc::new(Count {
            left: left.into(),
            malformed: 0.into(),
        });
        let door = Door {
            by: Arc::new(|| Principal::Anonymous),
            admission: count.clone(),
        };
        (door, count)
    }

    #[tokio::test]
    async fn each_line_that_is_no_message_has_its_answer_and_the_next_is_read() {
        let (near, mut far) = duplex(64);
        let (read, write) = tokio::io::split(near);
        let (door, count) = door(2);
        let mut lines = Lines::new(read, write, door);
        let said = "garbage\n[]\n\n5\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
        let peer = tokio::spawn(async move {
            far.write_all(said.as_bytes()).await.unwrap();
            far.shutdown().await.unwrap();
            let mut heard = String::new();
            far.read_to_string(&mut heard).await.unwrap();
            heard
        });
        let message = lines.receive().await.unwrap();
        assert!(format!("{message:?}").contains("Ping"), "{message:?}");
        assert!(lines.receive().await.is_none());
        drop(lines);
        let heard = peer.await.unwrap();
        let codes: Vec<_> = heard
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|answer| (answer["id"].clone(), answer["error"]["code"].as_i64().unwrap()))
            .collect();
        let expected = [-32700, -32600, -32603].map(|code| (Value::Null, code));
        assert_eq!(codes, expected, "the third came too often: {heard}");
        assert_eq!(count.malformed.load(Ordering::Relaxed), 2, "each was noted once");
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_told_and_the_one_after_it_is_read() {
        let (near, mut far) = duplex(1 << 16);
        let (read, write) = tokio::io::split(near);
        let mut lines = Lines::new(read, write, door(1).0);
        let peer = tokio::spawn(async move {
            let long = vec![b'x'; LINE_MAX_BYTES + 1];
            far.write_all(&long).await.unwrap();
            let ping = "\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
            far.write_all(ping.as_bytes()).await.unwrap();
            let mut answer = String::new();
            tokio::io::BufReader::new(far)
                .read_line(&mut answer)
                .await
                .unwrap();
            answer
        });
        assert!(lines.receive().await.is_some());
        assert!(peer.await.unwrap().contains("-32600"));
    }

    #[tokio::test]
    async fn a_line_that_was_read_in_part_when_reading_broke_off_is_read_whole() {
        let (near, mut far) = duplex(1 << 10);
        let (read, write) = tokio::io::split(near);
        let mut lines = Lines::new(read, write, door(0).0);
        far.write_all(b"{\"jsonrpc\":\"2.0\",").await.unwrap();
        {
            let reading = lines.receive();
            tokio::pin!(reading);
            assert!(futures_util::poll!(reading.as_mut()).is_pending());
        }
        far.write_all(b"\"id\":1,\"method\":\"ping\"}\n").await.unwrap();
        assert!(lines.receive().await.is_some());
    }
}
