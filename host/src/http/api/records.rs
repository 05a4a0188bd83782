//! `GET /api/sea-tickets` and `GET /api/audit`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{About, Asked, endpoint::Endpoint};
use crate::{
    access::{AuditFilter, Seam, read_audit},
    domain::Timestamp,
    service::{Problem, ProblemKind, api},
};

/// Tickets.
pub(super) struct SeaTickets;
/// The audit of a tenant.
pub(super) struct Audit;

/// What is shown unless said.
const LIMIT_DEFAULT: u32 = 50;

/// Which tickets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichTickets {
    /// Only of this one.
    #[serde(default)]
    status: Option<api::TicketStatus>,
    /// At most this many; 50 unless said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// Only those made before this one: `next` of the page before.
    #[serde(default)]
    before: Option<Uuid>,
}

/// A page of tickets.
#[derive(Serialize, JsonSchema)]
pub(super) struct TicketPage {
    /// The newest first, without their bodies.
    tickets: Vec<api::Ticket>,
    /// For `before` of the next page; absent on the last one.
    next: Option<Uuid>,
}

impl Endpoint for SeaTickets {
    const PATH: &'static str = "/api/sea-tickets";
    const SUMMARY: &'static str = "Tickets";
    const DESCRIPTION: &'static str =
        "The tickets of a tenant, the newest first, page by page: `next` of one is `before` of the next.";
    const ABOUT: About = About::Tenant;
    type Query = WhichTickets;
    type Answer = TicketPage;

    async fn answer(asked: Asked<'_>, query: WhichTickets) -> Result<TicketPage, Problem> {
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
        let wanted = |before, limit| {
            Ok::<_, Problem>(api::ListTickets {
                tenant: asked.tenant_text()?,
                statuses: query.status.into_iter().collect(),
                before,
                limit: Some(limit),
            })
        };
        let tickets = asked.service.tickets(wanted(query.before, limit)?).await?;
        let last = tickets.last().map(|ticket| ticket.ticket_id);
        let next = match last.filter(|_| tickets.len() == limit as usize) {
            Some(last) => {
                let more = asked.service.tickets(wanted(Some(last), 1)?).await?;
                (!more.is_empty()).then_some(last)
            }
            None => None,
        };
        Ok(TicketPage { tickets, next })
    }
}

/// Which lines.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichLines {
    /// Only of this one.
    #[serde(default)]
    seam: Option<Seam>,
    /// Only from this time on, in RFC 3339.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// At most this many; 50 unless said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// Lines of the audit.
#[derive(Serialize, JsonSchema)]
pub(super) struct AuditLines {
    /// The newest first.
    #[schemars(with = "Vec<AuditLine>")]
    lines: Vec<Value>,
    /// Lines of the files that could not be read, and are left out.
    malformed_lines: usize,
}

/// A line of the audit.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "it says how a line looks that is shown as it was written"
)]
struct AuditLine {
    emitted_at: String,
    seam: String,
    source: String,
    tenant: String,
    details: Map<String, Value>,
}

impl Endpoint for Audit {
    const PATH: &'static str = "/api/audit";
    const SUMMARY: &'static str = "Audit";
    const DESCRIPTION: &'static str = "What callers had done in a tenant, or were refused; the newest first.";
    const ABOUT: About = About::TenantOrHost;
    type Query = WhichLines;
    type Answer = AuditLines;

    async fn answer(asked: Asked<'_>, query: WhichLines) -> Result<AuditLines, Problem> {
        let since = query
            .since
            .as_deref()
            .map(|text| time("since", text))
            .transpose()?;
        let filter = AuditFilter {
            since: since.map(Timestamp::to_rfc3339),
            seam: query.seam.map(|seam| seam.to_string()),
            contains: None,
            limit: query.limit.unwrap_or(LIMIT_DEFAULT) as usize,
        };
        let folder = asked.service.config.load().home().audit();
        let tenant = asked.tenant()?.clone();
        let unavailable = |why: &str| {
            tracing::warn!(why, "[kora.http.audit] the audit could not be read");
            Problem::new(
                ProblemKind::Unavailable,
                "audit.unreadable",
                "the audit cannot be read now: the host's log says why",
            )
        };
        asked.surface.parts.audit.flush().await;
        // Files may be large: they are read one caller after another, and not by a worker of the runtime.
        let turn = asked.surface.audit_readers.acquire().await;
        let read = tokio::task::spawn_blocking(move || read_audit(&folder, &tenant, &filter)).await;
        drop(turn);
        let (lines, malformed_lines) = read
            .map_err(|error| unavailable(&error.to_string()))?
            .map_err(|error| unavailable(&error.to_string()))?;
        Ok(AuditLines {
            lines,
            malformed_lines,
        })
    }
}

/// A time of a parameter.
pub(super) fn time(parameter: &str, text: &str) -> Result<Timestamp, Problem> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| Timestamp::from_micros(time.as_microsecond()))
        .map_err(|_| {
            let message =
                format!("`{parameter}`: expected a time in RFC 3339 such as `2026-11-20T10:00:00Z`");
            Problem::new(ProblemKind::BadInput, "http.parameter", message)
        })
}
