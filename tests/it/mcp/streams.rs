//! Subscriptions: who is told of what, what a client costs that went away or takes nothing, and what ends with the right to hear.

use std::{fs, net::TcpStream, os::fd::AsFd as _, time::Duration};

use serde_json::{Value, json};

use super::{Client, audit, home, home_with_plugin};
use crate::harness::{DEADLINE, HttpStream, RunningHost, add_caller, eventually, remove_caller};

const STATE: &str = "kora://acme/operational-state";
const EVENTS: &str = "kora://acme/recent-events";

fn listen(client: &Client, uris: &[&str]) -> HttpStream {
    let filter = json!({ "resourceSubscriptions": uris });
    let request = client.current("subscriptions/listen", json!({ "notifications": filter }));
    let mut stream = request.open().unwrap();
    assert_eq!(
        (stream.status, stream.header("content-type")),
        (200, Some("text/event-stream"))
    );
    let acknowledged = next(&mut stream);
    assert_eq!(
        acknowledged["method"], "notifications/subscriptions/acknowledged",
        "{acknowledged}"
    );
    stream
}

#[track_caller]
fn next(stream: &mut HttpStream) -> Value {
    loop {
        let event = stream.next_event(DEADLINE).unwrap().expect("the stream goes on");
        if !event.data.is_empty() {
            return event.json();
        }
    }
}

#[track_caller]
fn next_updated(stream: &mut HttpStream) -> String {
    let update = next(stream);
    assert_eq!(update["method"], "notifications/resources/updated", "{update}");
    update["params"]["uri"].as_str().unwrap().to_owned()
}

fn append(client: &Client) {
    let event = json!({ "event_type": "deploy.finished", "payload": {} });
    client.output("kora__append_event", event);
}

#[test]
fn a_subscriber_is_told_of_what_changed_of_his_tenants_and_of_nothing_else() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "teller", &["kora__append_event"]);
    let mut state = listen(&client, &[STATE, STATE]);
    let mut events = listen(&client, &[EVENTS]);
    let mut foreign = listen(
        &client,
        &["kora://globex/recent-events", "kora://nobody/recent-events"],
    );
    // Each is noted beside its stream, so in no order.
    eventually("the subscriptions are audited", || {
        let lines = audit(&home, "host");
        let listened = lines
            .iter()
            .filter(|line| line["details"]["route"] == "subscriptions/listen");
        let mut results: Vec<_> = listened
            .map(|line| line["details"]["result"].to_string())
            .collect();
        results.sort_unstable();
        (results == ["\"ok\"", "\"ok\"", "\"tenant_denied\""]).then_some(())
    });
    append(&client);
    assert_eq!(next_updated(&mut events), EVENTS);
    host.json(&["state", "pause", "--tenant", "globex"]);
    host.json(&["state", "pause", "--tenant", "acme"]);
    // The append was no change of the state: the pause is the first that is told of, and it is told once.
    assert_eq!(next_updated(&mut state), STATE);
    host.json(&["state", "resume", "--tenant", "acme"]);
    assert_eq!(next_updated(&mut state), STATE);
    let quiet = state
        .next_event(Duration::from_millis(200))
        .map(|event| event.map(|event| event.data));
    assert!(
        !matches!(&quiet, Ok(Some(data)) if data.contains("updated")),
        "{quiet:?}"
    );
    let quiet = foreign
        .next_event(Duration::from_millis(200))
        .map(|event| event.map(|event| event.data));
    assert!(
        !matches!(&quiet, Ok(Some(data)) if data.contains("updated")),
        "{quiet:?}"
    );
    // The end of the host is the end of its streams.
    assert_eq!(host.stop(), 0);
}

#[test]
fn a_stream_ends_when_its_token_is_nobody_s_any_more() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "teller", &["kora__append_event"]);
    let going = Client::with_token(&host, add_caller(&home, "going", &[], &["acme"], None));
    let mut stays = listen(&client, &[EVENTS]);
    let mut ends = listen(&going, &[EVENTS]);
    remove_caller(&home, "going");
    eventually("the stream ends", || {
        match ends.next_event(Duration::from_millis(100)) {
            Ok(None) => Some(()),
            Ok(Some(_)) => None,
            Err(error) => (!is_timeout(&error)).then_some(()),
        }
    });
    append(&client);
    assert_eq!(next_updated(&mut stays), EVENTS);
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}

fn descriptors(host: &RunningHost<'_>) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).unwrap().count()
}

