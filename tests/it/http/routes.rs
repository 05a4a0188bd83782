//! What each route answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{EVENT, append, home, writer};
use crate::harness::{HttpClient, TestHome, add_caller, eventually};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A host of one home, with a caller of `acme` and one of all tenants.
fn callers(home: &TestHome) -> (String, String) {
    let own = add_caller(home, "own", &[], &["acme"], None);
    let all = add_caller(home, "all", &[], &["*"], None);
    (own, all)
}

#[test]
fn the_operational_state_has_exactly_the_fields_of_the_original() {
    let home = home();
    let (own, _) = callers(&home);
    let host = home.start();
    host.json(&["state", "pause", "--tenant", "acme", "--reason", "lunch"]);
    let http = HttpClient::of(&host);
    let answer = http.get("/api/operational-state").bearer(&own).send();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let state = answer.expect(200);
    let expected = [
        "primary_state",
        "claim_permission",
        "degradation_reasons",
        "is_degraded",
        "transition_history",
        "valid_next_states",
        "stub",
    ];
    assert_eq!(keys(&state), expected.into(), "{state}");
    assert_eq!(state["primary_state"], "paused");
    assert_eq!(state["stub"], false);
    let past = &state["transition_history"][0];
    assert_eq!(
        keys(past),
        ["timestamp", "from_state", "to_state", "trigger"].into(),
        "{past}"
    );
    let next = &state["valid_next_states"][0];
    assert_eq!(keys(next), ["to_state", "trigger"].into(), "{next}");
}

#[test]
fn every_route_of_the_document_answers_as_it_says() {
    let home = home();
    let (_, all) = callers(&home);
    let host = home.start();
    let http = HttpClient::of(&host);
    let document = http.get("/api/openapi.json").bearer(&all).send().expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        if path == "/api/events/stream" {
            continue;
        }
        let operation = &operations["get"];
        let parameters = operation["parameters"].as_array().unwrap();
        let takes_tenant = parameters.iter().any(|parameter| parameter["name"] == "tenant");
        let query = if takes_tenant { "?tenant=acme" } else { "" };
        let answer = http.get(&format!("{path}{query}")).bearer(&all).send();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let content = operation["responses"]["200"]["content"].as_object().unwrap();
        let said = answer.header("content-type").unwrap();
        let described = content.iter().find(|(kind, _)| said.starts_with(kind.as_str()));
        let (kind, described) = described.unwrap_or_else(|| panic!("{path}: {said}"));
        if kind == "application/json" && path != "/api/openapi.json" {
            let required = described["schema"]["required"].as_array().unwrap();
            let required: BTreeSet<_> = required.iter().map(|name| name.as_str().unwrap()).collect();
            assert_eq!(keys(&answer.json()), required, "{path}");
        }
        asked += 1;
    }
    assert_eq!(asked, 16);
}

