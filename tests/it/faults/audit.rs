//! What becomes of callers where the audit has no room: nothing is done without a line of its own.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{home, limit_files, start};
use crate::harness::{HttpClient, TestHome, add_caller, eventually};

const ACTOR: &str = "6f1f7f52-1c9c-4c8e-9d65-0d4d5a4f7e11";
/// Of the audit of `acme` when the host starts: more than every other file of the host's will have, so that a limit is the audit's alone.
const BEFORE_BYTES: u64 = 24 << 20;

fn path(home: &TestHome) -> PathBuf {
    home.path().join("audit/acme/kora_audit_log.jsonl")
}

/// An audit that has grown, as after months of work.
fn grow(home: &TestHome) {
    let path = path(home);
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o700);
    directory.create(path.parent().unwrap()).unwrap();
    let line = format!(
        "{}\n",
        json!({ "details": { "result": "ok" }, "of": "before ".repeat(140) })
    );
    let lines = usize::try_from(BEFORE_BYTES).unwrap() / line.len() + 1;
    fs::write(path, line.repeat(lines)).unwrap();
}

/// The lines that the host has written: tool and result.
fn written(home: &TestHome) -> Vec<(String, String)> {
    let text = fs::read_to_string(path(home)).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .filter(|line| line["of"].is_null())
        .map(|line| {
            let details = &line["details"];
            (text(&details["tool_name"]), text(&details["result"]))
        })
        .collect()
}

/// What a caller asks of a tool, and the whole answer.
fn call(http: HttpClient, token: &str, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    http.post_json("/mcp", &body).bearer(token).send().expect(200)
}

#[test]
fn where_the_audit_has_no_room_nothing_is_changed_denials_stand_and_with_room_all_of_it_is_written() {
    let home = home();
    grow(&home);
    let host = start(&home);
    let (create, stop) = ("kora__create_sea_ticket", "kora__request_stop");
    let token = add_caller(&home, "agent", &[create, stop], &["acme"], Some(ACTOR));
    let http = HttpClient::of(&host);
    let call = |tool: &str, arguments: Value| call(http, &token, tool, arguments);
    let titles = || {
        let tickets = host.json(&["tickets", "list", "--tenant", "acme"]);
        let titles = tickets.as_array().unwrap().iter();
        titles.map(|ticket| ticket["title"].clone()).collect::<Vec<_>>()
    };
    let made = |title: &str| call(create, json!({ "title": title }));
    assert!(made("before")["result"].is_object());
    let expected = |tool: &str, result: &str| (tool.to_owned(), result.to_owned());
    assert_eq!(written(&home), [expected(create, "ok")], "before it was answered");

    let full = fs::metadata(path(&home)).unwrap().len() + 10;
    limit_files(&host, Some(full));
    for _ in 0..2 {
        let refused = made("without room");
        assert_eq!(
            (&refused["error"]["code"], &refused["error"]["message"]),
            (&json!(-32603), &json!("tool error: audit.unavailable")),
            "{refused}"
        );
    }
    assert_eq!(titles(), ["before"], "nothing was done");
    let denied = call("kora__request_pause", json!({ "reason": "r" }));
    assert_eq!(
        (&denied["error"]["code"], &denied["error"]["message"]),
        (&json!(-32001), &json!("capability_denied")),
        "{denied}"
    );
    // What changes nothing goes on, and a stop is no matter of the disk's.
    assert!(call("kora__get_operational_state", json!({}))["result"].is_object());
    let session = host.json(&["status"])["daemon_session_id"].clone();
    let order = json!({ "reason": "r", "level": 1, "confirm_token": session });
    let stopped = call(stop, order);
    assert!(stopped["result"].is_object(), "{stopped}");
    assert_eq!(written(&home).len(), 1, "there is no room");
    let state = || host.json(&["state", "show", "--tenant", "acme"])["primary_state"].clone();
    assert_eq!(state(), "paused");

    limit_files(&host, None);
    assert!(made("with room")["result"].is_object());
    assert_eq!(titles().len(), 2);
    let lines = written(&home);
    let (newest, held) = lines[1..].split_last().unwrap();
    assert_eq!(*newest, expected(create, "ok"));
    let stopped = held.last().unwrap();
    assert!(stopped.0 == stop && stopped.1.starts_with("issued:"), "{lines:?}");
    assert_eq!(
        held[..held.len() - 1],
        [
            expected(create, "unavailable"),
            expected(create, "unavailable"),
            expected("kora__request_pause", "capability_denied"),
            expected("kora__get_operational_state", "ok"),
        ]
    );
    eventually("the log says that it goes on", || {
        home.daemon_log()
            .contains("the audit can be written again")
            .then_some(())
    });
    assert_eq!(host.stop(), 0);
}

/// A file system of its own for the audit, which is gone with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where the tests may mount nothing: what a limit on files shows is shown without it.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=0700", "none"]);
        let mounted = mount.arg(at).output().is_ok_and(|done| done.status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a host that a failed test left behind may have files open there.
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(),
            "{} is mounted still",
            self.0.display()
        );
    }
}

#[test]
fn what_is_done_while_the_disk_of_the_audit_fills_up_has_its_line() {
    let home = home();
    let audit = home.path().join("audit");
    let Some(_disk) = SmallDisk::mount(&audit) else {
        return;
    };
    let host = start(&home);
    let create = "kora__create_sea_ticket";
    let token = add_caller(&home, "agent", &[create], &["acme"], Some(ACTOR));
    let http = HttpClient::of(&host);
    let made = |title: &str| call(http, &token, create, json!({ "title": title }));
    let mut done = 0;
    assert!(made("first")["result"].is_object());
    let others = audit.join("of-others");
    let filled = fs::write(&others, vec![0; 1 << 20]);
    assert!(filled.is_err(), "it is full");
    let refused = loop {
        done += 1;
        let answer = made("more");
        if answer["result"].is_null() {
            break answer;
        }
        assert_eq!(
            written(&home).len(),
            done + 1,
            "each is written before it is answered"
        );
        assert!(done < 1000, "it is never full");
    };
    assert!(done > 1, "room was put aside");
    assert_eq!(
        refused["error"]["message"], "tool error: audit.unavailable",
        "{refused}"
    );
    let tickets = || {
        let tickets = host.json(&["tickets", "list", "--tenant", "acme", "--limit", "200"]);
        tickets.as_array().unwrap().len()
    };
    assert_eq!(tickets(), done, "what was refused was not done");
    fs::remove_file(&others).unwrap();
    assert!(made("last")["result"].is_object());
    let results: Vec<_> = written(&home).into_iter().map(|(_, result)| result).collect();
    let mut expected = vec!["ok"; done];
    expected.extend(["unavailable", "ok"]);
    assert_eq!(results, expected);
    assert_eq!(tickets(), done + 1);
    assert_eq!(host.stop(), 0);
}
