//! A small HTTP client over a plain socket: a test sees exactly what the host answers, and can be slow or wrong on purpose.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{DEADLINE, RunningHost, TestHome};

/// How a caller that a test adds is told from others in what its tokens look like; the length is that of real ones.
const TOKEN_CHARS: usize = 43;

/// Adds a caller to the home's `callers.toml` and answers its token. `tenants` may be `["*"]`. The file is replaced as a whole, so a host
/// that runs sees the caller at once.
pub fn add_caller(
    home: &TestHome,
    name: &str,
    capabilities: &[&str],
    tenants: &[&str],
    actor_id: Option<&str>,
) -> String {
    add_caller_with(home, name, capabilities, tenants, actor_id, "")
}

/// The same, with more lines for its entry, such as `requests_per_second = 5`.
pub fn add_caller_with(
    home: &TestHome,
    name: &str,
    capabilities: &[&str],
    tenants: &[&str],
    actor_id: Option<&str>,
    more: &str,
) -> String {
    let word: String = format!("{name}-of-tests-").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let token = format!("koratok_{}", word.repeat(TOKEN_CHARS))[.."koratok_".len() + TOKEN_CHARS].to_owned();
    let hash: String = Sha256::digest(token.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let actor = actor_id.map_or_else(String::new, |id| format!("actor_id = \"{id}\"\n"));
    let entry = format!(
        "\n[[callers]]\nname = \"{name}\"\nkind = \"{name}_kind\"\ntoken_hash = \"sha256:{hash}\"\n\
         capabilities = {capabilities:?}\ntenants = {tenants:?}\n{actor}{more}\n"
    );
    let path = home.path().join("callers.toml");
    let before = fs::read_to_string(&path).unwrap_or_default();
    replace_callers(home, &format!("{before}{entry}"));
    token
}

/// Takes a caller away again: what comes with its token is a stranger's from here on.
pub fn remove_caller(home: &TestHome, name: &str) {
    let text = fs::read_to_string(home.path().join("callers.toml")).unwrap();
    let entries = text.split("\n[[callers]]\n").map(str::to_owned);
    let is_other = |entry: &String| !entry.starts_with(&format!("name = \"{name}\"\n"));
    let left: Vec<String> = entries.filter(is_other).collect();
    replace_callers(home, &left.join("\n[[callers]]\n"));
}

fn replace_callers(home: &TestHome, text: &str) {
    let path = home.path().join("callers.toml");
    let temporary = home.path().join(".callers.toml.tmp");
    fs::write(&temporary, text).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&temporary, &path).unwrap();
}

/// Asks one address. Each request has a connection of its own, so that none depends on how the one before ended.
#[derive(Debug, Clone, Copy)]
pub struct HttpClient {
    address: SocketAddr,
}

impl HttpClient {
    /// Of this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Of a host, wherever it listens.
    #[track_caller]
    pub fn of(host: &RunningHost<'_>) -> Self {
        let status = host.json(&["status"]);
        let address = status["http"]
            .as_str()
            .unwrap_or_else(|| panic!("the host does not listen: {status}"));
        Self::new(address.parse().unwrap())
    }

    /// Where it asks.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A `GET`.
    pub fn get(&self, path: &str) -> HttpRequest {
        self.request("GET", path)
    }

    /// A `POST` of JSON.
    pub fn post_json(&self, path: &str, body: &Value) -> HttpRequest {
        self.request("POST", path)
            .header("Content-Type", "application/json")
            .body(body.to_string())
    }

