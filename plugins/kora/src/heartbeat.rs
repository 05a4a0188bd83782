//! The daemon `heartbeat`: a sign of life in the chain of each tenant that the plugin acts for.

use std::time::Instant;

use jiff::Timestamp;
use kora_plugin_api::{
    Daemon, DaemonHealth, ErrorKind, Host, PluginError, Result,
    serde_json::{Value, json},
};

use crate::moment;

/// The periodic task, and the type of the event that it appends.
pub const TASK: &str = "kora.daemon.alive";

pub struct Heartbeat {
    started: Instant,
}

impl Heartbeat {
    /// From now on.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Daemon for Heartbeat {
    async fn tick(&self, host: &Host, _task: &str) -> Result {
        let health = host.daemon_health().ok();
        let sign = sign_of_life(health.as_ref(), self.started.elapsed().as_secs(), moment::now());
        let mut failures = Vec::new();
        for served in host.tenants()? {
            match host.append_event(&served.tenant, TASK, &sign).await {
                Ok(_) => {}
                // The binding was taken away since the list was made.
                Err(error) if error.kind() == ErrorKind::TenantNotServed => {}
                // One tenant's trouble is not the others'.
                Err(error) => failures.push(format!("`{}`: {error}", served.tenant)),
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        Err(PluginError::new(format!(
            "no heartbeat for {}",
            failures.join("; ")
        )))
    }
}

/// The host's own uptime where it says so, else that of this daemon, which then names no session.
fn sign_of_life(health: Option<&DaemonHealth>, own_uptime_seconds: u64, at: Timestamp) -> Value {
    let mut sign = json!({
        "uptime_seconds": health.map_or(own_uptime_seconds, |health| health.uptime_seconds),
        "at": moment::text(at),
    });
    if let Some(health) = health {
        sign["daemon_session_id"] = json!(health.daemon_session_id);
    }
    sign
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::from_value;

    use super::*;

    #[test]
    fn a_sign_of_life_names_the_session_and_the_hosts_uptime() {
        let health = from_value(json!({
            "daemon_session_id": "s-1", "boot_at_us": 0, "uptime_seconds": 90, "daemons": [], "recent_error_count_5min": 0,
        }))
        .expect("is a health");
        let expected =
            json!({"daemon_session_id": "s-1", "uptime_seconds": 90, "at": "1970-01-01T00:01:30Z"});
        assert_eq!(
            sign_of_life(Some(&health), 5, moment::from_microseconds(90_000_000)),
            expected
        );
    }

    #[test]
    fn without_the_hosts_health_it_gives_its_own_uptime_and_no_session() {
        let expected = json!({"uptime_seconds": 5, "at": "1970-01-01T00:00:00Z"});
        assert_eq!(sign_of_life(None, 5, Timestamp::UNIX_EPOCH), expected);
    }
}
