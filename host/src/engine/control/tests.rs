//! What commands promise, against a model that is too simple to be wrong.

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Actor, ClaimPermission, OperationalState, TenantId, Timestamp},
    engine::transition::apply,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn command(level: Level, sequence: u64, created: i64) -> Command {
    command_on("acme".parse().unwrap(), level, sequence, created)
}

fn command_on(tenant: TenantId, level: Level, sequence: u64, created: i64) -> Command {
    Command {
        tenant,
        lifecycle: Lifecycle::Created,
        record: CommandRecord {
            command_id: Uuid::from_u128(u128::from(sequence)),
            sequence,
            level,
            reason: "because".to_owned(),
            issuer: Actor::host(),
            session: "this run".to_owned(),
            expires_at: None,
            reached: [(Lifecycle::Created, at(created))].into(),
            escalated_from: None,
            superseded_by: None,
            failure: None,
        },
    }
}

#[test]
fn each_level_has_its_kind_its_action_and_blocks_what_it_should() {
    let table: Vec<_> = Level::ALL
        .iter()
        .map(|level| {
            format!(
                "{level} {} {} claims={} tools={} sla={:?}",
                level.kind(),
                level.action(),
                level.blocks_claims(),
                level.blocks_tool_calls(),
                Slas::default().of(*level).map(|sla| sla.as_secs()),
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    L0 reset reset_clear_lower claims=false tools=false sla=None
    L1 pause block_new_intake claims=true tools=false sla=Some(120)
    L2 drain drain_current_finish claims=true tools=true sla=Some(180)
    L3 abort abort_release_claim claims=true tools=true sla=Some(90)
    L4 kill external_kill claims=true tools=true sla=Some(90)
    L5 kill external_kill claims=true tools=true sla=Some(90)
    ");
}

#[test]
fn a_level_is_its_number_and_there_are_no_others() {
    for level in Level::ALL {
        let text = serde_json::to_string(&level).unwrap();
        assert_eq!(serde_json::from_str::<Level>(&text).unwrap(), level);
    }
    for odd in ["6", "255", "-1", "2.5", "\"L2\"", "null"] {
        assert!(serde_json::from_str::<Level>(odd).is_err(), "{odd}");
    }
}

#[test]
fn the_steps_of_a_command_are_these_and_no_others() {
    let steps: Vec<_> = Lifecycle::ALL
        .iter()
        .map(|from| {
            let next = Lifecycle::ALL.iter().filter(|to| from.may_become(**to));
            let next: Vec<_> = next.map(|to| to.as_str()).collect();
            format!("{from}: [{}]", next.join(" "))
        })
        .collect();
    insta::assert_snapshot!(steps.join("\n"), @r"
    created: [visible_to_runtime failed escalated superseded expired]
    visible_to_runtime: [acknowledged failed escalated superseded expired]
    acknowledged: [enforcing failed escalated superseded expired]
    enforcing: [enforced failed escalated superseded expired]
    enforced: [superseded expired]
    failed: [superseded expired]
    escalated: [superseded expired]
    superseded: []
    expired: []
    ");
}

#[test]
fn a_command_remembers_when_it_came_to_each_point() {
    let taken = command(Level::L2, 1, 0).taken_up(at(1)).unwrap();
    let enforced = taken.advanced(Lifecycle::Enforced, at(2)).unwrap();
    let reached: Vec<_> = enforced
        .record
        .reached
        .iter()
        .map(|(point, time)| (point.as_str(), time.as_micros() / 1_000_000))
        .collect();
    assert_eq!(
        reached,
        [
            ("created", 0),
            ("visible_to_runtime", 1),
            ("acknowledged", 1),
            ("enforcing", 1),
            ("enforced", 2)
        ]
    );
    assert!(enforced.taken_up(at(3)).is_err());
}

#[test]
fn an_order_to_exit_holds_until_the_exit_and_one_on_a_tenant_for_longer() {
    let enforced = |tenant: TenantId| {
        let taken = command_on(tenant, Level::L4, 1, 0).taken_up(at(1)).unwrap();
        (
            taken.is_in_force(at(2)),
            taken
                .advanced(Lifecycle::Enforced, at(2))
                .unwrap()
                .is_in_force(at(3)),
        )
    };
    assert_eq!(enforced(TenantId::host()), (true, false));
    assert_eq!(enforced("acme".parse().unwrap()), (true, true));
}

#[test]
fn what_a_level_asks_of_a_state_is_in_the_table_from_every_state_but_stopped() {
    for level in [Level::L1, Level::L2, Level::L3, Level::L4, Level::L5] {
        for primary_state in PrimaryState::ALL {
            let state = OperationalState {
                primary_state: *primary_state,
                claim_permission: ClaimPermission::Normal,
                ..OperationalState::booting()
            };
            let request = level.request(&"x".repeat(REASON_MAX_CHARS)).unwrap();
            let after = apply(&state, &request);
            assert_eq!(
                after.is_ok(),
                *primary_state != PrimaryState::Stopped,
                "{level} {primary_state}: {after:?}"
            );
        }
    }
    assert_eq!(Level::L0.request("because"), None);
}

#[test]
fn a_late_command_is_raised_one_level_and_to_l4_at_most() {
    let slas = Slas::default();
    let raised: Vec<_> = Level::ALL
        .iter()
        .map(|level| {
            let begun = |lifecycle| Command {
                lifecycle,
                ..command(*level, 1, 0)
            };
            assert_eq!(late(&begun(Lifecycle::Enforced), at(1_000), &slas), None);
            let due = slas
                .of(*level)
                .map_or(0, |sla| i64::try_from(sla.as_secs()).unwrap());
            assert_eq!(late(&begun(Lifecycle::Enforcing), at(due - 1), &slas), None);
            late(&begun(Lifecycle::Enforcing), at(due), &slas)
        })
        .collect();
    assert_eq!(
        raised,
        [
            None,
            Some(Late::Raise(Level::L2)),
            Some(Late::Raise(Level::L3)),
            Some(Late::Raise(Level::L4)),
            Some(Late::Fail),
            Some(Late::Fail)
        ]
    );
}

#[test]
fn slas_can_be_others_than_those_by_default() {
    let slas = Slas {
        drain: Duration::from_secs(1),
        ..Slas::default()
    };
    assert!(late(&command(Level::L2, 1, 0), at(1), &slas).is_some());
}

/// What may happen to the commands of a tenant.
#[derive(Debug, Clone)]
enum Happening {
    Issued { level: Level, lasts: Option<i64> },
    Reset,
    Steps { which: usize, to: Lifecycle },
    Passes { seconds: i64 },
}

fn happening() -> impl Strategy<Value = Happening> {
    let level = prop::sample::select(&Level::ALL[1..]);
    let to = prop::sample::select(Lifecycle::ALL.to_vec());
    prop_oneof![
        (level, prop::option::of(0..50_i64)).prop_map(|(level, lasts)| Happening::Issued { level, lasts }),
        Just(Happening::Reset),
        (0..20_usize, to).prop_map(|(which, to)| Happening::Steps { which, to }),
        (0..30_i64).prop_map(|seconds| Happening::Passes { seconds }),
    ]
}

/// The model: level, sequence, when it ends. A reset empties the list; nothing else takes anything out of it.
#[derive(Debug, Default)]
struct Model(Vec<(Level, u64, Option<i64>)>);

impl Model {
    fn highest(&self, now: i64) -> Option<(Level, u64)> {
        let mut best: Option<(Level, u64)> = None;
        for (level, sequence, ends) in &self.0 {
            let goes_further = best.is_none_or(|(highest, _)| *level > highest);
            if ends.is_none_or(|ends| ends > now) && goes_further {
                best = Some((*level, *sequence));
            }
        }
        best
    }
}

proptest! {
    /// Whatever happens to commands in whichever order, the highest that no reset cleared and whose time is not over counts, and
    /// of those the earliest; how far it has come is no matter.
    #[test]
    fn the_highest_command_in_force_counts(happenings in prop::collection::vec(happening(), 0..60)) {
        let (mut now, mut commands, mut model) = (0, Vec::<Command>::new(), Model::default());
        for happening in happenings {
            match happening {
                Happening::Issued { level, lasts } => {
                    let sequence = commands.len() as u64 + 1;
                    let mut issued = command(level, sequence, now);
                    issued.record.expires_at = lasts.map(|lasts| at(now + lasts));
                    commands.push(issued);
                    model.0.push((level, sequence, lasts.map(|lasts| now + lasts)));
                }
                Happening::Reset => {
                    for command in &mut commands {
                        if let Ok(superseded) = command.clone().advanced(Lifecycle::Superseded, at(now)) {
                            *command = superseded;
                        }
                    }
                    model.0.clear();
                }
                Happening::Steps { which, to } => {
                    let Some(command) = commands.get_mut(which) else { continue };
                    // A reset is the only one that supersedes, and only time ends a command.
                    let is_lifting = to.is_lifted() && !(to == Lifecycle::Expired && command.is_over(at(now)));
                    if !is_lifting && let Ok(stepped) = command.clone().advanced(to, at(now)) {
                        *command = stepped;
                    }
                }
                Happening::Passes { seconds } => now += seconds,
            }
            let in_force = commands.iter().filter(|command| command.is_in_force(at(now)));
            let found = highest(in_force.map(InForce::from));
            prop_assert_eq!(found.map(|found| (found.level, found.sequence)), model.highest(now));
        }
    }

    /// However a command steps, it ends, and what was lifted never holds again.
    #[test]
    fn a_command_ends_after_at_most_five_steps(steps in prop::collection::vec(prop::sample::select(Lifecycle::ALL.to_vec()), 0..60)) {
        let mut command = command(Level::L3, 1, 0);
        let mut taken = 0;
        for to in steps {
            let was_lifted = command.lifecycle.is_lifted();
            match command.clone().advanced(to, at(1)) {
                Ok(stepped) => {
                    prop_assert!(!was_lifted);
                    command = stepped;
                    taken += 1;
                }
                Err(refused) => prop_assert_eq!((refused.from, refused.to), (command.lifecycle, to)),
            }
            prop_assert_eq!(command.is_in_force(at(1)), !command.lifecycle.is_lifted());
        }
        prop_assert!(taken <= 5, "{taken}");
    }
}
