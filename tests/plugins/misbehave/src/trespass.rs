//! Asking of the host what a plugin may not ask, and telling what it answered: each attempt is appended, for each tenant that
//! is served, as `misbehave.observed {what, kind, error}`, with `kind` and `error` null where the host allowed it.
//!
//! Modes: `foreign_event`, `foreign_tenant`, `no_permission`, `kv_over_quota`, `log_flood`, `bad_metrics`, `bad_events`,
//! `services_in_register`, `tickets`.

use kora_plugin_api::{
    ClaimAnswer, EventQuery, Host, Result, TicketClaim, TicketEnding, TicketProgress, TicketResolution,
    serde_json::{Value, json},
    tracing,
};

use crate::settings::Settings;

/// The largest value that a plugin may keep.
const MAX_KV_BYTES: usize = 256 * 1024;
/// A quota of more than a quarter of a gigabyte is none.
const MAX_KV_PUTS: usize = 1024;
const FLOOD_RECORDS: u32 = 20_000;
const FLOOD_SERIES: u32 = 20_000;
const LARGE_BYTES: usize = 1024 * 1024;

struct Observation {
    what: String,
    outcome: Result<()>,
}

fn observed<T>(what: impl Into<String>, outcome: Result<T>) -> Observation {
    Observation {
        what: what.into(),
        outcome: outcome.map(drop),
    }
}

impl Observation {
    fn payload(&self) -> Value {
        let error = self.outcome.as_ref().err();
        json!({
            "what": self.what,
            "kind": error.map(|error| format!("{:?}", error.kind())),
            "error": error.map(ToString::to_string),
        })
    }
}

/// Does what the mode says, if it is one of these, and reports.
///
/// # Errors
/// If the report itself is refused.
pub async fn commit(host: &Host, settings: &Settings) -> Result {
    for served in host.tenants()? {
        let own = served.tenant.as_str();
        let observations = match settings.mode.as_str() {
            "foreign_event" => foreign_event(host, own).await,
            "foreign_tenant" => foreign_tenant(host, &settings.tenant).await,
            "no_permission" => vec![observed("secret", host.secret("", "misbehave_token").await)],
            "kv_over_quota" => kv_over_quota(host, own).await,
            "log_flood" => log_flood(),
            "bad_metrics" => bad_metrics(host),
            "bad_events" => bad_events(host, own).await,
            "tickets" => tickets(host, own, &settings.tenant).await,
            _ => return Ok(()),
        };
        for observation in observations {
            let payload = observation.payload();
            tracing::warn!(%payload, "misbehave observed");
            host.append_event(own, "misbehave.observed", &payload).await?;
        }
    }
    Ok(())
}

async fn foreign_event(host: &Host, own: &str) -> Vec<Observation> {
    let mut observations = Vec::new();
    for event_type in [
        "kora.boot.ready",
        "kora.identity.swapped",
        "marvin.sighed",
        "misbehave.undeclared",
        "host.x",
    ] {
        let outcome = host.append_event(own, event_type, &json!({})).await;
        observations.push(observed(format!("append {event_type}"), outcome));
    }
    observations
}

async fn foreign_tenant(host: &Host, tenant: &str) -> Vec<Observation> {
    vec![
        observed(
            "append",
            host.append_event(tenant, "misbehave.ticked", &json!({})).await,
        ),
        observed("read", host.read_events(tenant, &EventQuery::default()).await),
        observed("state", host.state(tenant)),
        observed("history", host.state_history(tenant)),
        observed("config", host.config(tenant)),
        observed("kv_get", host.kv_get(tenant, "key").await),
        observed("kv_put", host.kv_put(tenant, "key", b"value").await),
        observed("announce", host.announce_identity("misbehave", tenant)),
    ]
}

async fn kv_over_quota(host: &Host, own: &str) -> Vec<Observation> {
    let value = vec![b'x'; MAX_KV_BYTES];
    let mut filling = Ok(());
    for n in 0..MAX_KV_PUTS {
        filling = host.kv_put(own, &format!("filling/{n:04}"), &value).await;
        if filling.is_err() {
            break;
        }
    }
    vec![
        observed("put until the quota is used up", filling),
        observed(
            "put a value that is too large",
            host.kv_put(own, "large", &vec![0; MAX_KV_BYTES + 1]).await,
        ),
        observed("put an empty key", host.kv_put(own, "", b"x").await),
        observed(
            "put a key that is too long",
            host.kv_put(own, &"k".repeat(257), b"x").await,
        ),
    ]
}

