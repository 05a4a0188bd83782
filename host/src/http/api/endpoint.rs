//! A route that answers JSON: typed on the inside, HTTP on the outside.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use futures_util::FutureExt as _;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{About, Parameters, Spec, spec::TENANT};
use crate::{
    access::{AuditResult, Details, Principal, Seam, redacted},
    domain::TenantId,
    http::{answers::HttpProblem, guard::Presented, surface::Surface},
    service::{Problem, ProblemKind, Service},
};

/// A panic is the host's fault, whichever route it was.
const PANIC: &str = "host.panic";

/// For whom a route works, and with what.
pub(in crate::http) struct Asked<'a> {
    pub surface: &'a Surface,
    pub service: &'a Service,
    pub by: &'a Principal,
    tenant: Option<&'a TenantId>,
}

impl<'a> Asked<'a> {
    /// The tenant that was named, or is the caller's only one.
    pub fn tenant(&self) -> Result<&'a TenantId, Problem> {
        // There is one for each route that is about one.
        self.tenant
            .ok_or_else(|| Problem::new(ProblemKind::Internal, "tenant.missing", "no tenant was found"))
    }

    /// The same, as the use cases take it.
    pub fn tenant_text(&self) -> Result<Option<String>, Problem> {
        self.tenant().map(|tenant| Some(tenant.to_string()))
    }
}

/// A route: what it is called, what it takes and answers.
pub(super) trait Endpoint: Send + Sync + 'static {
    const PATH: &'static str;
    const SUMMARY: &'static str;
    const DESCRIPTION: &'static str;
    const ABOUT: About;
    type Query: DeserializeOwned + JsonSchema + Send + 'static;
    type Answer: Serialize + JsonSchema + Send + 'static;

    fn answer(
        asked: Asked<'_>,
        query: Self::Query,
    ) -> impl Future<Output = Result<Self::Answer, Problem>> + Send;
}

/// A route, its types forgotten.
pub(in crate::http) struct Registered {
    pub spec: Arc<Spec>,
    pub method: MethodRouter<Arc<Surface>>,
}

impl Registered {
    pub(super) fn of<E: Endpoint>() -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let settings = settings.with(|settings| settings.inline_subschemas = true);
        let mut answer = settings
            .into_generator()
            .into_root_schema_for::<E::Answer>()
            .to_value();
        if let Value::Object(answer) = &mut answer {
            // The name of a Rust type says nothing to a client, and the document names the dialect once.
            answer.remove("title");
            answer.remove("$schema");
        }
        let spec = Arc::new(Spec {
            path: E::PATH,
            summary: E::SUMMARY,
            description: E::DESCRIPTION,
            about: E::ABOUT,
            parameters: Parameters::of::<E::Query>(E::ABOUT),
            answer,
        });
        let shared = spec.clone();
        let method = get(
            move |State(surface): State<Arc<Surface>>,
                  Extension(by): Extension<Principal>,
                  Extension(presented): Extension<Presented>,
                  request: Request| {
                let query = request.uri().query().map(str::to_owned);
                handle::<E>(shared.clone(), surface, by, presented, query)
            },
        );
        Self { spec, method }
    }
}

async fn handle<E: Endpoint>(
    spec: Arc<Spec>,
    surface: Arc<Surface>,
    by: Principal,
    presented: Presented,
    query: Option<String>,
) -> Response {
    let service = surface.parts.service.clone();
    // What was begun is audited although its caller goes away.
    let work = service.run_apart(async move {
        let began = Instant::now();
        let mut tenant = None;
        let work = attempt::<E>(&spec, &surface, &by, query.as_deref(), &mut tenant);
        // A panic is audited and answered like any other fault.
        let answered = AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(panicked()));
        audited(&surface, spec.path, &by, tenant, answered.as_ref().err(), began).await;
        answered.map_or_else(|problem| failed(problem, &presented), json)
    });
    work.await
        .unwrap_or_else(|_| HttpProblem::from(panicked()).into_response())
}

fn panicked() -> Problem {
    Problem::new(ProblemKind::Internal, PANIC, "it panicked")
}

async fn attempt<E: Endpoint>(
    spec: &Spec,
    surface: &Surface,
    by: &Principal,
    query: Option<&str>,
    tenant: &mut Option<TenantId>,
) -> Result<Vec<u8>, Problem> {
    let service = &*surface.parts.service;
    let (named, query) = spec.parameters.read::<E::Query>(query)?;
    *tenant = match spec.about {
        About::Host | About::Tenants => None,
        About::TenantOrHost => Some(service.tenant_to_show(by, TENANT, named.as_deref()).await?),
        About::Tenant if named.as_deref() == Some(TenantId::host().as_str()) => {
            // Told as any other that is none of the caller's.
            Some(service.tenant_for(by, TENANT, named.as_deref())?)
        }
        About::Tenant => Some(service.tenant_to_show(by, TENANT, named.as_deref()).await?),
    };
    let asked = Asked {
        surface,
        service,
        by,
        tenant: tenant.as_ref(),
    };
    let answer = E::answer(asked, query).await;
    let answer = answer.map_err(|problem| service.told_to(by, problem))?;
    serde_json::to_vec(&answer)
        .map_err(|error| Problem::new(ProblemKind::Internal, "http.answer", error.to_string()))
}

/// Notes how a request came out. Of what it asked for, only the route is named.
pub(in crate::http) async fn audited(
    surface: &Surface,
    route: &str,
    by: &Principal,
    tenant: Option<TenantId>,
    problem: Option<&Problem>,
    began: Instant,
) {
    let result = match problem.map(|problem| (problem.kind, problem.code.as_str())) {
        None => AuditResult::Ok,
        Some((ProblemKind::NotFound, "tenant.unknown") | (ProblemKind::Denied, "tenant.all_expected")) => {
            AuditResult::TenantDenied
        }
        Some((ProblemKind::BadInput, _)) => AuditResult::BadInput,
        Some((ProblemKind::NotFound, _)) => AuditResult::Unknown,
        Some((ProblemKind::WrongState | ProblemKind::Conflict, _)) => AuditResult::WrongState,
        Some((ProblemKind::Denied, _)) => AuditResult::CapabilityDenied,
        Some((ProblemKind::Unavailable, _)) => AuditResult::Unavailable,
        Some((ProblemKind::Internal, PANIC)) => AuditResult::Exception,
        Some((ProblemKind::Internal, _)) => AuditResult::Failed,
    };
    let details = Details {
        route: Some(route.to_owned()),
        code: problem.map(|problem| problem.code.clone()),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..Details::of(by)
    };
    let tenant = tenant.unwrap_or_else(TenantId::host);
    surface.note(tenant, Seam::HttpCalled, result, details).await;
}

/// What a request that was not done is answered with. It may repeat what was asked for: a token in it goes.
pub(in crate::http) fn failed(problem: Problem, presented: &Presented) -> Response {
    let mut problem = HttpProblem::from(problem);
    problem.detail = redacted(&problem.detail, Some(&presented.0)).into_owned();
    problem.into_response()
}

fn json(bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Another caller may see another part of it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
