//! A way to the host that adds the token: the suite sends none. Each request has a connection of its own.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context as _, Result};

const HEAD_END: &[u8] = b"\r\n\r\n";
const BUFFER_BYTES: usize = 64 * 1024;

/// Listens until the program ends.
pub struct Proxy {
    address: SocketAddr,
}

impl Proxy {
    /// One to this host, with this token.
    ///
    /// # Errors
    /// If no port is to be had.
    pub fn start(host: SocketAddr, token: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let token = token.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let token = token.clone();
                // A connection that breaks is the suite's to tell of.
                thread::spawn(move || drop(pass_on(client, host, &token)));
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn pass_on(mut client: TcpStream, host: SocketAddr, token: &str) -> io::Result<()> {
    let (head, mut body) = read_head(&mut client)?;
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    let missing = length.unwrap_or(0_usize).saturating_sub(body.len());
    let begun = body.len();
    body.resize(begun + missing, 0);
    client.read_exact(&mut body[begun..])?;

    let mut host = TcpStream::connect(host)?;
    host.write_all(with_token(&head, token).as_bytes())?;
    host.write_all(&body)?;
    let (mut gone, cut) = (client.try_clone()?, host.try_clone()?);
    thread::spawn(move || {
        // Nothing more is asked on this connection: what ends it is that the client went away.
        drop(io::copy(&mut gone, &mut io::sink()));
        drop(cut.shutdown(Shutdown::Both));
    });
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match host.read(&mut buffer)? {
            0 => return client.shutdown(Shutdown::Both),
            read => client.write_all(&buffer[..read])?,
        }
    }
}

/// The head of a request, and what came with it of its body.
fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        if let Some(end) = bytes.windows(HEAD_END.len()).position(|part| part == HEAD_END) {
            let body = bytes.split_off(end + HEAD_END.len());
            return Ok((String::from_utf8_lossy(&bytes[..end]).into_owned(), body));
        }
        match client.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
    headers
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim())
}

fn with_token(head: &str, token: &str) -> String {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let kept = lines.filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("authorization") && !name.eq_ignore_ascii_case("connection")
    });
    let mut text = format!("{first}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n");
    for line in kept {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_takes_the_place_of_any_other() {
        let head = "POST /mcp HTTP/1.1\r\nHost: a\r\nauthorization: Bearer x\r\nConnection: keep-alive\r\nContent-Length: 3";
        assert_eq!(
            with_token(head, "t"),
            "POST /mcp HTTP/1.1\r\nAuthorization: Bearer t\r\nConnection: close\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
        );
        assert_eq!(header(head, "content-length"), Some("3"));
    }
}
