//! Webhooks: what comes in on their port reaches the plugin that takes it, or leaves a dead letter that holds nothing of it.

use std::{fs, net::SocketAddr};

use serde_json::{Value, json};

use crate::harness::{
    HttpClient, HttpRequest, Offender, RunningHost, TestHome, eventually, home_with_offenders,
};

const BOUND: &str =
    "[tenants.acme]\nagent_name = \"A\"\nfallback_prompt = \"prompt.md\"\nplugins = [\"conformance\"]\n";

fn home(more: &str) -> TestHome {
    let home = TestHome::with_config(&format!("{BOUND}{more}"));
    fs::write(home.path().join("prompt.md"), "You serve acme.").unwrap();
    home.install(&["conformance"]);
    home
}

fn door(host: &RunningHost<'_>) -> HttpClient {
    let status = host.json(&["status"]);
    let address: SocketAddr = status["webhooks"].as_str().unwrap().parse().unwrap();
    HttpClient::new(address)
}

fn hook(host: &RunningHost<'_>, body: &str) -> HttpRequest {
    door(host)
        .request("POST", "/api/webhooks/conformance/echo")
        .header("Content-Type", "application/json")
        .body(body)
}

/// The lines of the host's audit with this seam, once there are so many.
fn audited(home: &TestHome, seam: &str, count: usize) -> Vec<Value> {
    eventually(&format!("there are {count} lines of {seam}"), || {
        let text = fs::read_to_string(home.path().join("audit/host/kora_audit_log.jsonl")).ok()?;
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found: Vec<_> = lines.filter(|line| line["seam"] == seam).collect();
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn a_webhook_reaches_its_plugin_and_its_sender_gets_the_answer() {
    let home = home("[audit]\nflush_interval_seconds = 1\n");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let answer = hook(&host, r#"{"a": 1}"#)
        .header("X-Test", "yes")
        .header("X-Other", "not asked for")
        .send()
        .expect(200);
    assert_eq!(answer["body"], json!({"a": 1}));
    assert_eq!(answer["peer"], "127.0.0.x");
    let headers = answer["headers"].to_string();
    assert!(
        headers.contains("x-test") && !headers.contains("x-other"),
        "{headers}"
    );

    let challenge = hook(&host, r#"{"challenge": "abc"}"#).send();
    assert_eq!((challenge.status, challenge.body.as_str()), (200, "abc"));
    let lines = audited(&home, "webhook.delivered", 2);
    assert_eq!(lines[0]["details"]["route"], "conformance/echo");
    assert_eq!(lines[0]["details"]["body_bytes"], 8);
}

#[test]
fn what_is_turned_away_leaves_a_dead_letter_with_its_reason_and_nothing_of_what_it_held() {
    let home = home("[audit]\nflush_interval_seconds = 1\n");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let refused = hook(&host, "s3cret, not JSON").send().expect(401);
    assert_eq!(refused["code"], "webhook.rejected");
    assert!(!refused.to_string().contains("not_json"), "{refused}");
    let late = hook(&host, "{}").header("X-Test", "too-old").send().expect(408);
    assert_eq!(late["code"], "webhook.rejected");
    let large = hook(&host, &format!("\"{}\"", "x".repeat(5000)))
        .send()
        .expect(413);
    assert_eq!(large["code"], "http.too_large");

    let lines = audited(&home, "webhook.dead_letter", 3);
    let results: Vec<_> = lines
        .iter()
        .map(|line| line["details"]["result"].clone())
        .collect();
    assert_eq!(
        results,
        ["rejected:body_not_json", "rejected:test_too_old", "too_large"]
    );
    host.wait_for_log(&["[kora.webhook.dead_letter]", "rejected:body_not_json"]);
    let audit = fs::read_to_string(home.path().join("audit/host/kora_audit_log.jsonl")).unwrap();
    assert!(!audit.contains("s3cret") && !host.log().contains("s3cret"));
}

#[test]
fn a_webhook_of_a_plugin_that_was_disabled_is_one_that_there_is_not() {
    let home = home("");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    host.kora(&["plugins", "disable", "conformance"]).ok();
    assert_eq!(hook(&host, "{}").send().status, 404);
    let lines = audited(&home, "webhook.dead_letter", 1);
    assert_eq!(lines[0]["details"]["result"], "no_receiver", "{lines:?}");
    assert_eq!(door(&host).get("/healthz").send().expect(200)["status"], "ok");
}

#[test]
fn strangers_are_held_to_a_rate_and_foreign_names_are_refused() {
    let home = home("[webhooks]\nrequests_per_minute = 3\n[audit]\nflush_interval_seconds = 1\n");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let foreign = hook(&host, "{}")
        .header("Host", "evil.example.com")
        .send()
        .expect(403);
    assert_eq!(foreign["code"], "http.foreign_origin");
    let statuses: Vec<_> = (0..4).map(|_| hook(&host, "{}").send().status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = hook(&host, "{}").send();
    assert_eq!(refused.header("retry-after"), Some("20"));
    assert_eq!(refused.expect(429)["code"], "http.rate_limited");
    // Nothing of them comes to the plugin, and each is a dead letter.
    let lines = audited(&home, "webhook.dead_letter", 3);
    let told = |line: &Value| {
        let result = &line["details"]["result"];
        format!("{} {}", line["source"], result)
    };
    assert_eq!(
        lines.iter().map(told).collect::<Vec<_>>(),
        [
            "\"webhook\" \"foreign_origin\"",
            "\"webhook\" \"rate_limited\"",
            "\"webhook\" \"rate_limited\"",
        ]
    );
    // Whoever watches the process from there is not to take it for dead.
    door(&host).get("/healthz").send().expect(200);
}

#[test]
fn while_the_host_boots_a_sender_is_told_to_send_again_and_what_it_sent_is_noted() {
    let home = home_with_offenders(
        &[Offender::new("slow_start", "hang_in_startup")],
        "timeout_seconds = 60\n",
    );
    let config = fs::read_to_string(home.path().join("kora.toml")).unwrap();
    home.configure(&format!("{config}\n[audit]\nflush_interval_seconds = 1\n"));
    let host = RunningHost::spawn(&home, &[]);
    host.wait_for_state("booting");
    host.wait_for_log(&["listening for `webhooks.listen`"]);
    let early = hook(&host, "{}").send();
    assert_eq!(early.header("retry-after"), Some("30"));
    assert_eq!(early.expect(503)["code"], "webhook.not_yet");
    let lines = audited(&home, "webhook.dead_letter", 1);
    assert_eq!(lines[0]["details"]["result"], "unavailable");
}

#[test]
fn what_is_no_webhook_is_not_there() {
    let home = home("[audit]\nflush_interval_seconds = 1\n");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    for path in [
        "/api/webhooks/conformance/other",
        "/api/webhooks/nobody/echo",
        "/mcp",
        "/metrics",
    ] {
        assert_eq!(
            door(&host).request("POST", path).body("{}").send().status,
            404,
            "{path}"
        );
    }
    let get = door(&host).get("/api/webhooks/conformance/echo").send();
    assert_eq!(get.status, 405);
    // That somebody sends to what there is not may be somebody's slip; the name is the stranger's text.
    let lines = audited(&home, "webhook.dead_letter", 5);
    let (of_webhooks, others) = lines.split_at(2);
    for line in of_webhooks {
        assert_eq!(line["details"]["result"], "no_receiver", "{line}");
        assert_eq!(line["details"]["route"], "/api/webhooks/{plugin}/{webhook}");
    }
    let results: Vec<_> = others.iter().map(|line| &line["details"]["result"]).collect();
    assert_eq!(results, ["unknown", "unknown", "bad_input"]);
    assert!(
        others.iter().all(|line| line["details"]["route"].is_null()),
        "{others:?}"
    );
}
