//! Stop commands.

use super::{
    table::Table,
    text::{counted, one_line, or_nothing},
};
use crate::service::api::{Command, CommandIssued, Commands};

/// What came of a command, or would.
pub(in crate::cli) fn issued(issued: &CommandIssued) -> String {
    let CommandIssued { level, kind, on, .. } = issued;
    let head = match &issued.command_id {
        Some(id) => format!(
            "L{level} {kind} on {}: {id}, {}",
            one_line(on),
            one_line(&issued.lifecycle_state)
        ),
        None => format!(
            "L{level} {kind} on {} would be given; nothing was done",
            one_line(on)
        ),
    };
    let cleared = match issued.superseded_command_ids.len() {
        0 if *level == 0 => "there was no command to lift\n".to_owned(),
        0 => String::new(),
        count => format!("{} lifted\n", counted(count as u64, "command")),
    };
    let exits = if issued.ends_host {
        "the host stops in order and exits\n"
    } else {
        ""
    };
    let changes: String = issued
        .predicted_state_changes
        .iter()
        .map(|change| {
            let [tenant, from, to] =
                [&change.tenant, &change.from_state, &change.to_state].map(|text| one_line(text));
            format!("{tenant}: {from} → {to}\n")
        })
        .collect();
    let ends = match &issued.expires_at {
        Some(at) => format!("it ends by itself at {}\n", one_line(at)),
        None => String::new(),
    };
    format!("{head}\n{cleared}{exits}{changes}{ends}")
}

/// Those in force, and those before.
pub(in crate::cli) fn commands(commands: &Commands) -> String {
    let active = table(&commands.active).to_text("no stop command is in force");
    let history = table(&commands.history).to_text("none was ever given");
    format!("In force\n{active}\nHistory\n{history}")
}

fn table(commands: &[Command]) -> Table<7> {
    Table::new(["AT", "ON", "LEVEL", "KIND", "STATE", "COMMAND", "REASON"]).rows(commands, |command| {
        [
            or_nothing(command.created_at.as_deref()),
            command.on.clone(),
            command.level.to_string(),
            command.kind.clone(),
            command.lifecycle_state.clone(),
            or_nothing(command.command_id.as_deref()),
            or_nothing(command.reason.as_deref()),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::api::PredictedChange;

    #[test]
    fn a_command_is_shown_with_what_it_does() {
        let mut given = CommandIssued {
            command_id: Some("id-1".to_owned()),
            sequence: Some(1),
            on: "acme".to_owned(),
            level: 2,
            kind: "drain".to_owned(),
            action: "drain_current_finish".to_owned(),
            lifecycle_state: "enforced".to_owned(),
            superseded_command_ids: Vec::new(),
            requested_at: "2026-11-20T10:00:00Z".to_owned(),
            expires_at: Some("2026-11-20T11:00:00Z".to_owned()),
            predicted_state_changes: vec![PredictedChange {
                tenant: "acme".to_owned(),
                from_state: "ready".to_owned(),
                to_state: "paused".to_owned(),
            }],
            ends_host: false,
            dry_run: false,
        };
        insta::assert_snapshot!(issued(&given), @r"
        L2 drain on acme: id-1, enforced
        acme: ready → paused
        it ends by itself at 2026-11-20T11:00:00Z
        ");
        given.command_id = None;
        assert!(issued(&given).starts_with("L2 drain on acme would be given; nothing was done\n"));
        given.level = 0;
        given.superseded_command_ids = vec!["id-0".to_owned(), "id-1".to_owned()];
        assert!(issued(&given).contains("2 commands lifted\n"));
    }
}
