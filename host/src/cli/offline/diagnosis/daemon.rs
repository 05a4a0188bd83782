//! The running daemon, if there is one: whether it can be talked to, and what it says of itself.

use super::{Finding, Level};
use crate::{
    cli::view::text::counted,
    config::Home,
    service::{
        Problem,
        api::{Call, Nothing, Status},
    },
    socket::{BlockingClient, read_answer},
};

const CHECK: &str = "daemon";

pub(super) fn look(home: &Home, findings: &mut Vec<Finding>) {
    match ask(home) {
        Ok(status) => describe(&status, findings),
        Err(problem) if problem.code == "daemon.not_running" => {
            findings.push(Finding::ok(CHECK, "no daemon runs in this home"));
        }
        Err(problem) => findings.push(Finding::new(
            Level::Fail,
            CHECK,
            problem.message,
            problem.hints.into_iter().next(),
        )),
    }
}

fn ask(home: &Home) -> Result<Status, Problem> {
    let daemon = BlockingClient::connect(&home.socket())?;
    read_answer(daemon.call(&Call::Status(Nothing {}))?)
}

fn describe(status: &Status, findings: &mut Vec<Finding>) {
    findings.push(Finding::ok(
        CHECK,
        format!(
            "kora {} is {} (process {})",
            status.version, status.state, status.pid
        ),
    ));
    if let Some(address) = &status.http {
        findings.push(Finding::ok(
            CHECK,
            format!("it answers on `http://{address}`: MCP at `/mcp`, its health at `/healthz`"),
        ));
    }
    if status.store != "available" {
        let cause = status.store_cause.as_deref().unwrap_or("no cause is known");
        let message = format!("its store is {}: {cause}", status.store);
        findings.push(Finding::fail(
            CHECK,
            message,
            "free or mend the medium; the host tries again by itself",
        ));
    }
    if status.spooled_events > 0 {
        let message = format!("{} wait to be written", counted(status.spooled_events, "event"));
        findings.push(Finding::warn(
            CHECK,
            message,
            "they are written in order once the store is back",
        ));
    }
    findings.extend(status.checkpoint_faults.iter().map(|fault| {
        let hint = "`kora events verify` holds every kept checkpoint against the chains";
        Finding::fail(CHECK, fault.clone(), hint)
    }));
    let failed = status.gates.iter().filter(|gate| gate.outcome == "fail");
    findings.extend(failed.map(|gate| {
        let message = format!("the boot gate `{}` failed: {}", gate.gate_id, gate.detail);
        Finding::fail(CHECK, message, "mend it and start the host again")
    }));
}
