//! Events, and what a check of their chains found.

use super::text::{one_line, or_nothing};
use crate::{
    domain::Timestamp,
    service::api::{Appended, Event},
};

/// An event on a line: where, when, what, who, and the beginning of the payload.
pub(in crate::cli) fn event(event: &Event) -> String {
    /// Enough to recognise an event by; `--json` has the whole payload.
    const PAYLOAD_CHARS: usize = 120;
    let mut payload: String = event.payload.chars().take(PAYLOAD_CHARS).collect();
    if event.payload.chars().nth(PAYLOAD_CHARS).is_some() {
        payload.push('…');
    }
    let line = format!(
        "{:>6}  {}  {}  {}  {payload}",
        event.seq,
        Timestamp::from_micros(event.occurred_at_us).to_rfc3339_seconds(),
        event.event_type,
        actor(event),
    );
    format!("{}\n", one_line(&line))
}

fn actor(event: &Event) -> String {
    match (&event.actor_kind, &event.actor_id) {
        (Some(kind), Some(id)) => format!("{kind}:{id}"),
        (kind, _) => or_nothing(kind.as_deref()),
    }
}

/// What became of an event that was to be appended.
pub(in crate::cli) fn appended(appended: &Appended) -> String {
    let id = one_line(&appended.event_id);
    match appended.seq {
        Some(seq) if !appended.pending => format!("appended as event {seq} ({id})\n"),
        _ => format!("taken as {id}: the store is away, the event waits and will be appended in order\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_its_payload_says() {
        let mut sample = Event {
            tenant: "acme".to_owned(),
            seq: 42,
            event_id: "e".to_owned(),
            event_type: "acme.ticket.closed".to_owned(),
            occurred_at_us: 1_795_168_800_000_000,
            actor_kind: Some("operator".to_owned()),
            actor_id: Some("uid:1000".to_owned()),
            source: "kora-host@0.1.0".to_owned(),
            identity_generation: Some(1),
            idempotency_key: None,
            payload: "{\"a\":\"\u{9b}31m\"}".to_owned(),
            prev_hash: None,
            this_hash: "h".to_owned(),
        };
        insta::assert_snapshot!(event(&sample), @r#"    42  2026-11-20T10:00:00Z  acme.ticket.closed  operator:uid:1000  {"a":"\u{9b}31m"}"#);
        sample.payload = "x".repeat(500);
        assert!(event(&sample).chars().count() < 200);
    }

    #[test]
    fn an_event_that_waits_is_not_called_appended() {
        let waiting = Appended {
            event_id: "e1".to_owned(),
            seq: None,
            pending: true,
            this_hash: None,
        };
        assert!(appended(&waiting).starts_with("taken as e1"));
    }
}
