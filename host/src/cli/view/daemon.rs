//! Daemon entries and boot gates.

use super::{
    table::Table,
    text::{one_line, or_nothing},
};
use crate::{
    cli::port::{BootOutcome, BootReport},
    service::api::{Daemon, Gate, Task},
};

/// Entries, a line for each task.
pub(super) fn daemons(daemons: &[Daemon]) -> String {
    let lines = daemons.iter().flat_map(|daemon| {
        let first = std::iter::once((daemon, daemon.tasks.first(), true));
        first.chain(
            daemon
                .tasks
                .iter()
                .skip(1)
                .map(move |task| (daemon, Some(task), false)),
        )
    });
    let heading = [
        "DAEMON", "STATE", "RESTARTS", "TASK", "EVERY", "RUNS", "FAILED", "SKIPPED", "CAUSE",
    ];
    Table::new(heading)
        .rows(lines, |(daemon, task, first)| {
            let once = |text: String| if first { text } else { "\"".to_owned() };
            let of_task = |value: fn(&Task) -> String| task.map(value).unwrap_or_default();
            [
                format!("{}/{}", daemon.plugin, daemon.name),
                once(daemon.state.clone()),
                once(daemon.restarts.to_string()),
                of_task(|task| task.name.clone()),
                of_task(|task| format!("{} s", task.every_seconds)),
                of_task(|task| task.runs.to_string()),
                of_task(|task| task.failures.to_string()),
                of_task(|task| task.skipped.to_string()),
                once(or_nothing(daemon.cause.as_deref())),
            ]
        })
        .to_text("no daemons run")
}

/// Gates in the order in which they ran.
pub(super) fn gates(gates: &[Gate]) -> String {
    Table::new(["GATE", "CLASS", "OUTCOME", "ATTEMPTS", "TOOK", "DETAIL"])
        .rows(gates, |gate| {
            [
                gate.gate_id.clone(),
                gate.gate_class.clone(),
                gate.outcome.clone(),
                gate.attempts.to_string(),
                format!("{} ms", gate.elapsed_ms),
                gate.detail.clone(),
            ]
        })
        .to_text("no gate was run")
}

/// Why a tenant did not come up, on a line of its own; nothing if it did.
pub(super) fn not_started(tenant: &str, failed: Option<&Gate>) -> String {
    failed
        .map(|gate| {
            format!(
                "{} did not start: `{}`, {}\n",
                one_line(tenant),
                one_line(&gate.gate_id),
                one_line(&gate.detail)
            )
        })
        .unwrap_or_default()
}

/// What a check of the boot found.
pub(in crate::cli) fn boot(report: &BootReport) -> String {
    let class = match report.outcome {
        BootOutcome::InvariantFailed => "invariant",
        BootOutcome::TransientFailed => "transient",
        BootOutcome::EpochPause => "invariant_pause",
        BootOutcome::Passed | BootOutcome::Interrupted => "",
    };
    let decides = |gate: &&Gate| gate.outcome == "fail" && gate.gate_class == class;
    let failed = report.gates.iter().find(decides);
    let named = failed
        .map(|gate| format!(": `{}`, {}", gate.gate_id, gate.detail))
        .unwrap_or_default();
    let verdict = match report.outcome {
        BootOutcome::Passed => "passed: the host would boot".to_owned(),
        BootOutcome::InvariantFailed => format!("failed: something is wrong that does not pass{named}"),
        BootOutcome::TransientFailed => format!("failed for now: it may pass when tried again{named}"),
        BootOutcome::EpochPause => format!("paused: the host would boot and wait for an operator{named}"),
        BootOutcome::Interrupted => "interrupted before all gates were run".to_owned(),
    };
    format!("{}\n{}\n", gates(&report.gates), one_line(&verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str) -> Task {
        Task {
            name: name.to_owned(),
            every_seconds: 1.5,
            runs: 1,
            failures: 0,
            skipped: 0,
        }
    }

    #[test]
    fn a_daemon_with_several_tasks_takes_a_line_for_each() {
        let entry = |name: &str, tasks| Daemon {
            plugin: "kora".to_owned(),
            name: name.to_owned(),
            state: "failed".to_owned(),
            cause: Some("no route".to_owned()),
            restarts: 2,
            fatal_on_startup_failure: false,
            shutdown_timeout_seconds: 5.0,
            tasks,
        };
        let text = daemons(&[entry("cost", vec![task("a"), task("b")]), entry("idle", vec![])]);
        insta::assert_snapshot!(text, @r#"
        DAEMON     STATE   RESTARTS  TASK  EVERY  RUNS  FAILED  SKIPPED  CAUSE
        kora/cost  failed  2         a     1.5 s  1     0       0        no route
        kora/cost  "       "         b     1.5 s  1     0       0        "
        kora/idle  failed  2         -     -      -     -       -        no route
        "#);
    }

    #[test]
    fn a_failed_boot_check_names_the_gate() {
        let report = BootReport {
            outcome: BootOutcome::InvariantFailed,
            gates: vec![Gate {
                gate_id: "tenant_identity".to_owned(),
                gate_class: "invariant".to_owned(),
                outcome: "fail".to_owned(),
                attempts: 1,
                elapsed_ms: 0,
                detail: "nobody speaks for `acme`".to_owned(),
            }],
        };
        insta::assert_snapshot!(boot(&report), @r"
        GATE             CLASS      OUTCOME  ATTEMPTS  TOOK  DETAIL
        tenant_identity  invariant  fail     1         0 ms  nobody speaks for `acme`

        failed: something is wrong that does not pass: `tenant_identity`, nobody speaks for `acme`
        ");
    }
}
