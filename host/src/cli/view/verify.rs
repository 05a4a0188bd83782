//! What a check of the chains found.

use super::{
    table::Table,
    text::{counted, one_line},
};
use crate::{
    cli::offline::checkpoints::{Compared, Fault},
    service::api::Checkpoint,
    store::verify::{
        BadRecord, ChainReport, ChainStatus, ExportReport, ExportStatus, ExportedChain, VerifyReport,
    },
};

/// A line for each chain, the first bad record of each that is broken, the checkpoints that do not hold, and a verdict.
pub(in crate::cli) fn report(report: &VerifyReport, checkpoints: &Compared, status: ChainStatus) -> String {
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
    let contradictions = checkpoints.faults.iter().map(contradiction);
    let faults: String = broken.chain(file).chain(contradictions).collect();
    let gap = if faults.is_empty() { "" } else { "\n" };
    format!(
        "{chains}{gap}{faults}\n{}: {}, {}\n",
        word(status),
        counted(report.records, "record"),
        held(checkpoints)
    )
}

fn held(checkpoints: &Compared) -> String {
    let Compared {
        kept,
        held,
        other_key,
        ..
    } = checkpoints;
    let kept = match *kept {
        0 => "no checkpoint was kept".to_owned(),
        kept => format!("{held} of {} hold", counted(kept, "checkpoint")),
    };
    match *other_key {
        0 => kept,
        other => format!("{kept} ({other} by another key: their signatures were not checked)"),
    }
}

fn contradiction(fault: &Fault) -> String {
    let seq = fault
        .seq
        .map(|seq| format!(" of record {seq}"))
        .unwrap_or_default();
    let time = fault.signed_at.as_ref().map(|at| format!(" ({at})"));
    format!(
        "broken: `{}`, checkpoint{seq}{}: {}\n",
        one_line(&fault.tenant),
        time.unwrap_or_default(),
        one_line(&fault.detail)
    )
}

/// The notes, one after another, as a file of checkpoints holds them.
pub(in crate::cli) fn notes(checkpoints: &[Checkpoint]) -> String {
    let notes: Vec<_> = checkpoints.iter().map(|signed| signed.note.as_str()).collect();
    notes.join("\n")
}

/// The same of an export.
pub(in crate::cli) fn export(report: &ExportReport) -> String {
    let chains = Table::new(["CHAIN", "STATUS", "RECORDS", "SIGNED UP TO"])
        .rows(&report.chains, |chain| {
            [
                exported_name(chain),
                word(chain.status).to_owned(),
                chain.records.to_string(),
                place(chain.signed_to.unwrap_or(0)),
            ]
        })
        .to_text("there are no chains: expected an export, which begins with a header");
    let broken = report.chains.iter().flat_map(export_faults);
    let without = report.without_chain.iter().map(|tenant| {
        let tenant = one_line(tenant);
        format!("unchecked: there is a checkpoint of `{tenant}`, and the export has no chain of it\n")
    });
    let faults: String = broken.chain(without).collect();
    let gap = if faults.is_empty() { "" } else { "\n" };
    let records: u64 = report.chains.iter().map(|chain| chain.records).sum();
    let verdict = match report.status {
        ExportStatus::Sound => "sound",
        ExportStatus::Empty => "empty",
        ExportStatus::Broken => "broken",
        ExportStatus::Unchecked => "unchecked",
    };
    format!(
        "{chains}{gap}{faults}\n{verdict}: {}{}\n",
        counted(records, "record"),
        unsigned(report)
    )
}

/// What no signature vouches for must not be taken for more than it is.
fn unsigned(report: &ExportReport) -> String {
    let unsigned: u64 = report
        .chains
        .iter()
        .map(|chain| chain.records - chain.signed_to.unwrap_or(0).min(chain.records))
        .sum();
    match unsigned {
        0 => String::new(),
        unsigned => format!(
            ", {unsigned} of them with no checkpoint after them: nothing shows whether their end was cut off"
        ),
    }
}

/// Of what has no header it is not known whose it is.
fn exported_name(chain: &ExportedChain) -> String {
    match chain.tenant.as_str() {
        "" => "not known".to_owned(),
        tenant => tenant.to_owned(),
    }
}

fn export_faults(chain: &ExportedChain) -> Vec<String> {
    let tenant = one_line(&exported_name(chain));
    let bad = chain.first_bad.iter().map(|bad| {
        let record = bad.seq.map(|seq| format!(", record {seq}")).unwrap_or_default();
        format!(
            "broken: `{tenant}`{record} (line {}): {}\n",
            bad.line,
            one_line(&bad.detail)
        )
    });
    let signed = chain.checkpoint_faults.iter().map(|fault| {
        format!(
            "broken: `{tenant}`, checkpoint of record {}: {}\n",
            fault.seq,
            one_line(&fault.detail)
        )
    });
    bad.chain(signed).collect()
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
        insta::assert_snapshot!(report(&found, &Compared::default(), found.status()), @r"
        CHAIN  STATUS  RECORDS  FROM  TO
        acme   broken  12       1     12
        host   sound   12       1     12

        broken: `acme`, record 7: its fields do not have its hash
        broken: the file: page 3 is in use twice

        broken: 24 records, no checkpoint was kept
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
        assert_eq!(
            report(&nothing, &Compared::default(), nothing.status()),
            "there are no chains\n\nempty: 0 records, no checkpoint was kept\n"
        );
    }
}
