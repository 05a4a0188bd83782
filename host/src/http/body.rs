//! Taking a body in, up to a size and a time.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::StatusCode,
};

use super::{answers::HttpProblem, surface::Surface};
use crate::access::{AuditResult, Details};

/// The whole body, or why it was not taken; that is noted.
pub(super) async fn take(surface: &Arc<Surface>, route: &str, body: Body) -> Result<Bytes, HttpProblem> {
    let taken = take_within(body, surface.max_body_bytes, surface.read_timeout).await;
    if let Err(problem) = &taken {
        let result = match problem.status {
            StatusCode::REQUEST_TIMEOUT => AuditResult::TooSlow,
            _ => AuditResult::TooLarge,
        };
        let details = Details {
            route: Some(route.to_owned()),
            ..Details::default()
        };
        surface.note_refused(result, details).await;
    }
    taken
}

/// The whole body, if it is not larger and does not take longer.
pub(super) async fn take_within(
    body: Body,
    max_bytes: usize,
    within: Duration,
) -> Result<Bytes, HttpProblem> {
    match tokio::time::timeout(within, to_bytes(body, max_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(HttpProblem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "http.too_large",
            format!(
                "expected a body of at most {max_bytes} bytes; found a larger one, or one that was cut off"
            ),
        )),
        Err(_) => Err(HttpProblem::new(
            StatusCode::REQUEST_TIMEOUT,
            "http.too_slow",
            format!("the body did not arrive within {} s", within.as_secs()),
        )),
    }
}
