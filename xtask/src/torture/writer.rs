//! The writers: a process of its own that appends over several connections, lives through every kill of the host, and tells on
//! stdout what was acknowledged, a line of JSON each. It ends once its stdin is closed and everything it asked for is answered.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::{census::EVENT_TYPE, chance::Chance, ledger::Acknowledged};

/// Appends under way on one connection: half of what the host takes, so that its limit is no part of this.
const WINDOW: usize = 32;
/// How soon a host that was killed is looked for again.
const RETRY: Duration = Duration::from_millis(5);
/// Beside the key; together from nearly nothing to the size of an event of a talkative agent.
const LONGEST_TEXT: usize = 400;

/// Append over the control socket, and tell what was acknowledged.
#[derive(Args)]
pub struct Write {
    /// The control socket
    #[arg(long)]
    socket: PathBuf,
    /// What the payloads are made from
    #[arg(long)]
    seed: u64,
    /// A connection for each of these tenants
    #[arg(required = true)]
    tenants: Vec<String>,
}

impl Write {
    /// Writes until stdin is closed.
    pub fn run(self) -> Result<()> {
        let enough = AtomicBool::new(false);
        thread::scope(|threads| {
            let (socket, seed, enough) = (&self.socket, self.seed, &enough);
            let writers: Vec<_> = self
                .tenants
                .iter()
                .enumerate()
                .map(|(number, tenant)| {
                    threads.spawn(move || Writer::new(number, tenant, seed).write(socket, enough))
                })
                .collect();
            io::copy(&mut io::stdin(), &mut io::sink())?;
            enough.store(true, Ordering::Relaxed);
            for writer in writers {
                writer
                    .join()
                    .unwrap_or_else(|fault| std::panic::resume_unwind(fault))?;
            }
            Ok(())
        })
    }
}

/// An append that is not acknowledged yet.
struct Append {
    key: String,
    retried: bool,
    /// When it was first asked for.
    asked: u64,
}

/// Counts what is asked and answered, over all connections.
static MOMENTS: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    MOMENTS.fetch_add(1, Ordering::SeqCst)
}

/// One connection after another to the same host.
struct Writer<'a> {
    number: usize,
    tenant: &'a str,
    seed: u64,
    made: u64,
    /// Asked for on a connection that ended, or refused for now: these go first.
    again: VecDeque<Append>,
    /// Asked for on this connection, by the number of the request.
    under_way: BTreeMap<u64, Append>,
}

