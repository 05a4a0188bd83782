//! What the audit says of a route that panics, and what its caller is told.

use std::time::Duration;

use super::*;
use crate::{
    access::{AnonymousTokens, AuditFilter, AuditLog, AuditOptions, Callers, Rates, Refusals, read_audit},
    app::tests::{TestHome, end},
    http::surface::SurfaceParts,
    service::tools::{Tools, ToolsParts},
};

const SECRET: &str = "what-a-panic-says";

/// A route that does wrong.
struct Panics;

#[derive(serde::Deserialize, JsonSchema)]
struct Nothing {}

impl Endpoint for Panics {
    const PATH: &'static str = "/api/panics";
    const SUMMARY: &'static str = "Panic";
    const DESCRIPTION: &'static str = "Panics.";
    const ABOUT: About = About::Host;
    type Query = Nothing;
    type Answer = Value;

    async fn answer(_: Asked<'_>, _: Nothing) -> Result<Value, Problem> {
        panic!("{SECRET}")
    }
}

struct Nobody;

impl AnonymousTokens for Nobody {
    fn tokens(&self) -> Vec<secrecy::SecretString> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_panics_is_answered_as_a_fault_and_is_in_the_audit() {
    let home = TestHome::new("");
    let running = home.boot().await;
    let service = running.service.clone();
    let options = AuditOptions {
        directory: home.audit(),
        batch: 100,
        delay: Duration::from_secs(3600),
        max_bytes: 1024 * 1024,
        keep: 1,
    };
    let (audit, audit_end) = AuditLog::start(options, service.clock.clone()).unwrap();
    let config = service.config.load_full();
    let callers = Callers::new(config.home().callers_file(), Arc::new(Nobody));
    let parts = SurfaceParts {
        tools: Tools::new(ToolsParts {
            service: service.clone(),
            audit: audit.clone(),
        }),
        callers: Arc::new(callers),
        refusals: Arc::new(Refusals::new(audit.clone(), service.clock.clone())),
        rates: Arc::new(Rates::default()),
        audit,
        service,
    };
    let surface = Surface::new(parts, &config);
    let spec = Registered::of::<Panics>().spec;
    let presented = Presented("a token".into());
    let answer = handle::<Panics>(spec, surface.clone(), Principal::operator(0), presented, None).await;
    assert_eq!(answer.status(), 500);
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], PANIC);
    assert!(!body.to_string().contains(SECRET), "{body}");

    // A panic is written before it is answered: nobody waits for a group here.
    let all = AuditFilter {
        since: None,
        seam: None,
        contains: None,
        limit: usize::MAX,
    };
    let (lines, _) = read_audit(&home.audit(), &TenantId::host(), &all).unwrap();
    let [line] = lines.as_slice() else {
        panic!("one line, written at once: {lines:?}");
    };
    let details = &line["details"];
    assert_eq!(
        [
            &line["seam"],
            &details["result"],
            &details["route"],
            &details["caller"]
        ],
        ["http.called", "exception", Panics::PATH, "uid:0"],
        "{line}"
    );
    drop(surface);
    tokio::task::spawn_blocking(|| audit_end.join()).await.unwrap();
    end(running).await;
}
