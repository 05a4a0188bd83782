//! Answers that go on: nothing in them repeats the token that opened them, and they end when it is nobody's any more.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
    response::Response,
};
use futures_util::StreamExt as _;

use super::{guard::Presented, surface::Surface};
use crate::access::{Authenticated, Principal, redacted};

/// How soon a stream ends after its token, one that names nobody, was taken away. Of callers with a name it is told at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Whether an answer is a stream of events.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The answer, watched if it is a stream.
pub(super) fn watched(
    answer: Response,
    surface: Arc<Surface>,
    principal: Principal,
    presented: Presented,
) -> Response {
    if !is_stream(answer.headers()) {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let token = presented.clone();
    // What writes events gives each as one piece.
    let pieces = body
        .into_data_stream()
        .map(move |piece| piece.map(|piece| without_token(piece, &token)));
    let pieces = pieces.take_until(until_revoked(surface, principal, presented));
    Response::from_parts(parts, Body::from_stream(pieces))
}

fn without_token(piece: Bytes, presented: &Presented) -> Bytes {
    let clean = std::str::from_utf8(&piece)
        .ok()
        .map(|text| redacted(text, Some(&presented.0)));
    match clean {
        Some(std::borrow::Cow::Owned(clean)) => Bytes::from(clean),
        Some(std::borrow::Cow::Borrowed(_)) | None => piece,
    }
}

async fn until_revoked(surface: Arc<Surface>, principal: Principal, presented: Presented) {
    let mut changes = surface.parts.callers.changes();
    loop {
        let is_same = match surface.parts.callers.authenticate(&presented.0) {
            Authenticated::As(now) => match (&now, &principal) {
                (Principal::Caller(now), Principal::Caller(then)) => now == then,
                (Principal::Anonymous, Principal::Anonymous) => true,
                _ => false,
            },
            Authenticated::Nobody => false,
        };
        if !is_same {
            return;
        }
        // Either is a reason to look again: a change, and that some time has passed.
        let _ = tokio::time::timeout(LOOK_EVERY, changes.changed()).await;
    }
}
