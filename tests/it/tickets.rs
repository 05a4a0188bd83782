//! Tickets through the command: made, claimed, ended; what that makes of the tenant's state; what a restart and time do to claims.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Offender, RunningHost, TestHome, eventually, home_with_offenders};

const PROMPT: &str = "acme.md";

/// A home in which a prompt speaks for `acme`, with these lines under `[tickets]`.
fn home(tickets: &str) -> TestHome {
    let config = format!("[tenants.acme]\nfallback_prompt = \"{PROMPT}\"\n[tickets]\n{tickets}\n");
    let home = TestHome::with_config(&config);
    fs::write(home.path().join(PROMPT), "You are patient.").unwrap();
    home
}

fn state(host: &RunningHost<'_>) -> Value {
    host.json(&["state", "show"])["primary_state"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn create(host: &RunningHost<'_>, title: &str) -> String {
    text(&host.json(&["tickets", "create", title])["ticket_id"])
}

#[test]
fn a_ticket_is_claimed_over_a_restart_and_resolved_and_the_state_follows() {
    let home = home("");
    let host = home.start();
    let made = host.json(&["tickets", "create", " Answer the letter ", "--priority", "high"]);
    assert_eq!(made["title"], "Answer the letter");
    assert_eq!(
        (&made["kind"], &made["sea_status"]),
        (&json!("sea"), &json!("open"))
    );
    assert_eq!(made["origin_actor_kind"], "operator");
    let id = text(&made["ticket_id"]);
    let claimed = host.json(&["tickets", "claim"]);
    assert_eq!(claimed["result"], "claimed");
    assert_eq!(claimed["ticket"]["ticket_id"], json!(id));
    assert_eq!(state(&host), "active");
    let row = &host.json(&["operations", "list"])[0];
    assert_eq!(row["kora_operation_id"], claimed["kora_operation_id"]);
    assert_eq!(
        (&row["sequence_within_attempt"], &row["status"]),
        (&json!(0), &json!("allocated"))
    );
    let again = host.kora(&["tickets", "claim", &id, "--json"]);
    assert_eq!(
        (again.code, &again.parsed()["result"]),
        (1, &json!("already_claimed"))
    );
    assert_eq!(host.stop(), 0);

    let host = home.start();
    eventually("the claim is taken into account", || {
        (state(&host) == "active").then_some(())
    });
    let fence = claimed["claim_fence_token"].to_string();
    let resolve = |fence: &str| -> Vec<String> {
        [
            "tickets",
            "resolve",
            &id,
            "--fence",
            fence,
            "--resolution",
            "completed",
            "--summary",
            "sent",
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let idle = host.problem(&["tickets", "refresh", &id, "--fence", &fence]);
    assert_eq!(idle["code"], "tickets.no_progress");
    assert!(idle["hints"].to_string().contains("`--progress`"), "{idle}");
    let progress = [
        "tickets",
        "refresh",
        &id,
        "--fence",
        &fence,
        "--progress",
        "tool_call_boundary",
    ];
    assert_eq!(host.json(&progress)["sea_status"], "in_progress");
    let never_given = resolve("7");
    let never_given = host.problem(&never_given.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        (&never_given["code"], &never_given["kind"]),
        (&json!("tickets.unknown_fence"), &json!("conflict"))
    );
    let resolved = resolve(&fence);
    let resolved = host.json(&resolved.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(resolved["sea_status"], "completed");
    assert_eq!(state(&host), "ready");
    let told = host.payloads("acme", "kora.sea_ticket.resolved");
    let expected = json!({
        "sea_ticket_id": id,
        "workspace_id": "acme",
        "resolution": "completed",
        "resolution_summary": "sent",
    });
    assert_eq!(told, [expected]);
    assert_eq!(host.json(&["operations", "list"])[0]["status"], "committed");
    assert_eq!(host.json(&["tickets", "list"]), json!([]));
    let ended = host.kora(&["tickets", "claim", &id, "--json"]);
    assert_eq!(ended.parsed()["result"], "ticket_terminal");
    let nothing = host.kora(&["tickets", "claim", "--json"]);
    assert_eq!((nothing.code, &nothing.parsed()["result"]), (1, &Value::Null));
    assert_eq!(host.stop(), 0);
    home.kora(&["events", "verify"]).ok();
}

#[test]
fn a_lease_that_runs_out_is_swept_and_its_holder_comes_too_late() {
    let home = home("lease_seconds = 1\nsweep_seconds = 1");
    let host = home.start();
    let id = create(&host, "forgotten");
    let claimed = host.json(&["tickets", "claim", &id]);
    eventually("the tenant is ready again", || {
        (state(&host) == "ready").then_some(())
    });
    let told = host.payloads("acme", "sea_ticket.claim_expired");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["sea_ticket_id"], json!(id));
    let shown = host.json(&["tickets", "show", &id]);
    assert_eq!(
        (&shown["sea_status"], &shown["failure_count"]),
        (&json!("failed_retryable"), &json!(1))
    );
    let fence = claimed["claim_fence_token"].to_string();
    let late = host.problem(&["tickets", "release", &id, "--fence", &fence]);
    assert_eq!(late["code"], "tickets.claim_over", "{late}");
    assert_eq!(host.json(&["operations", "list"])[0]["status"], "abandoned");
}

#[test]
fn a_paused_tenant_claims_nothing_and_after_a_resume_it_begins_slowly_also_after_a_restart() {
    let home = home("");
    let host = home.start();
    let (first, second) = (create(&host, "first"), create(&host, "second"));
    host.json(&["state", "pause"]);
    let blocked = host.kora(&["tickets", "claim", "--json"]);
    assert_eq!(
        (blocked.code, &blocked.parsed()["result"]),
        (1, &json!("blocked_by_control"))
    );
    host.json(&["state", "resume"]);
    assert_eq!(
        host.json(&["tickets", "claim"])["ticket"]["ticket_id"],
        json!(first)
    );
    let too_soon = |host: &RunningHost<'_>| host.kora(&["tickets", "claim", &second, "--json"]).parsed();
    assert_eq!(too_soon(&host)["result"], "blocked_by_control");
    assert_eq!(host.stop(), 0);
    let host = home.start();
    let refused = too_soon(&host);
    assert_eq!(refused["result"], "blocked_by_control");
    assert!(text(&refused["detail"]).contains("begins slowly"), "{refused}");
}

#[test]
fn a_plugin_does_the_tickets_of_its_tenant_and_nothing_under_a_claim_that_is_over() {
    let more = "tick_seconds = 0.2\ntimeout_seconds = 30\ntenant = \"globex\"";
    let home = home_with_offenders(&[Offender::serving_acme("misbehave", "tickets")], more);
    let host = home.start();
    let made = host.json(&["tickets", "create", "a letter", "--tenant", "acme"]);
    let told = eventually("the plugin has done it", || {
        let told = host.payloads("acme", "misbehave.observed");
        (told.len() == 7).then_some(told)
    });
    let line = |report: &Value| {
        let text = |field: &str| report[field].as_str().unwrap_or("-").to_owned();
        format!("{}: {}: {}\n", text("what"), text("kind"), text("error"))
    };
    insta::assert_snapshot!(told.iter().map(line).collect::<String>(), @r"
    claim of a foreign ticket: TenantNotServed: the plugin does not act for the tenant `globex`
    the same once more: -: -
    refresh: -: -
    operation: -: -
    resolve: -: -
    release what is resolved: Conflict: the claim with the fence token 1 is over: the ticket is `completed`
    operation of what is resolved: Conflict: the claim with the fence token 1 is over: the ticket is `completed`
    ");
    let shown = host.json(&["tickets", "show", &text(&made["ticket_id"]), "--tenant", "acme"]);
    assert_eq!(shown["sea_status"], "completed");
    assert_eq!(shown["last_resolution"]["model_tier_used"], "small");
    let events = host.events("acme");
    let resolved = events
        .iter()
        .find(|event| event["event_type"] == "kora.sea_ticket.resolved")
        .unwrap();
    assert_eq!(
        (&resolved["actor_kind"], &resolved["actor_id"]),
        (&json!("plugin"), &json!("misbehave"))
    );
    let rows = host.json(&["operations", "list", "--tenant", "acme"]);
    let rows: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["tool_name"], &row["status"]))
        .collect();
    let committed = json!("committed");
    assert_eq!(
        rows,
        [
            (&json!("mail"), &committed),
            (&json!("kora__claim_sea_ticket"), &committed)
        ]
    );
}

#[test]
fn a_stop_command_breaks_claimed_work_off_and_neither_it_nor_spent_money_lets_anything_be_claimed() {
    let home = home("ramp_seconds = 0");
    let host = home.start();
    let id = create(&host, "Answer the letter");
    assert_eq!(host.json(&["tickets", "claim"])["result"], "claimed");
    assert_eq!(state(&host), "active");
    host.json(&["state", "stop", "--level", "3"]);
    eventually("the work is given back and the command enforced", || {
        let ticket = host.json(&["tickets", "show", &id]);
        let commands = host.json(&["state", "commands"]);
        let is_open = ticket["sea_status"] == "open" && ticket["active_claim_token"].is_null();
        (is_open && commands["active"][0]["lifecycle_state"] == "enforced").then_some(())
    });
    let claim = |expected: &str| {
        let refused = host.kora(&["tickets", "claim", "--json"]);
        assert_eq!(
            (refused.code, &refused.parsed()["result"]),
            (1, &json!(expected)),
            "{}",
            refused.parsed()
        );
    };
    claim("blocked_by_control");
    host.json(&["state", "reset"]);
    host.json(&["state", "resume"]);
    host.json(&[
        "cost", "record", "--model", "opus", "--route", "mail", "--cost", "150",
    ]);
    // Nothing is paused yet, but this ticket may not be done by a smaller model.
    assert_eq!(state(&host), "ready");
    claim("blocked_by_cost");
}
