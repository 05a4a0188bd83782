//! The audit: what is written when, in which form, and what a disk that fails costs.

use std::{fs, path::Path, sync::Arc, time::Duration};

use super::*;
use crate::domain::{Clock as _, SystemClock, TenantId, Timestamp};

/// Nothing that is waited for takes so long.
const DEADLINE: Duration = Duration::from_secs(30);

fn options(directory: &Path) -> AuditOptions {
    AuditOptions {
        directory: directory.to_owned(),
        batch: 100,
        delay: Duration::from_secs(3600),
        max_bytes: 1024 * 1024,
        keep: 3,
    }
}

fn entry(tenant: &str, result: AuditResult) -> AuditEntry {
    AuditEntry {
        emitted_at: SystemClock::new().now(),
        tenant: tenant.parse().unwrap(),
        seam: Seam::ToolCalled,
        source: Source::McpHttp,
        result,
        details: Details {
            tool_name: Some("kora__request_pause".to_owned()),
            args_keys: vec!["reason".to_owned()],
            ..Details::default()
        },
    }
}

fn start(options: AuditOptions) -> (AuditLog, AuditEnd) {
    AuditLog::start(options, Arc::new(SystemClock::new())).unwrap()
}

fn read(directory: &Path, tenant: &str, filter: &AuditFilter) -> Vec<serde_json::Value> {
    let tenant: TenantId = tenant.parse().unwrap();
    read_audit(directory, &tenant, filter).unwrap().0
}

const ALL: AuditFilter = AuditFilter {
    since: None,
    seam: None,
    contains: None,
    limit: usize::MAX,
};

#[tokio::test]
async fn a_denial_is_written_before_its_answer_and_with_all_that_came_before() {
    let home = tempfile::tempdir().unwrap();
    let (log, end) = start(options(home.path()));
    log.note(entry("acme", AuditResult::Ok)).await;
    log.note(entry("acme", AuditResult::CapabilityDenied)).await;
    let lines = read(home.path(), "acme", &ALL);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["details"]["result"], "capability_denied");
    assert_eq!(lines[0]["details"]["tool_status"], "not_allowed");
    drop(log);
    end.join();
}

#[tokio::test]
async fn the_end_writes_what_waits_and_each_tenant_has_its_own_file() {
    let home = tempfile::tempdir().unwrap();
    let (log, end) = start(options(home.path()));
    for tenant in ["acme", "beta", "acme"] {
        log.note(entry(tenant, AuditResult::Ok)).await;
    }
    drop(log);
    tokio::task::spawn_blocking(|| end.join()).await.unwrap();
    assert_eq!(read(home.path(), "acme", &ALL).len(), 2);
    assert_eq!(read(home.path(), "beta", &ALL).len(), 1);
    assert_eq!(read(home.path(), "nobody", &ALL).len(), 0);
}

#[tokio::test]
async fn a_file_that_has_grown_is_put_aside_and_old_ones_go() {
    let home = tempfile::tempdir().unwrap();
    let (log, end) = start(AuditOptions {
        max_bytes: 1,
        ..options(home.path())
    });
    for _ in 0..8 {
        log.note(entry("acme", AuditResult::Unauthorized)).await;
    }
    drop(log);
    end.join();
    assert_eq!(fs::read_dir(home.path().join("acme")).unwrap().count(), 1 + 3);
    assert_eq!(read(home.path(), "acme", &ALL).len(), 4);
    assert_eq!(
        read(home.path(), "acme", &AuditFilter { limit: 2, ..ALL }).len(),
        2
    );
}

#[tokio::test]
async fn a_line_that_was_cut_off_spoils_no_other() {
    let home = tempfile::tempdir().unwrap();
    let path = audit_file(home.path(), &"acme".parse().unwrap());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"{\"emitted_at\":\"20").unwrap();
    let (log, end) = start(options(home.path()));
    log.note(entry("acme", AuditResult::Unauthorized)).await;
    drop(log);
    end.join();
    let tenant = "acme".parse().unwrap();
    let (lines, malformed) = read_audit(home.path(), &tenant, &ALL).unwrap();
    assert_eq!((lines.len(), malformed), (1, 1));
}

#[tokio::test]
async fn what_a_disk_does_not_take_is_written_once_it_does_and_in_its_order() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("acme"), b"a file where the directory belongs").unwrap();
    let (log, end) = start(options(home.path()));
    log.note(entry("acme", AuditResult::Unauthorized)).await;
    log.note(entry("beta", AuditResult::Unauthorized)).await;
    assert_eq!(read(home.path(), "beta", &ALL).len(), 1);
    fs::remove_file(home.path().join("acme")).unwrap();
    log.note(entry("acme", AuditResult::TenantDenied)).await;
    let lines = read(home.path(), "acme", &ALL);
    let results: Vec<_> = lines
        .iter()
        .map(|line| line["details"]["result"].clone())
        .collect();
    assert_eq!(results, ["tenant_denied", "unauthorized"]);
    assert_eq!(log.lost(), 0);
    drop(log);
    end.join();
}

#[tokio::test]
async fn what_was_never_taken_is_counted() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("acme"), b"a file where the directory belongs").unwrap();
    let (log, end) = start(options(home.path()));
    log.note(entry("acme", AuditResult::Unauthorized)).await;
    tokio::task::spawn_blocking(|| end.join()).await.unwrap();
    assert_eq!(log.lost(), 1);
    log.note(entry("acme", AuditResult::Ok)).await;
    assert_eq!(log.lost(), 2);
}

