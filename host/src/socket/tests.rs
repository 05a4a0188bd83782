//! A real socket with a handler that is none.

mod handover;

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{server::Operators, *};
use crate::service::{
    Problem, ProblemKind,
    api::{Call, Event, LogRecord, Nothing, OneTenant, PluginName, ServeMcp, TailEvents, TailLogs},
};

/// Ends a test that would hang.
const DEADLINE: Duration = Duration::from_secs(20);

/// `identity.show TENANT` answers when `plugins.restart TENANT` was called; `config.reload` panics; the rest is answered at
/// once.
#[derive(Default)]
struct Fake {
    gates: Mutex<std::collections::HashMap<String, Arc<Notify>>>,
    under_way: AtomicUsize,
    finished: AtomicUsize,
    appended: Mutex<Option<mpsc::Sender<Event>>>,
}

impl Fake {
    fn gate(&self, name: &str) -> Arc<Notify> {
        Arc::clone(self.gates.lock().unwrap().entry(name.to_owned()).or_default())
    }
}

#[async_trait]
impl Handler for Fake {
    async fn call(&self, operator_uid: u32, call: Call) -> Result<Value, Problem> {
        match call {
            Call::IdentityShow(OneTenant { tenant }) => {
                self.under_way.fetch_add(1, Ordering::SeqCst);
                self.gate(&tenant).notified().await;
                self.finished.fetch_add(1, Ordering::SeqCst);
                Ok(json!(tenant))
            }
            Call::PluginsRestart(PluginName { name }) => {
                self.gate(&name).notify_one();
                Ok(json!("opened"))
            }
            Call::ConfigReload(_) => panic!("a fault of the handler"),
            Call::TenantsList(_) => {
                Err(Problem::new(ProblemKind::NotFound, "x.none", "there are none").hint("add one"))
            }
            _ => Ok(json!({ "uid": operator_uid })),
        }
    }

    async fn follow(&self, _: u32, tail: TailEvents) -> Result<mpsc::Receiver<Event>, Problem> {
        if tail.tenant.as_deref() == Some("nobody") {
            return Err(Problem::new(
                ProblemKind::NotFound,
                "tenant.unknown",
                "there is no tenant `nobody`",
            ));
        }
        let (sender, events) = mpsc::channel(8);
        *self.appended.lock().unwrap() = Some(sender);
        Ok(events)
    }

    async fn follow_logs(&self, _: u32, _: TailLogs) -> Result<mpsc::Receiver<LogRecord>, Problem> {
        let (sender, records) = mpsc::channel(1);
        sender.try_send(record()).unwrap();
        Ok(records)
    }

    /// Says each line twice.
    async fn converse(&self, _: u32, serve: ServeMcp) -> Result<Conversation, Problem> {
        if serve.caller.as_deref() == Some("nobody") {
            return Err(Problem::new(ProblemKind::NotFound, "caller.unknown", "nobody"));
        }
        Ok(Box::new(|read, mut write| {
            Box::pin(async move {
                let mut lines = BufReader::new(read).lines();
                while let Some(line) = lines.next_line().await.unwrap() {
                    let twice = format!("{line}{line}\n");
                    write.write_all(twice.as_bytes()).await.unwrap();
                }
            })
        }))
    }
}

struct Host {
    home: TempDir,
    fake: Arc<Fake>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Host {
    async fn start() -> Self {
        Self::start_for(Operators(vec![own_uid()])).await
    }

    async fn start_for(operators: Operators) -> Self {
        let home = TempDir::new().unwrap();
        let socket = ControlSocket::bind(&socket_in(&home)).await.unwrap();
        let (fake, stop) = (Arc::new(Fake::default()), CancellationToken::new());
        let serving = tokio::spawn(socket.serve_for(operators, Arc::clone(&fake), stop.clone()));
        Self {
            home,
            fake,
            stop,
            serving,
        }
    }

    fn path(&self) -> PathBuf {
        socket_in(&self.home)
    }

    async fn client(&self) -> Client {
        Client::connect(&self.path()).await.unwrap()
    }

    async fn raw(&self) -> Raw {
        let stream = UnixStream::connect(self.path()).await.unwrap();
        Raw(BufReader::new(stream))
    }

    async fn until(&self, reached: impl Fn(&Fake) -> bool) {
        let wait = async {
            while !reached(&self.fake) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, wait).await.expect("it was reached in time");
    }
}

/// A peer that says what it likes.
struct Raw(BufReader<UnixStream>);

impl Raw {
    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        timeout(DEADLINE, self.0.read_line(&mut line))
            .await
            .expect("a line in time")
            .unwrap();
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }
}

