//! The daemon that greets.

use kora_plugin_api::{Daemon, Host, Result, serde_json::json, tracing};

use crate::settings::Settings;

pub struct Greetings {
    settings: Settings,
}

impl Greetings {
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Daemon for Greetings {
    async fn startup(&self, host: &Host) -> Result {
        if self.settings.by_letter {
            // Not kept: it is read anew where it is used, so that a rotation needs no restart. If it is not configured,
            // this entry is shown as degraded, with the name of the secret, and is not tried again in vain.
            host.secret("", "letter_token").await?;
        }
        Ok(())
    }

    async fn tick(&self, host: &Host, _task: &str) -> Result {
        for served in host.tenants()? {
            self.greet(host, &served.tenant).await?;
        }
        Ok(())
    }
}

const COUNT: &str = "greetings";

impl Greetings {
    async fn greet(&self, host: &Host, tenant: &str) -> Result {
        let settings = Settings::of_tenant(&host.config(tenant)?)?;
        let count = counted(host.kv_get(tenant, COUNT).await?.as_deref()) + 1;
        let greeting = json!({"greeting": settings.greeting, "count": count});

        // With a key: if this is cancelled before the count is kept, the next run appends nothing twice.
        let key = format!("greeting-{count}");
        host.append_event_once(tenant, "greeter.greeted", &greeting, &key)
            .await?;
        host.kv_put(tenant, COUNT, count.to_string().as_bytes()).await?;

        host.count("greetings_total", &[("tenant", tenant)], 1.0)?;
        tracing::info!(tenant, count, "greeted");
        Ok(())
    }
}

fn counted(kept: Option<&[u8]>) -> u64 {
    kept.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_begins_at_nought_and_survives_rubbish() {
        assert_eq!(counted(None), 0);
        assert_eq!(counted(Some(b"41")), 41);
        assert_eq!(counted(Some(b"\xff")), 0);
    }
}