/// What of its memory is not shared and is used, in KiB.
fn memory_kib(host: &RunningHost<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Opens so many streams at once and drops them all, as clients do that go away.
fn open_and_drop(client: &Client, number: usize) {
    let streams: Vec<_> = (0..number).map(|_| listen(client, &[STATE, EVENTS])).collect();
    append(client);
    for stream in streams {
        stream.close();
    }
}

#[test]
fn two_thousand_streams_that_were_dropped_leave_memory_and_descriptors_where_they_were() {
    let home = home_with_plugin("[http]\nmax_streams_per_caller = 400\n");
    let host = home.start();
    let client = Client::new(&home, &host, "teller", &["kora__append_event"]);
    // Buffers that are kept, and threads, are there after the first of them.
    let idle = descriptors(&host);
    for _ in 0..3 {
        open_and_drop(&client, 200);
    }
    let settled = || {
        eventually("no stream is open", || {
            (descriptors(&host) <= idle + 4).then_some(())
        })
    };
    settled();
    let memory = memory_kib(&host);
    for _ in 0..10 {
        open_and_drop(&client, 200);
    }
    settled();
    // None of them is the host's fault, and the operator is not told of one.
    assert!(!host.log().contains(" ERROR "), "an error in the log");
    assert_eq!(host.json(&["status"])["recent_error_count_5min"], 0);
    // What was opened last is given back a moment after its descriptor.
    eventually("the host has not grown by more than 8 MiB", || {
        (memory_kib(&host).saturating_sub(memory) < 8 * 1024).then_some(())
    });
    let mut stream = listen(&client, &[EVENTS]);
    append(&client);
    assert_eq!(next_updated(&mut stream), EVENTS);
}

#[test]
fn a_caller_has_so_many_subscriptions_and_streams_and_a_call_is_never_refused_for_them() {
    let home = home_with_plugin("[http]\nmax_streams = 3\nmax_streams_per_caller = 2\n");
    let host = home.start();
    host.wait_for_plugin("conformance", "running");
    let one = Client::new(
        &home,
        &host,
        "one",
        &["kora__append_event", "test_tool_with_progress"],
    );
    let other = Client::new(&home, &host, "other", &[]);
    let refused = |client: &Client| {
        let filter = json!({ "resourceSubscriptions": [EVENTS] });
        let request = client.current("subscriptions/listen", json!({ "notifications": filter }));
        let refused = request.open().unwrap().into_response().unwrap();
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused.expect(429)["code"], "http.too_many_streams");
    };
    let first = listen(&one, &[EVENTS]);
    let sse = one
        .http
        .get("/api/events/stream")
        .bearer(&one.token)
        .open()
        .unwrap();
    assert_eq!(sse.status, 200, "both kinds count together");
    refused(&one);
    // What others hold does not count for him, but for all.
    let mut others = listen(&other, &[EVENTS]);
    refused(&other);
    append(&one);
    assert_eq!(next_updated(&mut others), EVENTS);
    // What a call tells meanwhile would be one more: it is left out, and the answer is not.
    let mut call = json!({ "name": "test_tool_with_progress" });
    let progress = |client: &Client, call: &serde_json::Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call });
        client.of_revision("2025-11-25", &body).open().unwrap()
    };
    call["_meta"] = json!({ "progressToken": 1 });
    let alone = progress(&one, &call).into_response().unwrap();
    assert_eq!(alone.header("content-type"), Some("application/json"));
    assert!(alone.json()["result"]["content"].is_array(), "{alone:?}");
    first.close();
    sse.close();
    crate::harness::eventually(
        "a place is free again, and the call tells of its progress",
        || {
            let answer = progress(&one, &call);
            (answer.header("content-type") == Some("text/event-stream")).then_some(())
        },
    );
}

/// Room for so little that a reader who takes nothing is soon noticed.
fn narrow(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_recv_buffer_size(stream.as_fd(), 2304).unwrap();
}

#[test]
fn a_reader_who_takes_nothing_is_cut_and_the_others_go_on() {
    let home = home();
    let host = home.start();
    let client = Client::new(&home, &host, "teller", &["kora__append_event"]);
    let mut sound = listen(&client, &[EVENTS]);
    let stuck = listen(&client, &[EVENTS, STATE]);
    narrow(stuck.socket());
    // It is cut once the buffers of the system are full and nothing was taken for a while.
    let mut told = 0;
    eventually("the stuck reader is cut", || {
        for _ in 0..200 {
            append(&client);
        }
        for _ in 0..200 {
            assert_eq!(next_updated(&mut sound), EVENTS);
            told += 1;
        }
        host.log()
            .contains("a connection ended early error=error writing")
            .then_some(())
    });
    assert!(told >= 200);
    drop(stuck);
}
