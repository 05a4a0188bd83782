//! The stream of events: told as they come, gone on with after a break, ended when the caller or the host goes.

use std::time::Duration;

use serde_json::{Value, json};

use super::{append, home, home_with, writer};
use crate::harness::{DEADLINE, HttpClient, HttpStream, ServerSentEvent, add_caller, remove_caller};

#[track_caller]
fn open(http: &HttpClient, token: &str, query: &str, last: Option<&str>) -> HttpStream {
    let mut request = http.get(&format!("/api/events/stream{query}")).bearer(token);
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let stream = request.open().unwrap();
    assert_eq!(stream.status, 200);
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    stream
}

#[track_caller]
fn next(stream: &mut HttpStream) -> ServerSentEvent {
    stream.next_event(DEADLINE).unwrap().expect("another event")
}

/// The next of the operator's events, by the number in its payload.
#[track_caller]
fn next_number(stream: &mut HttpStream) -> (u64, String) {
    loop {
        let event = next(stream);
        if let Some(n) = event.json()["payload"]["n"].as_u64() {
            return (n, event.id);
        }
    }
}

/// Whether it has ended, or ends before the deadline.
fn ends(mut stream: HttpStream) -> bool {
    loop {
        match stream.next_line(DEADLINE) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(error) => return error.kind() == std::io::ErrorKind::UnexpectedEof,
        }
    }
}

#[test]
fn events_and_changes_of_state_are_told_as_they_come() {
    let home = home();
    let token = writer(&home, &["acme", "globex"]);
    let own = add_caller(&home, "own", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let mut both = open(&http, &token, "", None);
    let mut acme = open(&http, &own, "", None);
    let mut deploys = open(&http, &token, "?tenant=acme&prefix=deploy.", None);
    let opened = next(&mut both);
    assert_eq!(opened.name, "opened");
    assert_eq!(opened.json(), json!({ "tenants": ["acme", "globex"] }));
    assert_eq!(next(&mut acme).json(), json!({ "tenants": ["acme"] }));
    next(&mut deploys);

    host.json(&["state", "pause", "--tenant", "acme"]);
    append(&http, &token, "globex", &json!({ "n": 1 }));
    append(&http, &token, "acme", &json!({ "n": 2 }));

    let changed = loop {
        let event = next(&mut acme);
        if event.name == "state_changed" {
            break event.json();
        }
    };
    assert_eq!(changed["payload"]["to_primary_state"], "paused", "{changed}");
    assert_eq!(next_number(&mut acme).0, 2, "nothing of another tenant");
    let of_both = [next_number(&mut both).0, next_number(&mut both).0];
    assert_eq!(of_both, [1, 2]);
    let deploy = next(&mut deploys).json();
    assert_eq!(
        (&deploy["tenant"], &deploy["payload"]["n"]),
        (&json!("acme"), &json!(2))
    );
}

#[test]
fn a_stream_goes_on_after_the_last_event_without_a_gap_and_without_a_repetition() {
    let home = home();
    let token = writer(&home, &["acme", "globex"]);
    let host = home.start();
    let http = HttpClient::of(&host);
    let mut first = open(&http, &token, "", None);
    let mut last = next(&mut first).id;
    drop(first);

    let mut seen: Vec<u64> = Vec::new();
    let mut sent = 0;
    for round in 0_usize..4 {
        // More than is read at once, while nobody listens; to both chains.
        for _ in 0..45 {
            let tenant = ["acme", "globex"][usize::try_from(sent).unwrap() % 2];
            append(&http, &token, tenant, &json!({ "n": sent }));
            sent += 1;
        }
        let mut stream = open(&http, &token, "", Some(&last));
        assert_eq!(next(&mut stream).id, last, "what was told is said first");
        // It is broken off somewhere in the middle, but for the last time.
        let wanted = if round == 3 { usize::MAX } else { 30 };
        for _ in 0..wanted {
            let (n, id) = next_number(&mut stream);
            seen.push(n);
            last = id;
            if round == 3 && seen.len() == usize::try_from(sent).unwrap() {
                break;
            }
        }
        stream.close();
    }
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..sent).collect::<Vec<_>>(), "each exactly once");
    for tenant in 0..2 {
        let own: Vec<_> = seen.iter().filter(|n| *n % 2 == tenant).collect();
        assert!(own.is_sorted(), "each chain in order: {own:?}");
    }
}

#[test]
fn a_stream_ends_with_its_token_and_with_the_host() {
    let home = home();
    let leaves = add_caller(&home, "leaves", &[], &["acme"], None);
    let stays = add_caller(&home, "stays", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let mut gone = open(&http, &leaves, "", None);
    let mut there = open(&http, &stays, "", None);
    next(&mut gone);
    next(&mut there);
    remove_caller(&home, "leaves");
    let removed = std::time::Instant::now();
    assert!(ends(gone), "the stream of a token that was taken away ends");
    let took = removed.elapsed();
    assert!(
        took < Duration::from_secs(4),
        "it ends because of the change: {took:?}"
    );
    let heartbeat = there.next_line(DEADLINE).unwrap().unwrap();
    assert!(heartbeat.starts_with(':'), "{heartbeat}");
    let ended = std::thread::spawn(move || ends(there));
    assert_eq!(host.stop(), 0);
    assert!(ended.join().unwrap(), "the stream ends with the host");
}

#[test]
fn a_caller_has_so_many_streams_and_gets_another_once_one_is_closed() {
    let home = home_with("[http]\nmax_streams = 3\nmax_streams_per_caller = 2\n");
    let one = add_caller(&home, "one", &[], &["acme"], None);
    let other = add_caller(&home, "other", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let ask = |token: &str| http.get("/api/events/stream").bearer(token).open().unwrap();
    let refused = |token: &str| {
        let answer = ask(token).into_response().unwrap();
        assert_eq!(answer.expect(429)["code"], "http.too_many_streams");
    };
    let mut open = vec![ask(&one), ask(&one)];
    refused(&one);
    open.push(ask(&other));
    assert!(open.iter().all(|stream| stream.status == 200));
    refused(&other);
    open.remove(0).close();
    crate::harness::eventually("the place is free again", || {
        let stream = ask(&other);
        (stream.status == 200).then_some(())
    });
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    let home = home();
    let own = add_caller(&home, "own", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    for cursor in ["nonsense", "acme:x", "acme:1,,"] {
        let request = http.get("/api/events/stream").bearer(&own);
        let answer = request.header("Last-Event-ID", cursor).send();
        assert_eq!(answer.status, 400, "{cursor}");
    }
    // What names another tenant gives nothing of it.
    let mut stream = open(&http, &own, "", Some("globex:0"));
    assert_eq!(next(&mut stream).json(), json!({ "tenants": ["acme"] }));
    let quiet = stream.next_event(Duration::from_millis(300));
    assert!(quiet.is_err() || quiet.unwrap().is_none(), "nothing is told");
    let _: Value = http.get("/api/status").bearer(&own).send().expect(200);
}