#[test]
fn events_are_read_page_by_page_and_none_is_read_twice() {
    let home = home();
    let (own, _) = callers(&home);
    let token = writer(&home, &["acme"]);
    let host = home.start();
    let http = HttpClient::of(&host);
    for n in 0..7 {
        append(&http, &token, "acme", &json!({ "n": n, "exact": 0.1 }));
    }
    let page = |query: &str| {
        let path = format!("/api/chain-events?prefix={EVENT}&limit=3{query}");
        http.get(&path).bearer(&own).send().expect(200)
    };
    let mut seen = Vec::new();
    let mut query = String::new();
    loop {
        let answer = page(&query);
        for event in answer["events"].as_array().unwrap() {
            assert_eq!(event["tenant"], "acme");
            assert_eq!(event["actor_id"], "writer");
            seen.push(event["payload"]["n"].as_u64().unwrap());
        }
        match answer["next"].as_u64() {
            Some(next) => query = format!("&before_seq={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [6, 5, 4, 3, 2, 1, 0]);

    let newest = page("")["events"][0]["emitted_at"].as_str().unwrap().to_owned();
    let before = page(&format!("&before_ts={newest}"));
    assert!(
        before["events"][0]["payload"]["n"].as_u64().unwrap() < 6,
        "{before}"
    );
    let second = before["events"][0]["seq"].as_u64().unwrap();
    let both = page(&format!("&before_ts={newest}&before_seq={second}"));
    assert_eq!(both["events"][0]["payload"]["n"], 4, "{both}");
    let earliest = page("&before_ts=1999-01-01T00:00:00Z");
    assert_eq!(earliest, json!({ "events": [], "next": null }));
}

#[test]
fn tickets_are_read_page_by_page_and_by_their_status() {
    let home = home();
    let (own, _) = callers(&home);
    let host = home.start();
    for title in ["first", "second", "third"] {
        host.json(&["tickets", "create", title, "--tenant", "acme"]);
    }
    let http = HttpClient::of(&host);
    let page = |query: &str| {
        let path = format!("/api/sea-tickets?limit=2{query}");
        http.get(&path).bearer(&own).send().expect(200)
    };
    let titles = |page: &Value| -> Vec<String> {
        let tickets = page["tickets"].as_array().unwrap().iter();
        tickets
            .map(|ticket| ticket["title"].as_str().unwrap().to_owned())
            .collect()
    };
    let newest = page("");
    assert_eq!(titles(&newest), ["third", "second"]);
    let last = page(&format!("&before={}", newest["next"].as_str().unwrap()));
    assert_eq!(titles(&last), ["first"]);
    assert_eq!(last["next"], Value::Null);
    assert_eq!(titles(&page("&status=completed")), [""; 0]);
}

#[test]
fn stop_commands_are_shown_in_force_carried_out_and_past() {
    let home = home();
    let (own, _) = callers(&home);
    let host = home.start();
    host.json(&[
        "state", "stop", "--tenant", "acme", "--level", "1", "--reason", "enough",
    ]);
    let http = HttpClient::of(&host);
    let observed = eventually("the command was carried out", || {
        let observed = http
            .get("/api/kora-control/observed-state")
            .bearer(&own)
            .send()
            .expect(200);
        (!observed["recently_enforced"].as_array().unwrap().is_empty()).then_some(observed)
    });
    assert_eq!(
        keys(&observed),
        ["active", "recently_enforced", "history"].into(),
        "{observed}"
    );
    assert_eq!(observed["history"][0]["reason"], "enough");
}

#[test]
fn a_call_is_audited_with_its_route_and_never_with_its_query() {
    let home = home();
    let (own, all) = callers(&home);
    let host = home.start();
    let http = HttpClient::of(&host);
    http.get("/api/chain-events?prefix=deploy.secretly&tenant=acme")
        .bearer(&own)
        .send()
        .expect(200);
    http.get("/api/chain-events?tenant=globex")
        .bearer(&own)
        .send()
        .expect(404);

    let lines = eventually("the call is in the audit", || {
        let path = "/api/audit?tenant=acme&seam=http.called";
        let audit = http.get(path).bearer(&own).send().expect(200);
        let lines = audit["lines"].as_array().unwrap().clone();
        let is_it = |line: &Value| line["details"]["route"] == "/api/chain-events";
        lines.iter().any(is_it).then_some(lines)
    });
    let line = lines
        .iter()
        .find(|line| line["details"]["route"] == "/api/chain-events")
        .unwrap();
    let details = &line["details"];
    assert_eq!(
        (&line["seam"], &details["result"], &details["caller"]),
        (&json!("http.called"), &json!("ok"), &json!("own"))
    );
    assert!(details["duration_ms"].is_u64(), "{line}");
    assert!(!json!(lines).to_string().contains("secretly"));

    let denied = http
        .get("/api/audit?tenant=host&seam=http.called")
        .bearer(&all)
        .send()
        .expect(200);
    let denied = &denied["lines"][0]["details"];
    assert_eq!(
        (&denied["result"], &denied["tool_status"], &denied["caller"]),
        (&json!("tenant_denied"), &json!("not_allowed"), &json!("own"))
    );
    let since = http
        .get("/api/audit?since=2999-01-01T00:00:00Z")
        .bearer(&own)
        .send()
        .expect(200);
    assert_eq!(since["lines"], json!([]));
}

#[test]
fn metrics_count_requests_by_route_and_calls_by_tool() {
    let home = home();
    let (own, all) = callers(&home);
    let token = writer(&home, &["acme"]);
    let host = home.start();
    let http = HttpClient::of(&host);
    append(&http, &token, "acme", &json!({}));
    http.get("/api/status").bearer(&own).send().expect(200);
    http.get("/there/is/nothing").bearer(&own).send().expect(404);
    let metrics = http.get("/metrics").bearer(&all).send();
    assert_eq!(metrics.status, 200);
    for line in [
        "kora_http_requests_total{route=\"/api/status\",status=\"200\"} 1",
        "kora_http_requests_total{route=\"unmatched\",status=\"404\"} 1",
        "kora_tool_calls_total{tool=\"kora__append_event\",result=\"ok\"} 1",
        "kora_audit_lines_lost_total 0",
        "kora_event_streams 0",
    ] {
        assert!(metrics.body.contains(line), "{line}\n{}", metrics.body);
    }
    // Whoever says nothing gets what every scraper reads.
    let text = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(metrics.header("content-type"), Some(text));
    assert!(metrics.body.contains("# TYPE kora_http_requests_total counter\n"));
    assert!(!metrics.body.contains("# EOF") && !metrics.body.contains("# UNIT"));
    let open = http
        .get("/metrics")
        .header("Accept", "application/openmetrics-text; version=1.0.0");
    let open = open.bearer(&all).send();
    assert!(
        open.header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text;")
    );
    assert!(open.body.contains("# TYPE kora_http_requests counter\n") && open.body.ends_with("# EOF\n"));
}