    /// Any request. `Host` is sent unless the request names one itself.
    pub fn request(&self, method: &str, path: &str) -> HttpRequest {
        HttpRequest {
            address: self.address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A bare connection, for what is no request.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }
}

/// A request that was not sent yet.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpRequest {
    /// With a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With a header, beside others of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// What it looks like on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let is_named = |wanted: &str| {
            self.headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if !is_named("Host") {
            text += &format!("Host: {}\r\n", self.address);
        }
        if !is_named("Content-Length") && !self.body.is_empty() {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        if !is_named("Connection") {
            text += "Connection: close\r\n";
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn send(self) -> HttpResponse {
        let what = format!("{} {}", self.method, self.path);
        self.open()
            .and_then(HttpStream::into_response)
            .unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends it, and reads the answer's head alone.
    ///
    /// # Errors
    /// If the connection ends before.
    pub fn open(self) -> io::Result<HttpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        (&stream).write_all(&self.bytes())?;
        HttpStream::read_head(stream)
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl HttpResponse {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON, if the status is this.
    ///
    /// # Panics
    /// If it is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

/// An answer whose head was read, and whose body comes as it comes.
#[derive(Debug)]
pub struct HttpStream {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    /// What was taken out of chunks and is no whole line yet.
    pending: Vec<u8>,
    has_ended: bool,
}

impl HttpStream {
    /// Reads the head of an answer.
    ///
    /// # Errors
    /// If the connection ends before, or what comes is no answer.
    pub fn read_head(stream: TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let first = read_line(&mut reader)?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("no status line: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(format!("no header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self {
            status,
            headers,
            reader,
            pending: Vec::new(),
            has_ended: false,
        })
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The rest of the answer.
    ///
    /// # Errors
    /// If the connection ends before it is whole.
    pub fn into_response(mut self) -> io::Result<HttpResponse> {
        let length = self.header("content-length").map(str::to_owned);
        let mut body = Vec::new();
        if self.is_chunked() {
            while let Some(chunk) = self.chunk()? {
                body.extend(chunk);
            }
        } else if let Some(length) = length.and_then(|length| length.parse().ok()) {
            body.resize(length, 0);
            self.reader.read_exact(&mut body)?;
        } else {
            self.reader.read_to_end(&mut body)?;
        }
        Ok(HttpResponse {
            status: self.status,
            headers: self.headers,
            body: String::from_utf8(body).map_err(|error| invalid(error.to_string()))?,
        })
    }

    /// The next line of the body, without its end; `None` once the answer has ended. A line that does not come within `deadline` is an
    /// error of the kind `WouldBlock` or `TimedOut`; what came of it is kept.
    ///
    /// # Errors
    /// If it does not come, or the connection breaks.
    pub fn next_line(&mut self, deadline: Duration) -> io::Result<Option<String>> {
        let began = Instant::now();
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            if self.has_ended {
                return Ok(None);
            }
            let left = deadline
                .checked_sub(began.elapsed())
                .filter(|left| !left.is_zero())
                .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "no line came"))?;
            self.reader.get_ref().set_read_timeout(Some(left))?;
            // Between two chunks nothing is lost at the deadline; within one, it has been sent whole.
            self.reader.fill_buf()?;
            self.reader.get_ref().set_read_timeout(Some(DEADLINE))?;
            match self.chunk()? {
                Some(chunk) => self.pending.extend(chunk),
                None => self.has_ended = true,
            }
        }
    }

    /// The next of the server-sent events, as its fields `(name, value)`; comments are left out. `None` once the stream has ended.
    ///
    /// # Errors
    /// As [`next_line`](Self::next_line).
    pub fn next_event(&mut self, deadline: Duration) -> io::Result<Option<ServerSentEvent>> {
        let began = Instant::now();
        let mut event = ServerSentEvent::default();
        let mut is_empty = true;
        loop {
            let left = deadline.saturating_sub(began.elapsed());
            let Some(line) = self.next_line(left)? else {
                return Ok(None);
            };
            if line.is_empty() {
                if is_empty {
                    continue;
                }
                return Ok(Some(event));
            }
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => event.id = value.to_owned(),
                "event" => event.name = value.to_owned(),
                "data" => event.data += value,
                // A comment, or the time to wait before the next try.
                _ => continue,
            }
            is_empty = false;
        }
    }

    /// The connection itself, for closing it or leaving it unread.
    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Ends it from this side.
    pub fn close(self) {
        // It may have ended by itself.
        drop(self.socket().shutdown(Shutdown::Both));
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked"))
    }

    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        if !self.is_chunked() {
            let bytes = self.reader.fill_buf()?.to_vec();
            self.reader.consume(bytes.len());
            return Ok((!bytes.is_empty()).then_some(bytes));
        }
        let size = read_line(&mut self.reader)?;
        let size =
            usize::from_str_radix(size.trim(), 16).map_err(|_| invalid(format!("no chunk: {size:?}")))?;
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }
}

/// One of the server-sent events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSentEvent {
    pub id: String,
    pub name: String,
    pub data: String,
}

impl ServerSentEvent {
    /// Its data as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn find<'a>(headers: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.as_str())
}

fn read_line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the connection ended",
        ));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
