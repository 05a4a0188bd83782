//! What waits in the spool of a host that is gone: its file, read. Its writer, and its form, are in `host/src/events/spool`.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::home::Home;

/// The ids of what waits of each tenant and of the host, in order.
pub type Waiting = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct Line {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    tenant: String,
    event_id: String,
}

/// Where it is.
pub fn file(home: &Home) -> PathBuf {
    home.root.join("data/spool.jsonl")
}

/// Everything in it. Of what was being written when the host was killed nobody was told.
///
/// # Errors
/// If it cannot be read, or a line that is whole is none.
pub fn read(home: &Home) -> Result<Waiting> {
    let file = file(home);
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Waiting::new()),
        read => waiting(&read.with_context(|| format!("cannot read `{}`", file.display()))?),
    }
}

fn waiting(text: &str) -> Result<Waiting> {
    let mut waiting = Waiting::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let line: Line = serde_json::from_str(line).context("cannot read a line of the spool")?;
        for event in line.events {
            waiting.entry(event.tenant).or_default().push(event.event_id);
        }
    }
    Ok(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_its_own_order_and_a_line_that_was_cut_holds_nothing() {
        let event = |tenant: &str, id: &str| format!(r#"{{"tenant":"{tenant}","event_id":"{id}","more":1}}"#);
        let text = format!(
            "{{\"events\":[{},{}]}}\n{{\"events\":[{}]}}\n{{\"events\":[{}]}}\n{{\"events\":[",
            event("t0", "b"),
            event("t0", "a"),
            event("host", "c"),
            event("t0", "d"),
        );
        let waiting = waiting(&text).expect("reads");
        assert_eq!(waiting["t0"], ["b", "a", "d"]);
        assert_eq!(waiting["host"], ["c"]);
        assert!(super::waiting("{}\n").is_err());
    }
}