#[tokio::test]
async fn a_file_that_somebody_moved_or_removed_is_begun_anew() {
    let home = tempfile::tempdir().unwrap();
    let path = audit_file(home.path(), &"acme".parse().unwrap());
    let (log, end) = start(options(home.path()));
    log.note(entry("acme", AuditResult::Unauthorized)).await;
    fs::rename(&path, path.with_extension("1")).unwrap();
    log.note(entry("acme", AuditResult::Unauthorized)).await;
    assert_eq!(read(home.path(), "acme", &ALL).len(), 1);
    fs::remove_dir_all(home.path().join("acme")).unwrap();
    log.note(entry("acme", AuditResult::Unauthorized)).await;
    assert_eq!(read(home.path(), "acme", &ALL).len(), 1);
    drop(log);
    end.join();
}

#[tokio::test]
async fn more_lines_than_there_is_room_for_wait_and_none_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    let (log, end) = start(options(home.path()));
    let many: Vec<_> = (0..4)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                for _ in 0..5_000 {
                    log.note(entry("acme", AuditResult::Ok)).await;
                }
            })
        })
        .collect();
    for one in many {
        one.await.unwrap();
    }
    tokio::task::spawn_blocking(|| end.join()).await.unwrap();
    assert_eq!(log.lost(), 0);
    assert_eq!(
        read(home.path(), "acme", &AuditFilter { limit: 20_001, ..ALL }).len(),
        20_000
    );
}

#[tokio::test]
async fn a_group_that_is_larger_than_what_may_wait_goes_when_no_more_may() {
    let home = tempfile::tempdir().unwrap();
    // Nothing else would write it: its time comes in an hour.
    let (log, end) = start(AuditOptions {
        batch: usize::MAX,
        ..options(home.path())
    });
    let many = async {
        for _ in 0..10_000 {
            log.note(entry("acme", AuditResult::Ok)).await;
        }
    };
    tokio::time::timeout(DEADLINE, many).await.expect("nobody waits");
    drop(log);
    tokio::task::spawn_blocking(|| end.join()).await.unwrap();
    assert_eq!(read(home.path(), "acme", &ALL).len(), 10_000);
}

/// One that cannot be read, as by a fault of the thread's.
struct BrokenClock;

impl crate::domain::Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        panic!("the clock is broken")
    }

    fn monotonic(&self) -> Duration {
        panic!("the clock is broken")
    }
}

#[tokio::test]
async fn where_the_thread_is_gone_nobody_waits_for_it_and_nothing_passes_for_written() {
    let home = tempfile::tempdir().unwrap();
    // The time is asked for when a file is put aside, which the second line needs.
    let options = AuditOptions {
        max_bytes: 1,
        ..options(home.path())
    };
    let (log, end) = AuditLog::start(options, Arc::new(BrokenClock)).unwrap();
    let (acme, beta) = ("acme".parse().unwrap(), "beta".parse().unwrap());
    log.note(entry("acme", AuditResult::Unauthorized)).await;
    assert_eq!(log.make_room(&beta).await, Ok(()));
    assert!(!log.is_over());
    let waits = async {
        log.note(entry("beta", AuditResult::Ok)).await;
        log.note(entry("acme", AuditResult::Unauthorized)).await;
        assert_eq!(log.written(&acme).await, Err(AuditUnwritten));
        assert_eq!(log.make_room(&beta).await, Err(AuditUnwritten));
        log.flush().await;
        log.note(entry("beta", AuditResult::TenantDenied)).await;
    };
    tokio::time::timeout(DEADLINE, waits).await.expect("nobody waits");
    assert!(log.is_over());
    assert_eq!(read(home.path(), "acme", &ALL).len(), 1);
    // Who waited is let go before the thread is wholly gone, and before it counts.
    tokio::task::spawn_blocking(|| end.join()).await.unwrap();
    assert_eq!(log.lost(), 3, "what it had in hand, and what came later");
}

#[tokio::test]
async fn what_one_tenant_s_file_does_not_take_is_no_other_s_fault() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("acme"), b"a file where the directory belongs").unwrap();
    let (log, end) = start(options(home.path()));
    let (acme, beta) = ("acme".parse().unwrap(), "beta".parse().unwrap());
    assert_eq!(
        log.make_room(&acme).await,
        Err(AuditUnwritten),
        "before anything was noted"
    );
    log.note(entry("acme", AuditResult::Ok)).await;
    log.note(entry("beta", AuditResult::Ok)).await;
    assert_eq!(log.written(&acme).await, Err(AuditUnwritten));
    assert_eq!(log.written(&beta).await, Ok(()));
    assert_eq!(log.make_room(&beta).await, Ok(()));
    fs::remove_file(home.path().join("acme")).unwrap();
    assert_eq!(log.make_room(&acme).await, Ok(()));
    assert_eq!(read(home.path(), "acme", &ALL).len(), 1, "what was held");
    let room = audit_file(home.path(), &acme);
    assert!(
        fs::read_to_string(room).unwrap().ends_with("}\n"),
        "room is no part of the file"
    );
    drop(log);
    end.join();
}

#[test]
fn a_line_has_the_fields_of_the_format() {
    let mut entry = entry(
        "acme",
        AuditResult::Issued {
            kind: "pause".to_owned(),
            sequence: 3,
        },
    );
    entry.emitted_at = Timestamp::from_micros(0);
    entry.details.level = Some(1);
    let line = String::from_utf8(entry.to_line()).unwrap();
    insta::assert_snapshot!(line.trim(), @r#"{"emitted_at":"1970-01-01T00:00:00.000000Z","seam":"mcp.tool_called","source":"mcp_http","tenant":"acme","details":{"result":"issued:pause@seq3","tool_status":"ok","tool_name":"kora__request_pause","args_keys":["reason"],"level":1,"duration_ms":0}}"#);
}
