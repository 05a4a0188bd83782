//! What the routes work with.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    api::Parameters,
    mcp::Transport,
    names::Names,
    stream::{self, Streams},
};
use crate::{
    access::{AuditEntry, AuditLog, AuditResult, Callers, Details, Principal, Rates, Refusals, Seam, Source},
    config::Config,
    domain::TenantId,
    service::{Service, tools::Tools},
};

/// Readers of the audit at once: each takes a thread, and reads as fast as the disk gives.
const AUDIT_READERS: usize = 2;

/// What `app` gives it.
pub struct SurfaceParts {
    /// The use cases.
    pub service: Arc<Service>,
    /// The tools.
    pub tools: Arc<Tools>,
    /// Who may call.
    pub callers: Arc<Callers>,
    /// Where outcomes are noted.
    pub audit: AuditLog,
    /// Where what is turned away is noted.
    pub refusals: Arc<Refusals>,
    /// How often each caller asks, by whatever way.
    pub rates: Arc<Rates>,
}

/// What the routes of the admin port work with.
pub struct Surface {
    pub(super) parts: SurfaceParts,
    pub(super) names: Names,
    pub(super) max_body_bytes: usize,
    pub(super) mcp: Transport,
    pub(super) read_timeout: Duration,
    /// Whose turn it is to read files of the audit.
    pub(super) audit_readers: Semaphore,
    pub(super) streams: Streams,
    pub(super) stream_parameters: Parameters,
}

impl Surface {
    /// With the limits of this configuration.
    pub fn new(parts: SurfaceParts, config: &Config) -> Arc<Self> {
        let http = &config.http;
        let max_body_bytes = usize::try_from(http.max_body_bytes).unwrap_or(usize::MAX);
        Arc::new(Self {
            names: Names::new(&http.allowed_hosts, &http.allowed_origins),
            max_body_bytes,
            mcp: Transport::new(max_body_bytes, parts.service.surface_token()),
            read_timeout: Duration::from_secs(http.read_timeout_seconds),
            audit_readers: Semaphore::new(AUDIT_READERS),
            streams: Streams::new(
                parts.service.clone(),
                usize::try_from(http.max_streams).unwrap_or(usize::MAX),
                usize::try_from(http.max_streams_per_caller).unwrap_or(usize::MAX),
            ),
            stream_parameters: stream::spec().parameters,
            parts,
        })
    }

    /// Notes a request that was turned away before anybody looked at what it asks for. Whoever sends many cannot fill the disk.
    pub(super) async fn note_refused(&self, result: AuditResult, details: Details) {
        let (why, route) = (result.clone(), details.route.clone());
        let refusals = &self.parts.refusals;
        if refusals
            .note(Seam::RequestRefused, Source::Http, result, details)
            .await
        {
            tracing::warn!(result = %why, route, "[kora.http.refused]");
        }
    }

    /// Notes that a caller has as much of something as it may.
    pub(super) async fn note_limited(&self, route: &str, by: &Principal) {
        let details = Details {
            route: Some(route.to_owned()),
            ..Details::of(by)
        };
        self.note_refused(AuditResult::RateLimited, details).await;
    }

    /// Notes an outcome.
    pub(super) async fn note(&self, tenant: TenantId, seam: Seam, result: AuditResult, details: Details) {
        let entry = AuditEntry {
            emitted_at: self.parts.service.clock.now(),
            tenant,
            seam,
            source: Source::Http,
            result,
            details,
        };
        self.parts.audit.note(entry).await;
    }
}
