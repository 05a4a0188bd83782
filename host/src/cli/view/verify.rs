//! What a check of the chains found.

use super::{
    table::Table,
    text::{counted, one_line},
};
use crate::store::verify::{BadRecord, ChainReport, ChainStatus, VerifyReport};

/// A line for each chain, the first bad record of each that is broken, and a verdict.
pub(in crate::cli) fn report(report: &VerifyReport) -> String {
    let chains = Table::new(["CHAIN", "STATUS", "RECORDS", "FROM", "TO"])
        .rows(&report.chains, |chain| {
            [
                chain.tenant.clone(),
                word(chain.status).to_owned(),
                chain.records.to_string(),
                place(chain.from),
                place(chain.to),
            ]
        })
        .to_text("there are no chains");
    let broken = report.chains.iter().filter_map(fault);
    let file = report
        .file_fault
        .iter()
        .map(|fault| format!("broken: the file: {}\n", one_line(fault)));
    let faults: String = broken.chain(file).collect();
    let gap = if faults.is_empty() { "" } else { "\n" };
    format!(
        "{chains}{gap}{faults}\n{}: {}\n",
        word(report.status()),
        counted(report.records, "record")
    )
}

fn fault(chain: &ChainReport) -> Option<String> {
    let BadRecord {
        seq,
        event_id,
        detail,
        ..
    } = chain.first_bad.as_ref()?;
    let seq = seq.map_or_else(
        || "a record whose place cannot be read".to_owned(),
        |seq| format!("record {seq}"),
    );
    let id = event_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
    Some(format!(
        "broken: `{}`, {seq}{id}: {}\n",
        one_line(&chain.tenant),
        one_line(detail)
    ))
}

fn place(seq: u64) -> String {
    if seq == 0 { String::new() } else { seq.to_string() }
}

const fn word(status: ChainStatus) -> &'static str {
    match status {
        ChainStatus::Sound => "sound",
        ChainStatus::Empty => "empty",
        ChainStatus::Broken => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::verify::Check;

    #[test]
    fn the_first_bad_record_of_a_chain_is_named() {
        let chain = |tenant: &str, status, bad| ChainReport {
            tenant: tenant.to_owned(),
            status,
            from: 1,
            to: 12,
            records: 12,
            first_bad: bad,
        };
        let bad = BadRecord {
            seq: Some(7),
            event_id: None,
            check: Check::Hash,
            detail: "its fields do not have its hash".to_owned(),
        };
        let found = VerifyReport {
            chains: vec![
                chain("acme", ChainStatus::Broken, Some(bad)),
                chain("host", ChainStatus::Sound, None),
            ],
            file_fault: Some("page 3 is in use twice".to_owned()),
            records: 24,
            bytes: 1,
        };
        insta::assert_snapshot!(report(&found), @r"
        CHAIN  STATUS  RECORDS  FROM  TO
        acme   broken  12       1     12
        host   sound   12       1     12

        broken: `acme`, record 7: its fields do not have its hash
        broken: the file: page 3 is in use twice

        broken: 24 records
        ");
    }

    #[test]
    fn nothing_is_called_empty_and_not_sound() {
        let nothing = VerifyReport {
            chains: vec![],
            file_fault: None,
            records: 0,
            bytes: 0,
        };
        assert_eq!(report(&nothing), "there are no chains\n\nempty: 0 records\n");
    }
}
