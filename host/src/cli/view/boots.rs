//! Boots that have ended.

use super::{
    table::Table,
    text::{one_line, or_nothing},
};
use crate::service::api::{Boot, EpochAccepted, Gate};

/// Boots, the newest first, each with what decided it.
pub(in crate::cli) fn history(boots: &[Boot]) -> String {
    Table::new([
        "BOOT", "TENANT", "BEGAN", "ENDED", "RESULT", "GATES", "FAILED", "DETAIL",
    ])
    .rows(boots, |boot| {
        let decisive = decisive(boot);
        [
            boot.boot_id.clone(),
            boot.tenant.clone(),
            boot.started_at.clone(),
            boot.ended_at.clone(),
            boot.result.clone(),
            boot.gates.len().to_string(),
            or_nothing(boot.failed_gate_id.as_deref()),
            or_nothing(decisive.map(|gate| gate.detail.as_str())),
        ]
    })
    .to_text("no boot is known")
}

fn decisive(boot: &Boot) -> Option<&Gate> {
    let failed = boot.failed_gate_id.as_ref()?;
    boot.gates
        .iter()
        .find(|gate| gate.gate_id == *failed && gate.outcome == "fail")
}

/// What accepting an epoch freed.
pub(in crate::cli) fn accepted(accepted: &EpochAccepted) -> String {
    let mut text = format!("{} is known from now on\n", one_line(&accepted.epoch));
    for tenant in &accepted.may_be_resumed {
        text.push_str(&one_line(&format!(
            "{tenant}: may be resumed with `kora state resume --tenant {tenant}`"
        )));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_that_failed_says_by_which_gate() {
        let boot = |result: &str, gates: Vec<Gate>| Boot {
            boot_id: "boot_0a1b2c3d".to_owned(),
            tenant: "acme".to_owned(),
            result: result.to_owned(),
            started_at: "2026-11-20T10:00:00.000000Z".to_owned(),
            ended_at: "2026-11-20T10:00:01.000000Z".to_owned(),
            failed_gate_id: gates.first().map(|gate| gate.gate_id.clone()),
            gates,
        };
        let gate = Gate {
            gate_id: "chain_tail".to_owned(),
            gate_class: "invariant".to_owned(),
            outcome: "fail".to_owned(),
            attempts: 1,
            elapsed_ms: 3,
            detail: "record 4 is missing".to_owned(),
        };
        insta::assert_snapshot!(history(&[boot("stopped", vec![gate]), boot("ready", vec![])]), @r"
        BOOT           TENANT  BEGAN                        ENDED                        RESULT   GATES  FAILED      DETAIL
        boot_0a1b2c3d  acme    2026-11-20T10:00:00.000000Z  2026-11-20T10:00:01.000000Z  stopped  1      chain_tail  record 4 is missing
        boot_0a1b2c3d  acme    2026-11-20T10:00:00.000000Z  2026-11-20T10:00:01.000000Z  ready    0      -           -
        ");
        assert_eq!(history(&[]), "no boot is known\n");
    }

    #[test]
    fn what_an_accepted_epoch_frees_is_named_with_what_to_do() {
        let accepted = super::accepted(&EpochAccepted {
            epoch: "epoch_1".to_owned(),
            may_be_resumed: vec!["acme".to_owned()],
        });
        insta::assert_snapshot!(accepted, @r"
        epoch_1 is known from now on
        acme: may be resumed with `kora state resume --tenant acme`
        ");
    }
}