fn socket_in(home: &TempDir) -> PathBuf {
    home.path().join("run/kora.sock")
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn event(seq: u64) -> Event {
    Event {
        tenant: "acme".to_owned(),
        seq,
        event_id: String::new(),
        event_type: "acme.done".to_owned(),
        occurred_at_us: 0,
        actor_kind: None,
        actor_id: None,
        source: String::new(),
        identity_generation: None,
        idempotency_key: None,
        payload: "{}".to_owned(),
        prev_hash: None,
        this_hash: String::new(),
    }
}

const STATUS: &str = "{\"id\":9,\"method\":\"status\"}\n";

fn show(tenant: &str) -> Call {
    Call::IdentityShow(OneTenant {
        tenant: tenant.to_owned(),
    })
}

fn open(name: &str) -> Call {
    Call::PluginsRestart(PluginName {
        name: name.to_owned(),
    })
}

#[tokio::test]
async fn a_call_is_answered_with_the_uid_of_who_asks() {
    let host = Host::start().await;
    let answer = host.client().await.call(&Call::Status(Nothing {})).await;
    assert_eq!(answer.unwrap(), json!({ "uid": own_uid() }));
}

#[tokio::test]
async fn a_problem_arrives_with_its_hints() {
    let host = Host::start().await;
    let problem = host
        .client()
        .await
        .call(&Call::TenantsList(Nothing {}))
        .await
        .unwrap_err();
    assert_eq!(
        (problem.kind, problem.hints),
        (ProblemKind::NotFound, vec!["add one".to_owned()])
    );
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone() {
    let host = Host::start().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&host.path()), 0o600);
    assert_eq!(mode(host.path().parent().unwrap()), 0o700);
}

#[tokio::test]
async fn another_user_is_told_and_turned_away() {
    let host = Host::start_for(Operators(vec![own_uid() + 1])).await;
    let problem = host
        .client()
        .await
        .call(&Call::Status(Nothing {}))
        .await
        .unwrap_err();
    assert_eq!(
        (problem.kind, problem.code.as_str()),
        (ProblemKind::Denied, "socket.denied")
    );
}

#[tokio::test]
async fn garbage_is_answered_and_the_connection_goes_on() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    peer.say("garbage\n\n{\"id\":3,\"method\":\"no.such\"}\n").await;
    assert_eq!(peer.hear().await["error"]["code"], "request.malformed");
    let second = peer.hear().await;
    assert_eq!(
        (&second["id"], &second["error"]["code"]),
        (&json!(3), &json!("request.invalid"))
    );
    peer.say("\u{1}\u{0}\n").await;
    assert_eq!(peer.hear().await["error"]["code"], "request.malformed");
    peer.say(STATUS).await;
    assert_eq!(peer.hear().await["id"], 9);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_answered_and_the_connection_goes_on() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    peer.say(&"x".repeat(MAX_REQUEST_BYTES + 1)).await;
    peer.say(&format!("\n{STATUS}")).await;
    assert_eq!(peer.hear().await["error"]["code"], "request.too_long");
    assert_eq!(peer.hear().await["id"], 9);
}

#[tokio::test]
async fn a_later_request_may_be_answered_before_an_earlier_one() {
    let host = Host::start().await;
    let client = host.client().await;
    let (first, second) = (show("first"), open("first"));
    let (slow, quick) = tokio::join!(client.call(&first), client.call(&second));
    assert_eq!((slow.unwrap(), quick.unwrap()), (json!("first"), json!("opened")));
}

