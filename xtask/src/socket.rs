//! Asking the running host over its control socket, one question on a connection: what the command would ask, without the time
//! that starting it takes.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// A host that is asked how it is answers at once.
const DEADLINE: Duration = Duration::from_secs(10);

/// What the host answers.
///
/// # Errors
/// If nobody listens, or the answer is an error.
pub fn ask(socket: &Path, method: &str, params: Value) -> Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let request = json!({"id": 1, "method": method, "params": params});
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let mut answer: Value = serde_json::from_str(&line).context("expected a line of JSON, found none")?;
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => bail!("expected an answer to `{method}`, found {line}"),
    }
}
