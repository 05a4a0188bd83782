//! Revisions of the protocol: which are spoken, how one is agreed upon, and what clients hear that say another.

use serde_json::{Value, json};

use super::{CURRENT, Client, OLDER, Trail, fault, home};
use crate::harness::HttpResponse;

/// Those that are spoken, the oldest first.
const SPOKEN: [&str; 3] = ["2025-06-18", OLDER, CURRENT];
/// Of before those. They are still said, and are not spoken: the later one knows batches.
const PAST: [&str; 2] = ["2024-11-05", "2025-03-26"];

fn initialize(revision: &str) -> Value {
    let params = json!({
        "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "tests", "version": "1" }
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

#[track_caller]
fn agreed(answer: &HttpResponse) -> Value {
    let answer = answer.expect(200);
    assert_eq!(answer["result"]["serverInfo"]["name"], "kora", "{answer}");
    answer["result"]["protocolVersion"].clone()
}

#[test]
fn whoever_initialises_with_a_revision_that_is_not_spoken_is_offered_the_newest_that_has_a_handshake() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    for (asked, expected) in [
        ("2024-11-05", OLDER),
        ("2025-03-26", OLDER),
        ("2025-06-18", "2025-06-18"),
        (OLDER, OLDER),
        // It has no handshake.
        (CURRENT, OLDER),
        ("2031-01-01", OLDER),
    ] {
        let body = initialize(asked);
        assert_eq!(agreed(&client.of_protocol(&body).send()), expected, "{asked}");
        // The header is asked for with the requests after this one alone. Some send it with this one, too.
        if asked != "2031-01-01" {
            assert_eq!(
                agreed(&client.of_revision(asked, &body).send()),
                expected,
                "{asked}"
            );
        }
    }
}

#[test]
fn a_header_that_names_a_revision_that_is_not_spoken_is_refused_and_one_that_is_left_out_is_not() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "maker", &["kora__create_sea_ticket"]);
    let create = json!({ "name": "kora__create_sea_ticket", "arguments": { "title": "t" } });
    let mut trail = Trail::new(&home);
    for revision in PAST.into_iter().chain(["1999-01-01", "x", ""]) {
        for body in [
            json!({ "jsonrpc": "2.0", "id": "a", "method": "prompts/list" }),
            json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": create }),
        ] {
            let refused = client.of_revision(revision, &body).send();
            let told = fault(&refused);
            assert_eq!((refused.status, told.code()), (400, -32022), "{revision} {body}");
            assert_eq!(told.data()["requested"], revision, "{body}");
            assert_eq!(told.data()["supported"], json!(SPOKEN), "{body}");
            assert_eq!(refused.json()["id"], "a", "{body}");
            let line = trail.next("host");
            assert_eq!(line["details"]["result"], "bad_input", "{line}");
        }
    }
    assert_eq!(host.json(&["tickets", "list", "--tenant", "acme"]), json!([]));

    // Clients of 2025-03-26 know of no header.
    let prompts = json!({ "jsonrpc": "2.0", "id": 1, "method": "prompts/list" });
    let answer = client.of_protocol(&prompts).send().expect(200);
    assert_eq!(
        answer["result"]["prompts"][0]["name"], "identity:acme",
        "{answer}"
    );
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(client.of_protocol(&told).send().status, 202);
    for revision in &SPOKEN[..2] {
        let answer = client.of_revision(revision, &prompts).send().expect(200);
        assert!(answer["result"]["prompts"].is_array(), "{answer}");
    }
}

#[test]
fn a_batch_is_refused_with_what_to_send_instead_and_nothing_of_it_is_done() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "maker", &["kora__create_sea_ticket"]);
    let create = json!({ "name": "kora__create_sea_ticket", "arguments": { "title": "t" } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": create });
    let batch = json!([call, call]);
    let named = SPOKEN.iter().chain(&PAST);
    let answers = named.map(|revision| (400, client.of_revision(revision, &batch).send()));
    for (status, refused) in answers.chain([
        (200, client.of_protocol(&batch).send()),
        (200, client.bare(&batch).send()),
    ]) {
        let told = fault(&refused);
        assert_eq!((refused.status, told.code()), (status, -32600), "{refused:?}");
        assert!(told.message().contains("a batch is none, send each"), "{told:?}");
        assert_eq!(refused.json()["id"], Value::Null);
    }
    assert_eq!(host.json(&["tickets", "list", "--tenant", "acme"]), json!([]));
}

#[test]
fn a_client_that_looks_for_the_transport_of_2024_is_told_that_there_is_none() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "reader", &[]);
    let listen = client.http.request("GET", "/mcp").bearer(&client.token);
    let refused = listen.header("Accept", "text/event-stream").send();
    assert_eq!(refused.header("allow"), Some("POST"));
    assert_eq!(refused.expect(405)["code"], "http.wrong_method");
}
