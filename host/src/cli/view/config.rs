//! The configuration: effective values, and what a reload did.

use super::{table::Table, text::several_lines};
use crate::{config::ShownValue, service::api::Reloaded};

/// Every key with its value and where that came from.
pub(in crate::cli) fn values(values: &Vec<ShownValue>) -> String {
    Table::new(["KEY", "VALUE", "FROM"])
        .rows(values, |shown| {
            [shown.key.clone(), shown.value.clone(), shown.origin.to_string()]
        })
        .to_text("nothing is configured")
}

/// What took effect, and what will.
pub(in crate::cli) fn reloaded(reloaded: &Reloaded) -> String {
    if reloaded.applied.is_empty() && reloaded.needs_restart.is_empty() {
        return "nothing has changed\n".to_owned();
    }
    let applied = reloaded.applied.iter().map(|key| format!("applied: {key}\n"));
    let later = reloaded
        .needs_restart
        .iter()
        .map(|key| format!("after a restart: {key}\n"));
    several_lines(&applied.chain(later).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_says_where_it_came_from() {
        let shown = [ShownValue {
            key: "log.level".to_owned(),
            value: "\"debug\"".to_owned(),
            origin: crate::config::Origin::File { line: 3 },
        }];
        insta::assert_snapshot!(values(&shown.to_vec()), @r#"
        KEY        VALUE    FROM
        log.level  "debug"  file, line 3
        "#);
    }

    #[test]
    fn a_reload_says_what_waits_for_a_restart() {
        let mut done = Reloaded {
            applied: vec!["log.level".to_owned()],
            needs_restart: vec!["store.path".to_owned()],
        };
        assert_eq!(
            reloaded(&done),
            "applied: log.level\nafter a restart: store.path\n"
        );
        done.applied.clear();
        done.needs_restart.clear();
        assert_eq!(reloaded(&done), "nothing has changed\n");
    }
}
