//! Whole command lines against a home in a temporary directory: what comes out, where, and with which code.

mod asking;
mod events;
mod home;
mod plugins;
mod surface;
mod usage;

use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    App, BootOptions, BootOutcome, BootReport, DaemonEnd, DaemonOptions, context::Surroundings,
    failure::Exit, run,
};
use crate::{
    config::Home,
    service::{
        Problem, ProblemKind,
        api::{Call, Event, LogRecord, ServeMcp, TailEvents, TailLogs},
    },
    socket::{ControlSocket, Conversation, Handler},
};

/// A home and what surrounds it.
struct Trial {
    directory: TempDir,
    app: FakeApp,
    variables: HashMap<&'static str, OsString>,
    input: &'static str,
    is_typed: bool,
}

/// What a command did.
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

impl Trial {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let temporary = directory.path().as_os_str().to_owned();
        Self {
            directory,
            app: FakeApp::default(),
            variables: HashMap::from([("TMPDIR", temporary)]),
            input: "",
            is_typed: false,
        }
    }

    fn home(&self) -> Home {
        Home::at(self.directory.path().join("home"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// With `kora init` done.
    fn initialised() -> Self {
        let trial = Self::new();
        assert_eq!(trial.kora("init").exit, Exit::OK);
        trial
    }

    /// Runs `kora` with these words on this home.
    fn kora(&self, line: &str) -> Ran {
        let home = self.home().root().display().to_string();
        let words: Vec<_> = line.split_whitespace().collect();
        self.run(&[&["--home", &home], words.as_slice()].concat())
    }

    fn run(&self, words: &[&str]) -> Ran {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let words = std::iter::once("kora").chain(words.iter().copied());
        let exit = run(
            words.map(OsString::from),
            &self.app,
            Surroundings {
                environment: &|name| self.variables.get(name).cloned(),
                user_directory: Some(self.path("user")),
                current_directory: self.directory.path().to_owned(),
                input: &mut self.input.as_bytes(),
                input_is_terminal: self.is_typed,
                err_is_terminal: false,
            },
            &mut out,
            &mut err,
        );
        Ran {
            exit,
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }

    /// A daemon in this home that answers each call as `answer` says.
    fn daemon(&self, answer: impl Fn(&Call) -> Result<Value, Problem> + Send + Sync + 'static) -> Daemon {
        Daemon::start(&self.home(), Box::new(answer))
    }
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Ends as it is told, and remembers how it was asked.
struct FakeApp {
    end: DaemonEnd,
    outcome: BootOutcome,
    asked: RefCell<Option<DaemonOptions>>,
}

impl Default for FakeApp {
    fn default() -> Self {
        Self {
            end: DaemonEnd::Stopped,
            outcome: BootOutcome::Passed,
            asked: RefCell::default(),
        }
    }
}

impl App for FakeApp {
    fn run_daemon(&self, options: DaemonOptions) -> DaemonEnd {
        *self.asked.borrow_mut() = Some(options);
        self.end.clone()
    }

    fn check_boot(&self, _: BootOptions) -> Result<BootReport, Problem> {
        Ok(BootReport {
            outcome: self.outcome,
            gates: vec![],
        })
    }
}

type Answer = Box<dyn Fn(&Call) -> Result<Value, Problem> + Send + Sync>;

/// A daemon that is none, on a real socket.
struct Daemon {
    handler: Arc<FakeHandler>,
    stop: CancellationToken,
    _runtime: Runtime,
}

struct FakeHandler {
    answer: Answer,
    calls: Mutex<Vec<Value>>,
    /// What a stream brings before it ends.
    streamed: Mutex<Vec<Event>>,
    logged: Mutex<Vec<LogRecord>>,
}

#[async_trait]
impl Handler for FakeHandler {
    async fn call(&self, _: u32, call: Call) -> Result<Value, Problem> {
        self.calls
            .lock()
            .unwrap()
            .push(serde_json::to_value(&call).unwrap());
        (self.answer)(&call)
    }

    async fn follow(&self, _: u32, _: TailEvents) -> Result<mpsc::Receiver<Event>, Problem> {
        let events = std::mem::take(&mut *self.streamed.lock().unwrap());
        let (sender, receiver) = mpsc::channel(events.len().max(1));
        for event in events {
            sender.try_send(event).unwrap();
        }
        Ok(receiver)
    }

    async fn follow_logs(&self, _: u32, _: TailLogs) -> Result<mpsc::Receiver<LogRecord>, Problem> {
        let records = std::mem::take(&mut *self.logged.lock().unwrap());
        let (sender, receiver) = mpsc::channel(records.len().max(1));
        for record in records {
            sender.try_send(record).unwrap();
        }
        Ok(receiver)
    }

    async fn converse(&self, _: u32, _: ServeMcp) -> Result<Conversation, Problem> {
        Err(Problem::new(
            ProblemKind::NotFound,
            "caller.unknown",
            "no caller `pm` is in force",
        ))
    }
}

impl Daemon {
    fn start(home: &Home, answer: Answer) -> Self {
        let runtime = Runtime::new().unwrap();
        let socket = runtime.block_on(ControlSocket::bind(&home.socket())).unwrap();
        let (handler, stop) = (
            Arc::new(FakeHandler {
                answer,
                calls: Mutex::default(),
                streamed: Mutex::default(),
                logged: Mutex::default(),
            }),
            CancellationToken::new(),
        );
        runtime.spawn(socket.serve(Arc::clone(&handler), stop.clone()));
        Self {
            handler,
            stop,
            _runtime: runtime,
        }
    }

    fn last_call(&self) -> Value {
        self.handler
            .calls
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or(Value::Null)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn refusal() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "tenant.unknown",
        "there is no tenant `acme`",
    )
    .hint("see `kora tenants list`")
}

fn event(seq: u64) -> Event {
    Event {
        tenant: "acme".to_owned(),
        seq,
        event_id: format!("id-{seq}"),
        event_type: "acme.done".to_owned(),
        occurred_at_us: 1_795_168_800_000_000,
        actor_kind: Some("operator".to_owned()),
        actor_id: None,
        source: "kora-host@0.1.0".to_owned(),
        identity_generation: None,
        idempotency_key: None,
        payload: "{}".to_owned(),
        prev_hash: None,
        this_hash: "h".to_owned(),
    }
}

fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn nothing(_: &Call) -> Result<Value, Problem> {
    Ok(json!([]))
}
