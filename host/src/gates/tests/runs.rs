//! Runs of gates: retries, deadlines, panics, and the looks at the store.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::TenantId,
    engine::{
        gates::{
            CHAIN_TAIL, EPOCH, FATAL_DAEMONS_UP, GateSpec, HOST_BUDGET, Mode, SCHEMA, SECRETS, STORE_RIGHTS,
            Verdict,
        },
        transition::GateOutcome,
    },
    gates::{Fault, Gate, Run, Watcher, chain_tail, store_rights},
    store::{
        Store, StoreError,
        memory::{MemoryStore, Mood},
    },
};

/// Writes down what it hears.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Watcher for Heard {
    async fn retrying(&self, gate: &GateSpec, detail: &str) {
        self.0.lock().unwrap().push(format!("{}: {detail}", gate.id));
    }

    async fn passed_at_last(&self, gate: &GateSpec) {
        self.0.lock().unwrap().push(format!("{}: passed", gate.id));
    }
}

fn run_within(mode: Mode, budget: Duration) -> (Run, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (Run::new(mode, budget, heard.clone()), heard)
}

fn booting() -> (Run, Arc<Heard>) {
    run_within(Mode::Boot, HOST_BUDGET)
}

/// A gate that fails so often and then passes.
fn failing(spec: GateSpec, times: u32) -> Gate {
    let tried = Arc::new(AtomicU32::new(0));
    Gate::new(spec, move || {
        let tried = tried.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            if tried > times {
                Ok(format!("passed after {tried}"))
            } else {
                Err(Fault::now("not yet"))
            }
        }
    })
}

fn sound(spec: GateSpec) -> Gate {
    failing(spec, 0)
}

fn hanging(spec: GateSpec) -> Gate {
    Gate::new(spec, pending)
}

fn panicking(spec: GateSpec) -> Gate {
    Gate::new(spec, || async { panic!("no {}", "luck") })
}