#[tokio::test]
async fn more_requests_than_may_be_under_way_wait_their_turn() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    for id in 0..=MAX_CALLS_IN_FLIGHT {
        peer.say(&format!(
            "{{\"id\":{id},\"method\":\"identity.show\",\"params\":{{\"tenant\":\"t{id}\"}}}}\n"
        ))
        .await;
    }
    host.until(|fake| fake.under_way.load(Ordering::SeqCst) == MAX_CALLS_IN_FLIGHT)
        .await;
    let other = host.client().await;
    other.call(&open("t0")).await.unwrap();
    assert_eq!(peer.hear().await["result"], "t0");
    host.until(|fake| fake.under_way.load(Ordering::SeqCst) == MAX_CALLS_IN_FLIGHT + 1)
        .await;
    for id in 1..=MAX_CALLS_IN_FLIGHT {
        other.call(&open(&format!("t{id}"))).await.unwrap();
        assert_eq!(peer.hear().await["result"], format!("t{id}"));
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_and_turned_away() {
    let host = Host::start().await;
    let mut open = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut peer = host.raw().await;
        peer.say(STATUS).await;
        peer.hear().await;
        open.push(peer);
    }
    assert_eq!(host.raw().await.hear().await["error"]["code"], "socket.busy");
    open.pop();
    let room = async { while host.client().await.call(&Call::Status(Nothing {})).await.is_err() {} };
    timeout(DEADLINE, room)
        .await
        .expect("a closed connection makes room");
}

#[tokio::test]
async fn a_fault_of_the_handler_is_an_answer_and_the_connection_goes_on() {
    let host = Host::start().await;
    let client = host.client().await;
    let problem = client.call(&Call::ConfigReload(Nothing {})).await.unwrap_err();
    assert_eq!(
        (problem.kind, problem.code.as_str()),
        (ProblemKind::Internal, "internal.fault")
    );
    client.call(&Call::Status(Nothing {})).await.unwrap();
}

