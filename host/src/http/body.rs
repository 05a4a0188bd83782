//! Taking a body in, up to a size and a time.

use std::{error::Error as _, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    http::StatusCode,
};
use http_body_util::LengthLimitError;

use super::{answers::HttpProblem, surface::Surface};
use crate::access::{AuditResult, Details};

/// The whole body, or why it was not taken; that is noted.
pub(super) async fn take(surface: &Arc<Surface>, route: &str, body: Body) -> Result<Bytes, HttpProblem> {
    let taken = take_within(body, surface.max_body_bytes, surface.read_timeout).await;
    if let Err(problem) = &taken {
        let details = Details {
            route: Some(route.to_owned()),
            ..Details::default()
        };
        surface.note_refused(refusal(problem), details).await;
    }
    taken
}

/// What the audit says of a body that was not taken.
pub(super) fn refusal(problem: &HttpProblem) -> AuditResult {
    match problem.status {
        StatusCode::REQUEST_TIMEOUT => AuditResult::TooSlow,
        StatusCode::PAYLOAD_TOO_LARGE => AuditResult::TooLarge,
        _ => AuditResult::BadInput,
    }
}

/// The whole body, if it is not larger and does not take longer. One that says itself that it is larger is not waited for.
pub(super) async fn take_within(
    body: Body,
    max_bytes: usize,
    within: Duration,
) -> Result<Bytes, HttpProblem> {
    if usize::try_from(body.size_hint().lower()).map_or(true, |said| said > max_bytes) {
        return Err(too_large(max_bytes));
    }
    match tokio::time::timeout(within, to_bytes(body, max_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error))
            if error
                .source()
                .is_some_and(|source| source.is::<LengthLimitError>()) =>
        {
            Err(too_large(max_bytes))
        }
        Ok(Err(_)) => Err(HttpProblem::new(
            StatusCode::BAD_REQUEST,
            "http.broken_body",
            "expected a body as the head of the request describes it; found one that was cut off, or chunks that are none",
        )),
        Err(_) => Err(HttpProblem::new(
            StatusCode::REQUEST_TIMEOUT,
            "http.too_slow",
            format!("the body did not arrive within {} s", within.as_secs()),
        )),
    }
}

fn too_large(max_bytes: usize) -> HttpProblem {
    HttpProblem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "http.too_large",
        format!("expected a body of at most {max_bytes} bytes; found a larger one"),
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    const LIMIT: usize = 8;

    async fn status(body: Body) -> u16 {
        match take_within(body, LIMIT, Duration::from_secs(1)).await {
            Ok(_) => 200,
            Err(problem) => problem.status.as_u16(),
        }
    }

    fn pieces(pieces: Vec<io::Result<&'static str>>) -> Body {
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn what_is_too_large_is_told_from_what_is_broken() {
        assert_eq!(status(Body::from("12345678")).await, 200);
        assert_eq!(status(Body::from("123456789")).await, 413);
        assert_eq!(status(pieces(vec![Ok("1234"), Ok("5678"), Ok("9")])).await, 413);
        let broken = pieces(vec![Ok("1234"), Err(io::Error::other("no chunk"))]);
        assert_eq!(status(broken).await, 400);
    }
}
