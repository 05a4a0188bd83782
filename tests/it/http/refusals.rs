//! What is refused, and how: in the form that the document names, with nothing of what was sent in it.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use super::{home, home_with};
use crate::harness::{HttpClient, HttpStream, add_caller, add_caller_with, eventually, remove_caller};

#[test]
fn a_token_opens_the_interface_until_it_is_taken_away() {
    let home = home();
    let token = add_caller(&home, "reader", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    for route in [
        "/api/status",
        "/api/openapi.json",
        "/api/events/stream",
        "/metrics",
    ] {
        let refused = http.get(route).send();
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"), "{route}");
        assert_eq!(refused.expect(401)["code"], "access.unauthorized", "{route}");
    }
    http.get("/api/status").bearer(&token).send().expect(200);
    for header in ["Basic abc", "Bearer", "Bearer ", token.as_str()] {
        let refused = http.get("/api/status").header("Authorization", header).send();
        assert_eq!(refused.status, 401, "{header}");
    }
    let twice = http.get("/api/status").bearer(&token).bearer(&token).send();
    assert_eq!(twice.status, 401);

    remove_caller(&home, "reader");
    http.get("/api/status").bearer(&token).send().expect(401);
}

#[test]
fn a_foreign_host_or_origin_is_refused_before_the_token_is_looked_at() {
    let home = home();
    let token = add_caller(&home, "reader", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let disguised = format!("kora.example.com@{}", http.address());
    for (name, value) in [
        ("Host", disguised.as_str()),
        ("Host", "kora.example.com"),
        ("Host", "127.0.0.1.example.com"),
        ("Origin", "https://example.com"),
        ("Origin", "null"),
        // Whatever else this machine serves is foreign too.
        ("Origin", "http://localhost:1"),
    ] {
        for request in [http.get("/api/status"), http.get("/healthz")] {
            let refused = request.header(name, value).bearer(&token).send();
            assert_eq!(
                refused.expect(403)["code"],
                "http.foreign_origin",
                "{name}: {value}"
            );
        }
    }
    let own = format!("http://{}", http.address());
    let own = http
        .get("/api/status")
        .header("Origin", &own)
        .bearer(&token)
        .send();
    own.expect(200);
    assert_eq!(own.header("access-control-allow-origin"), None);
}

#[test]
fn a_page_of_an_allowed_origin_may_call_and_read_and_no_other_may() {
    let home = home_with("[http]\nallowed_origins = [\"https://ops.example.com\"]\n");
    let token = add_caller(&home, "reader", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let origin = "https://ops.example.com";
    let asked = |origin: &str| {
        http.request("OPTIONS", "/mcp")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization,content-type")
            .send()
    };
    let preflight = asked(origin);
    assert_eq!(preflight.status, 204, "{preflight:?}");
    assert_eq!(preflight.header("access-control-allow-origin"), Some(origin));
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET, POST")
    );
    assert_eq!(preflight.header("vary"), Some("Origin"));
    let headers = preflight.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("last-event-id"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);

    // Also where it is refused, so that the page sees why.
    for (token, status) in [(token.as_str(), 200), ("another", 401)] {
        let answer = http
            .get("/api/status")
            .header("Origin", origin)
            .bearer(token)
            .send();
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let foreign = asked("https://example.com");
    assert_eq!(
        (foreign.status, foreign.header("access-control-allow-origin")),
        (403, None)
    );
    let none = http.get("/api/status").bearer(&token).send();
    assert_eq!((none.status, none.header("vary")), (200, Some("Origin")));
}

#[test]
fn what_is_not_there_and_what_is_not_done_so_is_said() {
    let home = home();
    let token = add_caller(&home, "reader", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let missing = http.get("/api/secrets").bearer(&token).send();
    assert_eq!(missing.expect(404)["code"], "http.not_found");
    for (method, path) in [
        ("POST", "/api/status"),
        ("DELETE", "/api/audit"),
        ("POST", "/healthz"),
    ] {
        let refused = http.request(method, path).bearer(&token).send();
        assert_eq!(refused.header("allow"), Some("GET,HEAD"), "{method} {path}");
        assert_eq!(
            refused.expect(405)["code"],
            "http.wrong_method",
            "{method} {path}"
        );
    }
    // A stranger is not told what there is.
    assert_eq!(http.request("POST", "/api/status").send().status, 401);
}

#[test]
fn a_parameter_that_is_wrong_is_named_and_its_value_is_not() {
    let home = home();
    let token = add_caller(&home, "reader", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    for (query, name) in [
        ("limit=0", "`limit`"),
        ("limit=201", "`limit`"),
        ("limit=1e3", "`limit`"),
        ("limit=5&limit=6", "`limit`"),
        ("before_seq=0", "`before_seq`"),
        ("before_ts=yesterday", "`before_ts`"),
        ("prefix=Not%20A%20Type", "`prefix`"),
        ("prefix=", "`prefix`"),
        ("nothing=1", "expected no other parameters"),
    ] {
        let refused = http
            .get(&format!("/api/chain-events?{query}"))
            .bearer(&token)
            .send();
        let problem = refused.expect(400);
        assert!(
            problem["detail"].as_str().unwrap().contains(name),
            "{query}: {problem}"
        );
    }
    for path in [
        "/api/chain-events?prefix=TOKEN-",
        "/api/chain-events?TOKEN=1",
        "/api/status?tenant=TOKEN",
        "/api/operational-state?tenant=TOKEN",
        "/api/sea-tickets?before=TOKEN",
        "/api/sea-tickets?status=TOKEN",
        "/api/audit?seam=TOKEN",
        "/api/audit?since=TOKEN",
        "/api/events/stream?prefix=TOKEN-",
    ] {
        let answer = http.get(&path.replace("TOKEN", &token)).bearer(&token).send();
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.contains(&token), "{path}: {}", answer.body);
    }
    assert!(!home.daemon_log().contains(&token));
}

#[test]
fn a_caller_that_asks_too_often_is_told_so() {
    let home = home();
    let hasty = add_caller_with(&home, "hasty", &[], &["acme"], None, "requests_per_second = 1\n");
    let calm = add_caller(&home, "calm", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let refused = eventually("the rate is reached", || {
        let answer = http.get("/api/status").bearer(&hasty).send();
        (answer.status == 429).then_some(answer)
    });
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["code"], "http.rate_limited");
    http.get("/api/status").bearer(&calm).send().expect(200);
}

#[test]
fn a_body_that_is_too_large_or_too_slow_is_cut() {
    let home = home_with("[http]\nmax_body_bytes = 4096\nread_timeout_seconds = 1\n");
    let token = add_caller(&home, "reader", &[], &["acme"], None);
    let host = home.start();
    let http = HttpClient::of(&host);
    let large = http.request("POST", "/mcp").bearer(&token).body(vec![b' '; 8192]);
    assert_eq!(large.send().expect(413)["code"], "http.too_large");
    // What says so itself is not waited for, even if nothing of it comes.
    let said = http.request("POST", "/mcp").bearer(&token);
    let said = said.header("Content-Length", "99999999").send();
    assert_eq!(said.expect(413)["code"], "http.too_large");
    let broken = http.request("POST", "/mcp").bearer(&token);
    let mut broken = broken.header("Transfer-Encoding", "chunked").bytes();
    broken.extend_from_slice(b"ZZ\r\n");
    let mut stream = http.connect();
    stream.write_all(&broken).unwrap();
    let refused = HttpStream::read_head(stream).unwrap().into_response().unwrap();
    assert_eq!(refused.expect(400)["code"], "http.broken_body");

    let mut slow = http.connect();
    let head = http
        .request("POST", "/mcp")
        .bearer(&token)
        .header("Content-Length", "100")
        .bytes();
    slow.write_all(&head).unwrap();
    slow.write_all(b"{").unwrap();
    let refused = HttpStream::read_head(slow).unwrap().into_response().unwrap();
    assert_eq!(refused.expect(408)["code"], "http.too_slow");
}

#[test]
fn a_head_that_is_slow_or_endless_is_cut() {
    let home = home_with("[http]\nread_timeout_seconds = 1\n");
    let host = home.start();
    let http = HttpClient::of(&host);
    let began = Instant::now();
    let mut slow = http.connect();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // It ends, with an answer or without.
    slow.read_to_end(&mut answer).unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(30));

    for bytes in [66_000, 100_000, 200_000] {
        let endless = http.get("/healthz").header("X-Long", &"a".repeat(bytes));
        // The host may have closed before all of it was sent.
        if let Ok(answer) = endless.open() {
            assert_eq!(answer.status, 431, "{bytes}");
        }
    }
    let long = http.get("/healthz").header("X-Long", &"a".repeat(60_000));
    long.send().expect(200);
}