#[tokio::test]
async fn a_call_runs_to_its_end_though_the_peer_has_gone() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    peer.say("{\"id\":1,\"method\":\"identity.show\",\"params\":{\"tenant\":\"a\"}}\n")
        .await;
    host.until(|fake| fake.under_way.load(Ordering::SeqCst) == 1)
        .await;
    drop(peer);
    host.client().await.call(&open("a")).await.unwrap();
    host.until(|fake| fake.finished.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_peer_that_only_stops_talking_still_gets_its_answer() {
    let host = Host::start().await;
    let mut peer = host.raw().await;
    peer.say(STATUS).await;
    peer.0.get_mut().shutdown().await.unwrap();
    assert_eq!(peer.hear().await["id"], 9);
    assert_eq!(
        peer.0.read_u8().await.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn a_stream_brings_events_as_they_come_and_ends_when_it_is_let_go() {
    let host = Host::start().await;
    let client = host.client().await;
    let mut events = client.follow(TailEvents::default()).await.unwrap();
    host.until(|fake| fake.appended.lock().unwrap().is_some()).await;
    let appended = host.fake.appended.lock().unwrap().take().unwrap();
    for seq in 1..=3 {
        appended.send(event(seq)).await.unwrap();
        let (event, _) = timeout(DEADLINE, events.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(event.seq, seq);
    }
    drop((events, client));
    timeout(DEADLINE, appended.closed())
        .await
        .expect("the daemon lets go, too");
}

#[tokio::test]
async fn a_stream_that_is_refused_says_why_and_one_that_ends_ends() {
    let host = Host::start().await;
    let client = host.client().await;
    let nobody = TailEvents {
        tenant: Some("nobody".to_owned()),
        ..TailEvents::default()
    };
    let refused = client.follow(nobody).await.unwrap().next().await.unwrap();
    assert_eq!(refused.unwrap_err().code, "tenant.unknown");
    let mut events = client.follow(TailEvents::default()).await.unwrap();
    host.until(|fake| fake.appended.lock().unwrap().is_some()).await;
    drop(host.fake.appended.lock().unwrap().take());
    assert!(timeout(DEADLINE, events.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_too_many_is_refused() {
    let host = Host::start().await;
    let client = host.client().await;
    let mut streams = Vec::new();
    for _ in 0..MAX_FOLLOWS {
        streams.push(client.follow(TailEvents::default()).await.unwrap());
    }
    let mut last = client.follow(TailEvents::default()).await.unwrap();
    assert_eq!(
        last.next().await.unwrap().unwrap_err().code,
        "socket.too_many_streams"
    );
}

fn record() -> LogRecord {
    LogRecord {
        at: "2026-11-20T10:00:00.000000Z".to_owned(),
        level: crate::domain::LogLevel::Info,
        target: "kora".to_owned(),
        plugin: None,
        message: "said".to_owned(),
        fields: serde_json::Map::new(),
    }
}

#[tokio::test]
async fn records_of_the_log_come_as_a_stream_too() {
    let host = Host::start().await;
    let client = host.client().await;
    let mut records = client.follow_logs(TailLogs::default()).await.unwrap();
    let (heard, _) = records.next().await.unwrap().unwrap();
    assert_eq!(heard, record());
    assert!(records.next().await.is_none());
}

#[tokio::test]
async fn a_stop_lets_calls_end_and_ends_streams_and_removes_the_socket() {
    let host = Host::start().await;
    let client = host.client().await;
    let mut events = client.follow(TailEvents::default()).await.unwrap();
    let call = show("a");
    let (answer, ()) = tokio::join!(client.call(&call), async {
        host.until(|fake| fake.under_way.load(Ordering::SeqCst) == 1)
            .await;
        host.stop.cancel();
        assert!(timeout(DEADLINE, events.next()).await.unwrap().is_none());
        let nobody = Client::connect(&host.path()).await.unwrap_err();
        assert_eq!(nobody.code, "daemon.not_running");
        host.fake.gate("a").notify_one();
    });
    assert_eq!(answer.unwrap(), "a");
    timeout(DEADLINE, host.serving)
        .await
        .expect("it stops in time")
        .unwrap();
    assert!(!socket_in(&host.home).exists());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever_for_a_call_that_hangs() {
    let host = Host::start().await;
    let client = host.client().await;
    let call = show("never");
    let (answer, stopped) = tokio::join!(client.call(&call), async {
        host.until(|fake| fake.under_way.load(Ordering::SeqCst) == 1)
            .await;
        host.stop.cancel();
        host.serving.await
    });
    stopped.unwrap();
    assert_eq!(answer.unwrap_err().code, "daemon.connection_lost");
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_is_left_alone() {
    let host = Host::start().await;
    let refused = ControlSocket::bind(&host.path()).await.unwrap_err();
    assert!(matches!(refused, BindError::Answered { .. }));
    assert_eq!(Problem::from(refused).kind, ProblemKind::Conflict);
    host.client().await.call(&Call::Status(Nothing {})).await.unwrap();
}

#[tokio::test]
async fn the_socket_of_a_killed_daemon_is_replaced() {
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(socket_in(&home)).unwrap());
    assert_eq!(
        Client::connect(&socket_in(&home)).await.unwrap_err().code,
        "daemon.not_running"
    );
    let socket = ControlSocket::bind(&socket_in(&home)).await.unwrap();
    assert_eq!(socket.path(), socket_in(&home));
}

#[tokio::test]
async fn another_file_where_the_socket_belongs_is_left_alone() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("kora.sock");
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(
        ControlSocket::bind(&path).await,
        Err(BindError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn a_path_that_is_too_long_is_named_before_anything_is_made() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("x".repeat(MAX_PATH_BYTES)).join("kora.sock");
    let problem = Problem::from(ControlSocket::bind(&path).await.unwrap_err());
    assert_eq!(problem.code, "socket.path_too_long");
    assert!(problem.hints[0].contains("KORA_HOME"));
    assert!(!path.parent().unwrap().exists());
    assert_eq!(
        Client::connect(&path).await.unwrap_err().code,
        "socket.path_too_long"
    );
}

#[test]
fn a_program_without_a_runtime_can_call_and_follow() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let host = runtime.block_on(Host::start());
    let client = BlockingClient::connect(&host.path()).unwrap();
    assert_eq!(client.call(&Call::Status(Nothing {})).unwrap()["uid"], own_uid());
    let fake = Arc::clone(&host.fake);
    let feed = runtime.spawn(async move {
        let appended = loop {
            if let Some(sender) = fake.appended.lock().unwrap().take() {
                break sender;
            }
            tokio::task::yield_now().await;
        };
        for seq in 1.. {
            if appended.send(event(seq)).await.is_err() {
                break;
            }
        }
    });
    let seen = client.run(async |client| {
        let mut events = client.follow(TailEvents::default()).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(events.next().await.unwrap().unwrap().0.seq);
        }
        seen
    });
    assert_eq!(seen, [1, 2, 3]);
    drop(client);
    runtime.block_on(feed).unwrap();
}
