//! What is open to callers: making it, opening it, closing it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::task::JoinHandle;

use super::cannot_start;
use crate::{
    access::{AnonymousTokens, AuditEnd, AuditLog, AuditOptions, Callers},
    config::{Config, Listen},
    http::{HttpServer, ServerOptions, Surface, SurfaceParts, router},
    secrets::anonymous_tokens,
    service::{
        Problem, Service,
        tools::{Tools, ToolsParts},
    },
};

/// The surface while it is open.
pub struct Open {
    serving: Option<JoinHandle<()>>,
    audit: Audit,
    /// The tools, for the control socket.
    pub tools: Arc<Tools>,
    /// Who may call.
    pub callers: Arc<Callers>,
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
pub async fn open(service: &Arc<Service>) -> Result<Open, Problem> {
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
    let surface = Surface::new(
        SurfaceParts {
            service: service.clone(),
            tools: tools.clone(),
            callers: callers.clone(),
            audit,
        },
        &config,
    );
    let serving = match config.http.listen {
        Listen::Off => None,
        Listen::At(address) => Some(serve(service, &config, address, surface, &callers).await?),
    };
    Ok(Open {
        serving,
        audit: Audit(end),
        tools,
        callers,
    })
}

async fn serve(
    service: &Arc<Service>,
    config: &Config,
    listen: SocketAddr,
    surface: Arc<Surface>,
    callers: &Callers,
) -> Result<JoinHandle<()>, Problem> {
    let options = ServerOptions {
        listen,
        read_timeout: Duration::from_secs(config.http.read_timeout_seconds),
        max_connections: usize::try_from(config.http.max_connections).unwrap_or(usize::MAX),
    };
    let server = HttpServer::bind(options).await.map_err(|error| {
        cannot_start("http.listen", &format!("`http.listen` names {listen}, which cannot be had: {error}")).hint(
            "another host may listen there: `http.listen = \"127.0.0.1:0\"` takes a free port, `\"off\"` none",
        )
    })?;
    let address = server
        .address()
        .map_err(|error| cannot_start("http.listen", &error))?;
    service.note_http(address);
    tracing::info!(%address, "[kora.http] MCP, the HTTP interface and metrics are here");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "[kora.http] this is open beyond this machine, without encryption: put a proxy with TLS before it");
    }
    if callers.are_none() {
        tracing::warn!(
            "[kora.http] there is no caller: everything is answered with 401 until `kora callers add` makes one"
        );
    }
    Ok(tokio::spawn(
        server.serve(router(surface), service.surface_token()),
    ))
}

impl Open {
    /// Ends streams and connections. Calls that were begun go on to their end.
    pub async fn close(self, service: &Service) -> Audit {
        service.close_surface();
        if let Some(serving) = self.serving {
            drop(serving.await);
        }
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