fn log_flood() -> Vec<Observation> {
    // The two odd ones come first, while the bound on records lets them through.
    tracing::info!("one record\nthat pretends\nto be three");
    tracing::info!("{}", "a long record ".repeat(LARGE_BYTES / 14));
    for n in 0..FLOOD_RECORDS {
        tracing::info!(n, "a record of many");
    }
    vec![observed("flood the log", Ok(()))]
}

fn bad_metrics(host: &Host) -> Vec<Observation> {
    let series = (0..FLOOD_SERIES).try_for_each(|n| host.count("series", &[("n", &n.to_string())], 1.0));
    vec![
        observed("a name that is none", host.count("Bad-Name", &[], 1.0)),
        observed("an empty name", host.gauge("", &[], 1.0)),
        observed(
            "a label that is none",
            host.count("fine", &[("Bad Label", "x")], 1.0),
        ),
        observed("a counter that falls", host.count("falling", &[], -1.0)),
        observed("a gauge that is no number", host.gauge("nan", &[], f64::NAN)),
        observed(
            "a long label",
            host.count("long", &[("label", &"x".repeat(LARGE_BYTES))], 1.0),
        ),
        observed("very many series", series),
    ]
}

async fn bad_events(host: &Host, own: &str) -> Vec<Observation> {
    let large = json!({"text": "x".repeat(64 * 1024)});
    vec![
        observed(
            "a payload that is too large",
            host.append_event(own, "misbehave.ticked", &large).await,
        ),
        observed(
            "a payload that is no object",
            host.append_event(own, "misbehave.ticked", &json!([1])).await,
        ),
        observed(
            "a type that is none",
            host.append_event(own, "No Type", &json!({})).await,
        ),
        observed(
            "a tenant that is none",
            host.append_event("../etc", "misbehave.ticked", &json!({})).await,
        ),
    ]
}

/// Does the ticket that is due, if one is, and goes on although it is done.
async fn tickets(host: &Host, own: &str, foreign: &str) -> Vec<Observation> {
    let claim = match host.claim_ticket(own, None).await {
        Ok(ClaimAnswer::Claimed(claim)) => claim,
        Ok(_) => return Vec::new(),
        Err(error) => return vec![observed("claim", Err::<(), _>(error))],
    };
    let done = TicketEnding::new(TicketResolution::Completed, "done by a plugin").model_tier("small");
    vec![
        observed(
            "claim of a foreign ticket",
            host.claim_ticket(foreign, None).await,
        ),
        observed(
            "the same once more",
            host.claim_ticket(own, Some(&claim.ticket.ticket_id)).await,
        ),
        observed(
            "refresh",
            host.refresh_claim(own, &claim, TicketProgress::ToolCallBoundary)
                .await,
        ),
        observed("operation", operation(host, own, &claim).await),
        observed("resolve", host.resolve_ticket(own, &claim, &done).await),
        observed(
            "release what is resolved",
            host.release_ticket(own, &claim, "late").await,
        ),
        observed(
            "operation of what is resolved",
            operation(host, own, &claim).await,
        ),
    ]
}

async fn operation(host: &Host, own: &str, claim: &TicketClaim) -> Result<()> {
    let allocated = host.allocate_operation(own, claim, "mail").await?;
    let dispatched = host.dispatch_operation(own, claim, &allocated).await?;
    host.commit_operation(own, claim, &dispatched, "sent")
        .await
        .map(drop)
}

/// Only the log can tell of these.
pub fn during_register() {
    let host = Host::default();
    for observation in [
        observed("tenants during register", host.tenants()),
        observed("state during register", host.daemon_health()),
        observed("metrics during register", host.count("early", &[], 1.0)),
    ] {
        tracing::warn!(payload = %observation.payload(), "misbehave observed");
    }
}
