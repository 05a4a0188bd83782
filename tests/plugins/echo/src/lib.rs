//! The plugin `echo`: repeats what it is told. It uses a little of everything that an author can use, with a global allocator
//! of its own.

mod allocator;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use kora_plugin_api::{
    BackgroundDaemon, Config, Daemon, Event, Host, IdentityProvider, Listener, Plugin, Registrar, Result,
    Snapshot, StateChange, Subscription, Tool, ToolCall, ToolResult, export_plugin,
    serde_json::{Value, json},
    tracing,
};
use serde::Deserialize;

const NAME: &str = "echo";

export_plugin!(Echo, manifest = "plugin.toml");

#[derive(Default)]
struct Echo;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    tick_seconds: f64,
    listen: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tick_seconds: 60.0,
            listen: vec!["kora".to_owned()],
        }
    }
}

impl Plugin for Echo {
    fn register(&self, registrar: &mut Registrar<'_>) -> Result {
        let settings: Settings = registrar.config()?.parse()?;
        registrar.identity_provider(NAME, EchoIdentity)?;
        registrar.background_daemon(
            BackgroundDaemon::new(NAME, || Ticker)
                .periodic_task("echo.tick", Duration::try_from_secs_f64(settings.tick_seconds)?),
        )?;
        let subscription = settings
            .listen
            .into_iter()
            .fold(Subscription::new().states(), Subscription::events);
        registrar.listener(NAME, subscription, Ears::default())?;
        // Under another name it is another plugin, and names of tools are unique in a host.
        let name = Host::default().info()?.plugin;
        registrar.tool(
            Tool::new(format!("{name}__say"), say)
                .description("Says what it is told")
                .read_only()
                .open_world(false)
                .input_schema(json!({
                    "type": "object",
                    "properties": {"text": {"type": "string"}},
                    "required": ["text"],
                    "additionalProperties": false,
                })),
        )
    }
}

async fn say(_: Host, call: ToolCall) -> Result<ToolResult> {
    #[derive(Deserialize)]
    struct Said {
        text: String,
    }
    let Said { text } = call.parse()?;
    Ok(ToolResult::text(text))
}

struct EchoIdentity;

impl IdentityProvider for EchoIdentity {
    fn snapshot(&self, tenant: &str, config: &Config) -> Result<Option<Snapshot>> {
        let config: Value = config.parse()?;
        let prompt =
            format!("You are Echo. You repeat what you hear. You serve `{tenant}` and were told: {config}");
        let mut snapshot = Snapshot::new("Echo", env!("CARGO_PKG_VERSION"), prompt);
        snapshot.metadata.insert("tenant".to_owned(), json!(tenant));
        snapshot.metadata.insert("config".to_owned(), config);
        Ok(Some(snapshot))
    }
}

/// Counts its ticks, for each tenant, over restarts.
struct Ticker;

const TICKS: &str = "ticks";

impl Daemon for Ticker {
    #[cfg(feature = "next")]
    async fn startup(&self, host: &Host) -> Result {
        match host.boot_time() {
            Ok(boot) => tracing::info!(?boot, "this host has `clock/2`"),
            Err(error) => tracing::info!(%error, "this host has no `clock/2`"),
        }
        Ok(())
    }

    async fn tick(&self, host: &Host, _task: &str) -> Result {
        for served in host.tenants()? {
            let tenant = served.tenant.as_str();
            let ticks = number(host.kv_get(tenant, TICKS).await?.as_deref()) + 1;
            host.kv_put(tenant, TICKS, ticks.to_string().as_bytes()).await?;
            host.append_event(tenant, "echo.ticked", &json!({"ticks": ticks}))
                .await?;
            host.count("ticks_total", &[("tenant", tenant)], 1.0)?;
        }
        Ok(())
    }
}

fn number(bytes: Option<&[u8]>) -> u64 {
    bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok())
        .unwrap_or(0)
}

#[derive(Default)]
struct Ears {
    heard: AtomicU64,
}

impl Ears {
    fn count(&self, host: &Host, what: &str) -> Result<u64> {
        host.count("heard_total", &[("what", what)], 1.0)?;
        Ok(self.heard.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Listener for Ears {
    async fn on_event(&self, host: &Host, event: &Event) -> Result {
        let heard = self.count(host, "event")?;
        tracing::info!(
            heard,
            tenant = event.tenant,
            seq = event.seq,
            event_type = event.event_type,
            "heard an event"
        );
        Ok(())
    }

    async fn on_state(&self, host: &Host, change: &StateChange) -> Result {
        let heard = self.count(host, "state")?;
        let (from, to) = (&change.from.primary_state, &change.to.primary_state);
        tracing::info!(heard, tenant = change.tenant, %from, %to, "heard a change of state");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_repeats_tenant_and_configuration() {
        let Value::Object(map) = json!({"greeting": "hello"}) else {
            panic!("is an object")
        };
        let claim = EchoIdentity
            .snapshot("initech", &Config::from(map))
            .expect("answers");
        let snapshot = claim.expect("claims");
        assert_eq!(
            snapshot.system_prompt,
            r#"You are Echo. You repeat what you hear. You serve `initech` and were told: {"greeting":"hello"}"#
        );
        assert_eq!(
            Value::Object(snapshot.metadata),
            json!({"tenant": "initech", "config": {"greeting": "hello"}})
        );
    }
}
