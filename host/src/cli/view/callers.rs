//! Who may call.

use super::{
    table::{Table, fields},
    text::list,
};
use crate::cli::offline::callers::{Callers, ShownCaller};

/// Everybody in force, a line each.
pub(in crate::cli) fn callers(callers: &Callers) -> String {
    Table::new(["NAME", "KIND", "TENANTS", "CAPABILITIES", "ACTOR"])
        .rows(&callers.callers, |caller| {
            [
                caller.name.clone(),
                caller.kind.clone(),
                list(&caller.tenants),
                caller.capabilities.len().to_string(),
                caller.actor_id.clone().unwrap_or_default(),
            ]
        })
        .to_text("nobody may call: `kora callers add` lets somebody")
}

/// All of one.
pub(in crate::cli) fn caller(caller: &ShownCaller) -> String {
    fields([
        ("name", caller.name.clone()),
        ("kind", caller.kind.clone()),
        ("tenants", list(&caller.tenants)),
        ("capabilities", list(&caller.capabilities)),
        ("actor", list(caller.actor_id.as_slice())),
        ("events", list(&caller.allowed_events)),
        (
            "requests per second",
            match caller.requests_per_second {
                None => "as configured for all".to_owned(),
                Some(0) => "no limit".to_owned(),
                Some(rate) => rate.to_string(),
            },
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pm() -> ShownCaller {
        ShownCaller {
            name: "pm".to_owned(),
            kind: "agent".to_owned(),
            capabilities: vec!["kora__request_pause".to_owned(), "kora__request_stop".to_owned()],
            tenants: vec!["acme".to_owned()],
            actor_id: None,
            allowed_events: vec![],
            requests_per_second: Some(0),
        }
    }

    #[test]
    fn callers_are_a_line_each_and_one_is_shown_whole() {
        let all = Callers {
            callers: vec![pm()],
            left_out: vec![],
            revoked: vec![],
        };
        insta::assert_snapshot!(callers(&all), @r"
        NAME  KIND   TENANTS  CAPABILITIES  ACTOR
        pm    agent  acme     2             -
        ");
        insta::assert_snapshot!(caller(&pm()), @r"
        name                 pm
        kind                 agent
        tenants              acme
        capabilities         kora__request_pause, kora__request_stop
        actor                -
        events               -
        requests per second  no limit
        ");
    }
}