#[derive(Deserialize)]
struct Answer {
    id: Option<u64>,
    result: Option<Appended>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Appended {
    event_id: String,
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Problem {
    kind: String,
    code: String,
    message: String,
}

impl Problem {
    fn is_for_now(&self) -> bool {
        self.kind == "unavailable" || self.code == "events.sealed"
    }
}

impl<'a> Writer<'a> {
    const fn new(number: usize, tenant: &'a str, seed: u64) -> Self {
        Self {
            number,
            tenant,
            seed,
            made: 0,
            again: VecDeque::new(),
            under_way: BTreeMap::new(),
        }
    }

    fn write(mut self, socket: &Path, enough: &AtomicBool) -> Result<()> {
        loop {
            if let Ok(stream) = UnixStream::connect(socket) {
                match self.converse(&stream, enough) {
                    Ok(()) => return Ok(()),
                    Err(Ended::Connection) => {}
                    Err(Ended::Fault(fault)) => return Err(fault),
                }
            }
            self.take_back();
            thread::sleep(RETRY);
        }
    }

    /// What is under way when a connection ends may have been appended or not.
    fn take_back(&mut self) {
        let unanswered = std::mem::take(&mut self.under_way).into_values();
        let again = unanswered.map(|append| Append {
            retried: true,
            ..append
        });
        self.again = again.chain(self.again.drain(..)).collect();
    }

    /// Until there is enough and everything is acknowledged, or the connection ends.
    fn converse(&mut self, stream: &UnixStream, enough: &AtomicBool) -> Result<(), Ended> {
        let mut lines = BufReader::new(stream);
        let mut requests = BufWriter::new(stream);
        let mut request_id = 0;
        let mut line = String::new();
        loop {
            while self.under_way.len() < WINDOW {
                let Some(append) = self.next(enough) else { break };
                request_id += 1;
                let request = self.request(request_id, &append);
                self.under_way.insert(request_id, append);
                writeln!(requests, "{request}")?;
            }
            requests.flush()?;
            if self.under_way.is_empty() {
                return Ok(());
            }
            line.clear();
            if lines.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Err(Ended::Connection);
            }
            self.take(&line).map_err(Ended::Fault)?;
        }
    }

    fn next(&mut self, enough: &AtomicBool) -> Option<Append> {
        if let Some(append) = self.again.pop_front() {
            return Some(append);
        }
        if enough.load(Ordering::Relaxed) {
            return None;
        }
        self.made += 1;
        Some(Append {
            key: format!("{}-{}", self.number, self.made),
            retried: false,
            asked: now(),
        })
    }

    fn request(&self, id: u64, append: &Append) -> serde_json::Value {
        let payload = json!({"key": append.key, "text": text(self.seed, &append.key)}).to_string();
        json!({"id": id, "method": "events.append", "params": {
            "tenant": self.tenant, "event_type": EVENT_TYPE, "payload": payload, "idempotency_key": append.key,
        }})
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let answer: Answer =
            serde_json::from_str(line).with_context(|| format!("cannot read the answer {line}"))?;
        let append = answer.id.and_then(|id| self.under_way.remove(&id));
        match (append, answer.result, answer.error) {
            (Some(append), Some(appended), None) => self.tell(append, appended),
            // The host stops, its store is away, or it has not looked at the chain yet. Whether it was appended is not known.
            (Some(append), None, Some(problem)) if problem.is_for_now() => {
                self.again.push_back(Append {
                    retried: true,
                    ..append
                });
                Ok(())
            }
            (_, _, Some(problem)) => bail!(
                "expected to append, found `{}`: {}",
                problem.code,
                problem.message
            ),
            _ => bail!("expected an answer to a request, found {line}"),
        }
    }

    fn tell(&self, append: Append, appended: Appended) -> Result<()> {
        let acknowledged = Acknowledged {
            key: append.key,
            tenant: self.tenant.to_owned(),
            event_id: appended.event_id,
            seq: appended.seq,
            retried: append.retried,
            asked: append.asked,
            answered: now(),
        };
        ensure!(
            !acknowledged.event_id.is_empty(),
            "expected an event's id, found none"
        );
        let line = serde_json::to_string(&acknowledged)? + "\n";
        // At once and whole: the lines of several threads.
        Ok(io::stdout().lock().write_all(line.as_bytes())?)
    }
}

/// The same for the same seed and key, in this run and in the next: what is asked for again is the same append.
fn text(seed: u64, key: &str) -> String {
    let of_key = key
        .bytes()
        .fold(seed, |sum, byte| Chance::of_seed(sum ^ u64::from(byte)).number());
    let mut chance = Chance::of_seed(of_key);
    let length = chance.up_to(LONGEST_TEXT);
    let letters = (0..length).map(|_| char::from(b' ' + u8::try_from(chance.up_to(94)).unwrap_or(0)));
    letters.collect()
}

/// Why a conversation did not come to its end.
enum Ended {
    Connection,
    Fault(anyhow::Error),
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys<'a>(appends: impl IntoIterator<Item = &'a Append>) -> Vec<(&'a str, bool)> {
        appends
            .into_iter()
            .map(|append| (append.key.as_str(), append.retried))
            .collect()
    }

    #[test]
    fn what_was_under_way_is_asked_for_again_first_with_the_same_keys() {
        let enough = AtomicBool::new(false);
        let mut writer = Writer::new(3, "t0", 1);
        for id in 1..=2 {
            let append = writer.next(&enough).expect("makes one");
            writer.under_way.insert(id, append);
        }
        writer.take_back();
        assert_eq!(keys(&writer.again), [("3-1", true), ("3-2", true)]);
        assert_eq!(writer.next(&enough).expect("has one").key, "3-1");
        enough.store(true, Ordering::Relaxed);
        assert_eq!(writer.next(&enough).expect("has one").key, "3-2");
        assert!(writer.next(&enough).is_none(), "nothing new once there is enough");
    }

    #[test]
    fn the_seed_and_the_key_fix_the_payload() {
        assert_eq!(text(7, "0-1"), text(7, "0-1"));
        assert_ne!(text(7, "0-1"), text(8, "0-1"));
        assert_ne!(text(7, "0-1"), text(7, "0-2"));
    }

    #[test]
    fn a_host_that_cannot_now_is_asked_again_and_a_refusal_is_a_fault() {
        let mut writer = Writer::new(0, "t0", 1);
        for id in 1..=2 {
            let append = writer.next(&AtomicBool::new(false)).expect("makes one");
            writer.under_way.insert(id, append);
        }
        let error = |id: u64, kind: &str| {
            json!({"id": id, "error": {"kind": kind, "code": "a.b", "message": "no"}}).to_string()
        };
        writer.take(&error(1, "unavailable")).expect("is asked again");
        assert_eq!(keys(&writer.again), [("0-1", true)]);
        let fault = writer.take(&error(2, "denied")).expect_err("is a fault");
        assert_eq!(fault.to_string(), "expected to append, found `a.b`: no");
    }
}
