//! Streams in great number, and readers that do not read.

use std::{fs, time::Duration};

use serde_json::json;

use super::{append, home_with, writer};
use crate::harness::{DEADLINE, HttpClient, HttpStream, RunningHost, add_caller_with, eventually};

/// Streams of one batch, and how many batches there are: two thousand in all.
const BATCH: usize = 100;
const BATCHES: usize = 20;
/// What the host may hold more than before: pages of the allocator, and a file of the audit.
const RSS_MARGIN_KIB: u64 = 16 * 1024;
const FDS_MARGIN: usize = 8;

fn open_files(host: &RunningHost<'_>) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).unwrap().count()
}

fn resident_kib(host: &RunningHost<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn stream(http: &HttpClient, token: &str) -> HttpStream {
    let stream = http
        .get("/api/events/stream?tenant=acme")
        .bearer(token)
        .open()
        .unwrap();
    assert_eq!(stream.status, 200);
    stream
}

#[test]
fn two_thousand_streams_that_come_and_go_leave_nothing_behind() {
    let home = home_with("[http]\nmax_streams = 200\nmax_streams_per_caller = 200\n");
    let token = writer(&home, &["acme"]);
    let watcher = add_caller_with(&home, "watcher", &[], &["*"], None, "requests_per_second = 0\n");
    let host = home.start();
    let http = HttpClient::of(&host);
    let batch = |n: usize| {
        let mut streams: Vec<_> = (0..BATCH).map(|_| stream(&http, &token)).collect();
        append(&http, &token, "acme", &json!({ "n": n }));
        for stream in &mut streams {
            loop {
                let event = stream.next_event(DEADLINE).unwrap().expect("another event");
                if event.json()["payload"]["n"] == n {
                    break;
                }
            }
        }
        assert!(open_files(&host) >= BATCH, "they are open");
        drop(streams);
        eventually("all streams are closed", || {
            let metrics = http.get("/metrics").bearer(&watcher).send().body;
            metrics.contains("kora_event_streams 0\n").then_some(())
        });
    };
    // What is made once is made in the first rounds.
    batch(0);
    batch(1);
    let (files, resident) = (open_files(&host), resident_kib(&host));
    for n in 2..BATCHES {
        batch(n);
    }
    eventually("descriptors are where they were", || {
        (open_files(&host) <= files + FDS_MARGIN).then_some(())
    });
    let now = resident_kib(&host);
    assert!(
        now <= resident + RSS_MARGIN_KIB,
        "{resident} KiB before, {now} KiB after"
    );
}

#[test]
fn a_reader_that_does_not_read_is_cut_and_the_others_get_everything() {
    let home = home_with("");
    let token = writer(&home, &["acme"]);
    let watcher = add_caller_with(&home, "watcher", &[], &["*"], None, "requests_per_second = 0\n");
    let lazy = add_caller_with(&home, "lazy", &[], &["acme"], None, "");
    let host = home.start();
    let http = HttpClient::of(&host);
    let unread = stream(&http, &lazy);
    let mut read = stream(&http, &token);
    let reader = std::thread::spawn(move || {
        let mut numbers = Vec::new();
        loop {
            let event = read.next_event(DEADLINE).unwrap().expect("another event");
            let payload = &event.json()["payload"];
            if let Some(n) = payload["n"].as_u64() {
                numbers.push(n);
            }
            if payload["is_last"] == true {
                return numbers;
            }
        }
    });

    // More than the buffers of both systems hold.
    let filler = "x".repeat(60_000);
    let mut sent = 0;
    let is_open = |http: &HttpClient| {
        let metrics = http.get("/metrics").bearer(&watcher).send().body;
        metrics.contains("kora_event_streams 2\n")
    };
    for _ in 0..300 {
        append(&http, &token, "acme", &json!({ "n": sent, "filler": filler }));
        sent += 1;
    }
    eventually("the one that does not read is cut", || {
        (!is_open(&http)).then_some(())
    });
    append(&http, &token, "acme", &json!({ "n": sent, "is_last": true }));
    let numbers = reader.join().unwrap();
    assert_eq!(numbers, (0..=sent).collect::<Vec<u64>>());

    // What had been sent lies in its buffer; then the connection is over.
    let mut unread = unread;
    let end = loop {
        match unread.next_line(Duration::from_secs(20)) {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(
        matches!(&end, Err(error) if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)),
        "{end:?}"
    );
}
