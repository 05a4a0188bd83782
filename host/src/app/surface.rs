//! What is open to callers: making it, opening it, closing it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::Router;
use secrecy::SecretString;

use super::{cannot_start, parts::Running};
use crate::{
    access::{
        AnonymousTokens, AuditEnd, AuditLog, AuditOptions, AuditResult, Callers, Details, Principal, Rates,
        Refusals, Seam, Source,
    },
    config::{Config, Listen},
    http::{HttpServer, ServerOptions, Serving, Surface, SurfaceParts, WebhookDoor, router, webhook_router},
    mcp::Admission,
    secrets::anonymous_tokens,
    service::{
        Problem, Service,
        tools::{PluginsGate, Tools, ToolsParts},
    },
};

/// How often the audit is told how many refusals it was spared.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(10);

/// The surface while it is open.
pub struct Open {
    serving: Vec<Serving>,
    audit: Audit,
    /// The tools, for the control socket.
    pub tools: Arc<Tools>,
    /// Who may call.
    pub callers: Arc<Callers>,
    /// How often a caller may ask over the control socket: as often as over HTTP, both together.
    pub pace: Arc<SocketPace>,
    refusals: Arc<Refusals>,
}

/// The audit, which outlives the surface.
pub struct Audit(AuditEnd);

impl Audit {
    /// Writes what waits.
    pub async fn end(self) {
        // The disk is waited for, which is not for a worker of the runtime.
        drop(tokio::task::spawn_blocking(|| self.0.join()).await);
    }
}

/// Makes what callers need, takes the port and serves on it. Until the host has booted it says so.
pub async fn open(running: &Running) -> Result<Open, Problem> {
    let service = &running.service;
    let config = service.config.load_full();
    let (audit, end) = AuditLog::start(audit_options(&config), service.clock.clone())
        .map_err(|error| cannot_start("audit", &error))?;
    let callers = Arc::new(Callers::new(
        config.home().callers_file(),
        Arc::new(Anonymous(config.clone())),
    ));
    let tools = Tools::new(ToolsParts {
        service: service.clone(),
        audit: audit.clone(),
    });
    let rates = Arc::new(Rates::default());
    let refusals = Arc::new(Refusals::new(audit.clone(), service.clock.clone()));
    let pace = Arc::new(SocketPace {
        service: service.clone(),
        rates: rates.clone(),
        refusals: refusals.clone(),
    });
    running.open_tools(Arc::new(PluginsGate(tools.clone())));
    let surface = Surface::new(
        SurfaceParts {
            service: service.clone(),
            tools: tools.clone(),
            callers: callers.clone(),
            audit,
            refusals: refusals.clone(),
            rates,
        },
        &config,
    );
    let door = WebhookDoor::new(surface.clone(), &config);
    let ports = [
        Port {
            key: "http.listen",
            listen: config.http.listen,
            router: router(surface),
        },
        Port {
            key: "webhooks.listen",
            listen: config.webhooks.listen,
            router: webhook_router(door),
        },
    ];
    let mut serving = Vec::new();
    for port in ports {
        let Listen::At(address) = port.listen else {
            continue;
        };
        serving.push(serve(service, &config, port, address).await?);
    }
    let (watched, closing) = (callers.clone(), service.surface_token());
    service
        .tasks
        .spawn(async move { closing.run_until_cancelled(watched.watch()).await });
    let (told, closing) = (refusals.clone(), service.surface_token());
    service
        .tasks
        .spawn(async move { closing.run_until_cancelled(tell_left_out(told)).await });
    if callers.are_none() {
        tracing::warn!(
            "[kora.http] there is no caller: everything is answered with 401 until `kora callers add` makes one"
        );
    }
    Ok(Open {
        serving,
        tools,
        callers,
        pace,
        refusals,
        audit: Audit(end),
    })
}

async fn tell_left_out(refusals: Arc<Refusals>) {
    loop {
        tokio::time::sleep(LEFT_OUT_EVERY).await;
        refusals.tell_left_out().await;
    }
}

/// A port that is to be opened.
struct Port {
    key: &'static str,
    listen: Listen,
    router: Router,
}

async fn serve(
    service: &Arc<Service>,
    config: &Config,
    port: Port,
    listen: SocketAddr,
) -> Result<Serving, Problem> {
    let options = ServerOptions {
        listen,
        read_timeout: Duration::from_secs(config.http.read_timeout_seconds),
        max_connections: usize::try_from(config.http.max_connections).unwrap_or(usize::MAX),
    };
    let Port { key, router, .. } = port;
    let server = HttpServer::bind(options).await.map_err(|error| {
        cannot_start(
            key,
            &format!("`{key}` names {listen}, which cannot be had: {error}"),
        )
        .hint(format!(
            "another host may listen there: `{key} = \"127.0.0.1:0\"` takes a free port, `\"off\"` none"
        ))
    })?;
    let address = server.address().map_err(|error| cannot_start(key, &error))?;
    match key {
        "http.listen" => service.note_http(address),
        _ => service.note_webhooks(address),
    }
    tracing::info!(%address, "[kora.http] listening for `{key}`");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "[kora.http] this is open beyond this machine, without encryption: put a proxy with TLS before it");
    }
    let serving = server.serve(&router, &service.surface_token());
    serving.map_err(|error| cannot_start(key, &error))
}

impl Open {
    /// Ends streams and connections. Calls that were begun go on to their end.
    pub async fn close(self, service: &Service) -> Audit {
        service.close_surface();
        for serving in self.serving {
            serving.ended().await;
        }
        self.refusals.tell_left_out().await;
        self.audit
    }
}

fn audit_options(config: &Config) -> AuditOptions {
    let audit = &config.audit;
    AuditOptions {
        directory: config.home().audit(),
        batch: usize::try_from(audit.batch_size).unwrap_or(usize::MAX).max(1),
        delay: Duration::from_secs(audit.flush_interval_seconds),
        max_bytes: audit.max_file_mib.saturating_mul(1024 * 1024),
        keep: usize::try_from(audit.keep_files).unwrap_or(usize::MAX),
    }
}

/// How often callers ask over the control socket.
pub struct SocketPace {
    service: Arc<Service>,
    rates: Arc<Rates>,
    refusals: Arc<Refusals>,
}

#[async_trait]
impl Admission for SocketPace {
    async fn admit(&self, by: &Principal) -> bool {
        let per_second = self.service.config.load().access.requests_per_second;
        let now = self.service.clock.monotonic();
        if self.rates.admit_caller(by, per_second, now) {
            return true;
        }
        self.note(by, AuditResult::RateLimited).await;
        false
    }

    async fn note_malformed(&self, by: &Principal) {
        self.note(by, AuditResult::BadInput).await;
    }
}

impl SocketPace {
    async fn note(&self, by: &Principal, result: AuditResult) {
        let (seam, source) = (Seam::RequestRefused, Source::McpStdio);
        let why = result.clone();
        if self.refusals.note(seam, source, result, Details::of(by)).await {
            tracing::warn!(caller = by.name(), result = %why, "[kora.mcp.stdio] a request is refused");
        }
    }
}

/// The tokens that name nobody, where the configuration says they are.
struct Anonymous(Arc<Config>);

impl AnonymousTokens for Anonymous {
    fn tokens(&self) -> Vec<SecretString> {
        anonymous_tokens(&self.0, &|name| std::env::var_os(name)).unwrap_or_else(|error| {
            tracing::warn!(%error, "[kora.access.callers] the tokens that name nobody cannot be read: there are none");
            Vec::new()
        })
    }
}
