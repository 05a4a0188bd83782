//! The room that is left, and how fast the store uses it up. Measured here, whether a daemon runs or not.

use std::ffi::OsString;

use super::Finding;
use crate::{
    cli::{
        offline,
        view::text::{bytes, counted},
    },
    config::Config,
    disk::{DiskReport, Places},
    domain::{Clock as _, SystemClock},
    engine::disk::{Limits, days_left},
};

const CHECK: &str = "disk";
const MIB: u64 = 1024 * 1024;

pub(super) fn look(
    config: &Config,
    environment: &dyn Fn(&str) -> Option<OsString>,
    findings: &mut Vec<Finding>,
) {
    let store = config.store_path();
    let places = Places {
        home: config.home().root().to_owned(),
        store: (config.store.is_file() && store.exists()).then_some(store),
    };
    let limits = Limits {
        free_bytes: config.disk.warn_free_mib.saturating_mul(MIB),
        free_percent: config.disk.warn_free_percent,
    };
    // Why the store cannot be read is told by who looks at it.
    let reader = offline::store::open(config, environment).ok();
    let since = reader.and_then(|reader| reader.begun_at().ok()).flatten();
    findings.push(match places.measure(since, SystemClock::new().now(), limits) {
        Ok(report) => finding(&report),
        Err(error) => Finding::warn(
            CHECK,
            format!("the free room cannot be measured: {error}"),
            "see that the home can be read",
        ),
    });
}

fn finding(report: &DiskReport) -> Finding {
    let room = format!(
        "{} of {} are free",
        bytes(report.space.free_bytes),
        bytes(report.space.total_bytes)
    );
    let store = report
        .store_bytes
        .map(|size| format!("the store takes {}", bytes(size)));
    let growth = report.growth_bytes_per_day.map(|growth| {
        let left = days_left(report.space.free_bytes, growth);
        let left = left.map(|days| format!(", which leaves {}", counted(days, "day")));
        format!(
            "grew by {} a day on average{}",
            bytes(growth),
            left.unwrap_or_default()
        )
    });
    let said: Vec<_> = [Some(room), store, growth].into_iter().flatten().collect();
    let message = said.join("; ");
    if report.is_low {
        Finding::warn(
            CHECK,
            message,
            "free some room: on a full disk no event can be written, and nothing is claimed; `[disk]` says when to warn",
        )
    } else {
        Finding::ok(CHECK, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::disk::Space;

    #[test]
    fn a_disk_that_fills_up_is_told_with_the_days_that_are_left() {
        let found = finding(&DiskReport {
            space: Space {
                free_bytes: 900 * MIB,
                total_bytes: 100 * 1024 * MIB,
            },
            is_low: true,
            store_bytes: Some(1_610_612_736),
            growth_bytes_per_day: Some(30 * MIB),
        });
        insta::assert_snapshot!(found.message, @"900.0 MiB of 100.0 GiB are free; the store takes 1.5 GiB; grew by 30.0 MiB a day on average, which leaves 30 days");
        assert_eq!(found.level, super::super::Level::Warn);
    }
}