#[tokio::test(start_paused = true)]
async fn a_transient_gate_is_tried_until_it_passes_and_tenants_hear_of_it() {
    let (mut run, heard) = booting();
    let began = Instant::now();
    assert!(run.pass(&failing(STORE_RIGHTS, 3)).await);
    assert_eq!(began.elapsed(), Duration::from_secs(2 + 4 + 8));
    let report = &run.reports()[0];
    assert_eq!((report.attempts, report.outcome), (4, GateOutcome::Pass));
    assert_eq!((report.elapsed_ms, &*report.detail), (14_000, "passed after 4"));
    assert_eq!(
        heard.all(),
        [
            "store_rights: not yet",
            "store_rights: not yet",
            "store_rights: not yet",
            "store_rights: passed"
        ]
    );
    assert_eq!(run.verdict(), Verdict::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_boot_stops_at_the_first_gate_that_failed() {
    let (mut run, _) = booting();
    assert!(run.pass(&sound(SCHEMA)).await);
    assert!(!run.pass(&failing(STORE_RIGHTS, 9)).await);
    assert!(!run.pass(&sound(SECRETS)).await);
    let reports = run.reports();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert_eq!(reports[1].attempts, 5);
    assert!(reports[1].detail.contains("not yet"), "{}", reports[1].detail);
    assert_eq!(run.verdict(), Verdict::Stopped);
}

#[tokio::test(start_paused = true)]
async fn an_invariant_has_one_attempt_and_one_that_pauses_does_not_end_the_boot() {
    let (mut run, heard) = booting();
    assert!(run.pass(&failing(EPOCH, 1)).await, "the rest is needed to resume");
    assert_eq!(run.verdict(), Verdict::Paused);
    assert!(!run.pass(&failing(CHAIN_TAIL, 1)).await);
    assert_eq!(run.verdict(), Verdict::Stopped);
    assert_eq!(heard.all(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_check_runs_each_gate_once_whatever_the_others_say() {
    let (mut run, heard) = run_within(Mode::CheckOnly, HOST_BUDGET);
    for gate in [
        failing(STORE_RIGHTS, 1),
        failing(SCHEMA, 1),
        hanging(SECRETS),
        panicking(CHAIN_TAIL),
        sound(SCHEMA),
    ] {
        assert!(run.pass(&gate).await);
    }
    let outcomes: Vec<_> = run.reports().iter().map(|report| report.outcome).collect();
    use GateOutcome::{Fail, Pass};
    assert_eq!(outcomes, [Fail, Fail, Fail, Fail, Pass]);
    assert!(run.reports().iter().all(|report| report.attempts == 1));
    assert_eq!(heard.all(), [""; 0], "nothing is changed");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_panics_has_failed_and_says_what_it_said() {
    for spec in [SCHEMA, STORE_RIGHTS, FATAL_DAEMONS_UP] {
        let (mut run, _) = booting();
        assert!(!run.pass(&panicking(spec)).await);
        assert_eq!(run.reports()[0].detail, "unexpected exception: no luck");
        assert_eq!(run.verdict(), Verdict::Stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_hangs_has_failed_when_its_time_is_up() {
    let began = Instant::now();
    let (mut run, _) = booting();
    assert!(!run.pass(&hanging(SCHEMA)).await);
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let (mut run, _) = booting();
    assert!(!run.pass(&hanging(STORE_RIGHTS)).await);
    assert!(
        began.elapsed() <= Duration::from_secs(10 + 60),
        "{:?}",
        began.elapsed()
    );
    assert!(
        run.reports()[0].detail.starts_with("no answer within"),
        "{:?}",
        run.reports()
    );
    assert_eq!(run.verdict(), Verdict::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_boot_ends_when_the_time_of_all_gates_is_up() {
    let (mut run, _) = run_within(Mode::Boot, Duration::from_secs(5));
    let began = Instant::now();
    assert!(run.pass(&failing(STORE_RIGHTS, 1)).await);
    assert!(!run.pass(&failing(SECRETS, 9)).await);
    assert!(began.elapsed() <= Duration::from_secs(5));
    assert!(
        run.reports()[1]
            .detail
            .contains("the time for all gates is used up"),
        "{:?}",
        run.reports()[1]
    );
    assert_eq!(run.verdict(), Verdict::Stopped);

    let (mut run, _) = run_within(Mode::Boot, Duration::ZERO);
    assert!(!run.pass(&hanging(SCHEMA)).await);
    assert_eq!(run.verdict(), Verdict::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_hangs_does_not_hold_a_boot() {
    struct Hangs;
    #[async_trait]
    impl Watcher for Hangs {
        async fn retrying(&self, _: &GateSpec, _: &str) {
            pending().await
        }
        async fn passed_at_last(&self, _: &GateSpec) {
            pending().await
        }
    }
    let mut run = Run::new(Mode::Boot, HOST_BUDGET, Arc::new(Hangs));
    assert!(run.pass(&failing(SECRETS, 2)).await);
}

#[tokio::test(start_paused = true)]
async fn once_a_run_is_to_stop_nothing_is_tried_again() {
    let stop = CancellationToken::new();
    let (run, heard) = booting();
    let mut run = run.until(stop.clone());
    let gate = failing(SECRETS, 100);
    let began = tokio::time::Instant::now();
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stop.cancel();
    };
    let (passed, ()) = tokio::join!(run.pass(&gate), stopping);
    assert!(!passed);
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(run.reports()[0].attempts, 2);
    assert_eq!(heard.0.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_is_cut_off_ends_the_check_that_was_running() {
    struct Ended(Arc<AtomicU32>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let ended = Arc::new(AtomicU32::new(0));
    let told = ended.clone();
    let gate = Gate::new(FATAL_DAEMONS_UP, move || {
        let guard = Ended(told.clone());
        async move {
            pending::<()>().await;
            drop(guard);
            Ok(String::new())
        }
    });
    let (mut run, _) = booting();
    assert!(timeout(Duration::from_secs(1), run.pass(&gate)).await.is_err());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    assert_eq!(run.reports(), []);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lets_events_be_changed_fails_until_somebody_has_put_it_right() {
    let store = Arc::new(MemoryStore::default());
    let as_store: Arc<dyn Store> = store.clone();
    store.set_rights_fault(Some("an event could be deleted"));
    let righting = store.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        righting.set_rights_fault(None);
    });
    let (mut run, _) = booting();
    assert!(run.pass(&store_rights(&as_store)).await);
    assert_eq!(run.reports()[0].attempts, 3);

    store.set_rights_fault(Some("an event could be deleted"));
    let (mut run, _) = booting();
    assert!(!run.pass(&store_rights(&as_store)).await);
    assert!(run.reports()[0].detail.starts_with("an event could be deleted"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_chain_stops_its_own_tenant_and_no_other() {
    let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex"]));
    let as_store: Arc<dyn Store> = store.clone();
    let [acme, globex] = ["acme", "globex"].map(|id| id.parse::<TenantId>().unwrap());
    store.break_chain(&acme, "record 4 does not have the hash that is stored with it");
    let (mut run, _) = booting();
    assert!(run.pass(&chain_tail(&as_store, &globex)).await);
    assert!(!run.pass(&chain_tail(&as_store, &acme)).await);
    assert_eq!(run.reports()[1].attempts, 1);
    assert!(run.reports()[1].detail.contains("record 4"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_damaged_is_not_asked_again() {
    let store = Arc::new(MemoryStore::default());
    let as_store: Arc<dyn Store> = store.clone();
    store.set_mood(Mood::Fails(StoreError::Damaged("a page".to_owned())));
    let (mut run, _) = booting();
    assert!(!run.pass(&store_rights(&as_store)).await);
    assert_eq!(run.reports()[0].attempts, 1);
}
