//! `cost_telemetry.json`: what other programs read, and what this one goes on from after a restart.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kora_plugin_api::{
    PluginError, Result,
    serde_json::{self, Value, json},
};
use serde::Deserialize;

use super::{
    book::Account,
    counters::Routes,
    windows::{Hour, Windows, month_begin},
};
use crate::moment;

const SCHEMA_VERSION: u64 = 1;

/// The whole file.
pub fn render(accounts: &BTreeMap<String, Account>, now: Timestamp) -> Value {
    let tenants: BTreeMap<_, _> = accounts
        .iter()
        .map(|(tenant, account)| (tenant, render_account(account, now)))
        .collect();
    json!({"schema_version": SCHEMA_VERSION, "written_at": moment::text(now), "tenants": tenants})
}

fn render_account(account: &Account, now: Timestamp) -> Value {
    let hours: BTreeMap<_, _> = account
        .windows
        .hours
        .iter()
        .map(|(hour, routes)| (moment::text(hour.begin()), routes))
        .collect();
    json!({
        "windows": account.windows.report(now),
        "unreadable_count": account.unreadable_count,
        "restore": {"cursor": account.cursor, "hours": hours},
    })
}

#[derive(Deserialize)]
struct Head {
    schema_version: u64,
}

#[derive(Deserialize)]
struct File {
    tenants: BTreeMap<String, Section>,
}

#[derive(Deserialize)]
struct Section {
    windows: StoredWindows,
    #[serde(default)]
    unreadable_count: u64,
    restore: Restore,
}

#[derive(Deserialize)]
struct StoredWindows {
    monthly: Monthly,
}

#[derive(Deserialize)]
struct Monthly {
    from: Timestamp,
    routes: Routes,
}

#[derive(Deserialize)]
struct Restore {
    cursor: u64,
    hours: BTreeMap<Timestamp, Routes>,
}

/// What a file of an earlier process says, for a process that began at `started_at`.
///
/// # Errors
/// If it is not such a file, or of another schema version. Nothing is lost with it: the chain has it all.
pub fn parse(bytes: &[u8], started_at: Timestamp) -> Result<BTreeMap<String, Account>> {
    let head: Head = serde_json::from_slice(bytes)?;
    if head.schema_version != SCHEMA_VERSION {
        return Err(PluginError::new(format!(
            "expected schema_version {SCHEMA_VERSION}, found {}",
            head.schema_version
        )));
    }
    let file: File = serde_json::from_slice(bytes)?;
    let account = |section: Section| Account {
        cursor: section.restore.cursor,
        unreadable_count: section.unreadable_count,
        windows: Windows {
            hours: section
                .restore
                .hours
                .into_iter()
                .map(|(at, routes)| (Hour::of(at), routes))
                .collect(),
            month: month_begin(section.windows.monthly.from),
            monthly: section.windows.monthly.routes,
            ..Windows::new(started_at)
        },
    };
    Ok(file
        .tenants
        .into_iter()
        .map(|(tenant, section)| (tenant, account(section)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::record::CostRecord;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("is a time")
    }

    fn account(started: &str, calls: &[&str]) -> Account {
        let mut account = Account::new(at(started));
        account.cursor = 7;
        for moment in calls {
            let call = CostRecord::parse(r#"{"route":"mcp_tool","model":"m","cost_usd":0.25}"#)
                .expect("is a record");
            account.windows.record(at(moment), &call);
        }
        account
    }

    #[test]
    fn a_restart_keeps_the_rolling_and_monthly_windows_and_the_cursor() {
        let before = account(
            "2026-11-20T08:00:00Z",
            &["2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z"],
        );
        let written = render(
            &BTreeMap::from([("acme".to_owned(), before.clone())]),
            at("2026-11-20T10:05:00Z"),
        );
        let restarted = at("2026-11-20T10:06:00Z");
        let after = parse(written.to_string().as_bytes(), restarted)
            .expect("reads")
            .remove("acme")
            .expect("is there");
        assert_eq!(after.cursor, 7);
        let (old, new) = (before.windows.report(restarted), after.windows.report(restarted));
        assert_eq!(new["rolling_24h"], old["rolling_24h"]);
        assert_eq!(new["monthly"], old["monthly"]);
        assert_eq!(
            new["process_lifetime"],
            json!({"from": "2026-11-20T10:06:00Z", "routes": {}})
        );
    }

    #[test]
    fn each_tenant_has_a_section_of_its_own() {
        let accounts = BTreeMap::from([
            (
                "acme".to_owned(),
                account("2026-11-20T08:00:00Z", &["2026-11-20T09:00:00Z"]),
            ),
            ("globex".to_owned(), account("2026-11-20T08:00:00Z", &[])),
        ]);
        let file = render(&accounts, at("2026-11-20T09:30:00Z"));
        assert_eq!(file["schema_version"], 1);
        assert_eq!(file["written_at"], "2026-11-20T09:30:00Z");
        let routes = |tenant: &str| file["tenants"][tenant]["windows"]["monthly"]["routes"].clone();
        assert_eq!(routes("acme")["mcp_tool"]["cost_estimate_usd_total"], 0.25);
        assert_eq!(routes("globex"), json!({}));
    }

    #[test]
    fn a_file_of_another_schema_or_half_a_file_is_refused() {
        let now = at("2026-11-20T09:30:00Z");
        let error = parse(br#"{"schema_version":2,"tenants":[]}"#, now).expect_err("is newer");
        assert!(
            error.to_string().contains("expected schema_version 1, found 2"),
            "{error}"
        );
        assert!(parse(br#"{"schema_version":1,"tena"#, now).is_err());
    }
}
