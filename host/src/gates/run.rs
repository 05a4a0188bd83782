//! Running gates one after another. Nothing here waits without a deadline: a check that panics or hangs has failed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::gate::{Fault, FaultMeaning, Gate};
use crate::engine::{
    gates::{Failed, GateSpec, Mode, Next, Verdict, WhyFailed, after_failure, ends_boot, verdict},
    transition::{GateClass, GateOutcome, GateReport},
};

/// How long somebody who is told of a retry may take. What tenants show is a courtesy; the boot goes on.
const WATCHER_DEADLINE: Duration = Duration::from_secs(5);
/// What a gate says whose check panicked, as the original did.
const UNEXPECTED: &str = "unexpected exception";

/// Hears of gates that are tried again.
#[async_trait]
pub trait Watcher: Send + Sync + 'static {
    /// A gate failed and is tried again after a while.
    async fn retrying(&self, gate: &GateSpec, detail: &str);

    /// A gate that was tried again has passed.
    async fn passed_at_last(&self, gate: &GateSpec);
}

/// One run of gates.
pub struct Run {
    mode: Mode,
    watcher: Arc<dyn Watcher>,
    left: Duration,
    reports: Vec<GateReport>,
    is_over: bool,
    /// Ends the wait for another attempt.
    stop: CancellationToken,
}

impl Run {
    /// A run whose gates may take `budget` together.
    pub fn new(mode: Mode, budget: Duration, watcher: Arc<dyn Watcher>) -> Self {
        Self {
            mode,
            watcher,
            left: budget,
            reports: Vec::new(),
            is_over: false,
            stop: CancellationToken::new(),
        }
    }

    /// Nothing is tried again once `stop` is cancelled: a gate that failed stays so. An attempt that was begun is not broken off.
    #[must_use]
    pub fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Runs a gate, unless the run is over; answers whether to go on. Dropping the future ends the check; the gate is then not
    /// reported.
    pub async fn pass(&mut self, gate: &Gate) -> bool {
        if self.is_over {
            return false;
        }
        let began = Instant::now();
        let (attempts, outcome) = self.tried(gate, began).await;
        if gate.spec.limits.is_some() {
            self.left = self.left.saturating_sub(began.elapsed());
        }
        let (outcome, gate_class, detail) = match outcome {
            Ok(detail) => (GateOutcome::Pass, gate.spec.class, detail),
            Err(fault) => match fault.meaning {
                FaultMeaning::Failed => (GateOutcome::Fail, gate.spec.class, fault.detail),
                FaultMeaning::Interrupted => (GateOutcome::Fail, GateClass::Transient, fault.detail),
                FaultMeaning::NotLookedAt => (GateOutcome::NotLookedAt, gate.spec.class, fault.detail),
            },
        };
        self.is_over = self.mode == Mode::Boot && outcome == GateOutcome::Fail && ends_boot(gate_class);
        self.reports.push(GateReport {
            gate_id: gate.id.to_string(),
            gate_class,
            outcome,
            attempts,
            elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            detail,
        });
        !self.is_over
    }

    /// The gates that were run, in order.
    pub fn reports(&self) -> &[GateReport] {
        &self.reports
    }

    /// The gates that were run, in order.
    pub fn into_reports(self) -> Vec<GateReport> {
        self.reports
    }

    /// What they came to so far.
    pub fn verdict(&self) -> Verdict {
        verdict(&self.reports).0
    }

    async fn tried(&self, gate: &Gate, began: Instant) -> (u32, Result<String, Fault>) {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let fault = match self.attempt(gate, began).await {
                Ok(detail) => {
                    if attempts > 1 {
                        self.tell(self.watcher.passed_at_last(&gate.spec)).await;
                    }
                    return (attempts, Ok(detail));
                }
                Err(fault) => fault,
            };
            let failed = Failed {
                attempts,
                lasts: fault.lasts,
                left_of_gate: self.left_of(gate, began),
                left_of_run: self.left.saturating_sub(began.elapsed()),
            };
            match after_failure(gate.spec.class, self.mode, failed) {
                Next::Failed(why) => return (attempts, Err(noted(fault, why))),
                Next::Again(after) => {
                    let seconds = after.as_secs();
                    tracing::warn!(gate = %gate.id, attempts, seconds, "a boot gate failed and is tried again: {}", fault.detail);
                    self.tell(self.watcher.retrying(&gate.spec, &fault.detail)).await;
                    if self.stop.run_until_cancelled(sleep(after)).await.is_none() {
                        return (attempts, Err(fault));
                    }
                }
            }
        }
    }

    async fn attempt(&self, gate: &Gate, began: Instant) -> Result<String, Fault> {
        let mut checking = Checking(tokio::spawn(gate.check()));
        let Some(limits) = gate.spec.limits else {
            return (&mut checking.0).await.unwrap_or_else(unexpected);
        };
        let left = self
            .left_of(gate, began)
            .min(self.left.saturating_sub(began.elapsed()));
        if left.is_zero() {
            return Err(Fault::lasting(
                "it was not tried: the time for all gates is used up",
            ));
        }
        let deadline = limits.attempt.min(left);
        match timeout(deadline, &mut checking.0).await {
            Ok(checked) => checked.unwrap_or_else(unexpected),
            Err(_) => Err(Fault::now(format!("no answer within {} s", deadline.as_secs()))),
        }
    }

    fn left_of(&self, gate: &Gate, began: Instant) -> Duration {
        let in_all = gate.spec.limits.map_or(self.left, |limits| limits.in_all);
        in_all.saturating_sub(began.elapsed())
    }

    async fn tell(&self, telling: impl Future<Output = ()>) {
        if timeout(WATCHER_DEADLINE, telling).await.is_err() {
            tracing::warn!("what tenants show while a boot gate is tried again could not be changed in time");
        }
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("mode", &self.mode)
            .field("left", &self.left)
            .field("reports", &self.reports)
            .finish_non_exhaustive()
    }
}

/// A check that ends when nobody waits for it any more.
struct Checking(JoinHandle<Result<String, Fault>>);

impl Drop for Checking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn unexpected(error: JoinError) -> Result<String, Fault> {
    let said = match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_else(|| "a panic without a message".to_owned()),
        Err(error) => error.to_string(),
    };
    Err(Fault::lasting(format!("{UNEXPECTED}: {said}")))
}

fn noted(fault: Fault, why: WhyFailed) -> Fault {
    match why.note() {
        "" => fault,
        note => Fault {
            detail: format!("{} ({note})", fault.detail),
            ..fault
        },
    }
}
