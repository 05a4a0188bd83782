//! In which order entries start: what they name first, registration order otherwise. Pure.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use super::{entry::EntryId, plan::EntryPlan};

/// Entries that wait for each other in a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyCycle {
    /// Each waits for the next, the last for the first.
    pub members: Vec<EntryId>,
}

impl fmt::Display for DependencyCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("daemons wait for each other in a circle: ")?;
        for member in &self.members {
            write!(f, "{member} → ")?;
        }
        let first = self.members.first().map(EntryId::to_string);
        write!(
            f,
            "{}; remove one `after` or `requires`",
            first.unwrap_or_default()
        )
    }
}

impl std::error::Error for DependencyCycle {}

/// The positions of `plans` in the order in which to start them. Names of entries that are not there are ignored. Of all that
/// could come next, the one registered first does.
///
/// # Errors
/// One circle, if there is any.
pub(super) fn start_order(plans: &[&EntryPlan]) -> Result<Vec<usize>, DependencyCycle> {
    let waits_for = edges(plans);
    let mut missing: Vec<usize> = waits_for.iter().map(BTreeSet::len).collect();
    let mut waiting_on: Vec<Vec<usize>> = vec![Vec::new(); plans.len()];
    for (entry, dependencies) in waits_for.iter().enumerate() {
        for dependency in dependencies {
            waiting_on[*dependency].push(entry);
        }
    }

    let mut ready: BTreeSet<usize> = (0..plans.len()).filter(|entry| missing[*entry] == 0).collect();
    let mut order = Vec::with_capacity(plans.len());
    while let Some(entry) = ready.pop_first() {
        order.push(entry);
        for dependent in &waiting_on[entry] {
            missing[*dependent] -= 1;
            if missing[*dependent] == 0 {
                ready.insert(*dependent);
            }
        }
    }
    match (0..plans.len()).find(|entry| missing[*entry] > 0) {
        None => Ok(order),
        Some(stuck) => Err(circle_from(stuck, plans, &waits_for, &missing)),
    }
}

fn edges(plans: &[&EntryPlan]) -> Vec<BTreeSet<usize>> {
    let positions: HashMap<&EntryId, usize> = plans
        .iter()
        .enumerate()
        .map(|(index, plan)| (&plan.id, index))
        .collect();
    let known = |id: &EntryId| positions.get(id).copied();
    plans
        .iter()
        .map(|plan| plan.dependencies().filter_map(known).collect())
        .collect()
}

/// Follows what is missing until an entry comes again: one that misses something misses an entry that also does.
fn circle_from(
    stuck: usize,
    plans: &[&EntryPlan],
    waits_for: &[BTreeSet<usize>],
    missing: &[usize],
) -> DependencyCycle {
    let mut path = vec![stuck];
    loop {
        let last = path[path.len() - 1];
        let next = waits_for[last].iter().copied().find(|entry| missing[*entry] > 0);
        let Some(next) = next else { break };
        if let Some(begin) = path.iter().position(|entry| *entry == next) {
            path.drain(..begin);
            break;
        }
        path.push(next);
    }
    DependencyCycle {
        members: path.into_iter().map(|entry| plans[entry].id.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(name: &str, after: &[&str], requires: &[&str]) -> EntryPlan {
        let ids = |names: &[&str]| names.iter().map(|name| EntryId::named_by("p", name)).collect();
        EntryPlan {
            after: ids(after),
            requires: ids(requires),
            ..EntryPlan::new(EntryId::new("p", name))
        }
    }

    fn ordered(plans: &[EntryPlan]) -> Result<String, String> {
        let order = start_order(&plans.iter().collect::<Vec<_>>()).map_err(|cycle| cycle.to_string())?;
        Ok(order
            .iter()
            .map(|index| plans[*index].id.name())
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn without_dependencies_registration_order_stands() {
        let plans = ["c", "a", "b"].map(|name| plan(name, &[], &[]));
        assert_eq!(ordered(&plans).unwrap(), "c a b");
    }

    #[test]
    fn an_entry_comes_after_what_it_names_and_what_is_absent_is_ignored() {
        let plans = [
            plan("a", &["c", "absent"], &[]),
            plan("b", &[], &["a"]),
            plan("c", &[], &[]),
        ];
        assert_eq!(ordered(&plans).unwrap(), "c a b");
    }

    #[test]
    fn a_circle_is_printed_and_nothing_beside_it() {
        let plans = [
            plan("outside", &[], &["a"]),
            plan("a", &["b"], &[]),
            plan("b", &[], &["c"]),
            plan("c", &["a"], &[]),
        ];
        let expected = "daemons wait for each other in a circle: p/a → p/b → p/c → p/a; \
                        remove one `after` or `requires`";
        assert_eq!(ordered(&plans).unwrap_err(), expected);
    }

    #[test]
    fn an_entry_that_waits_for_itself_is_a_circle() {
        let error = ordered(&[plan("a", &["a"], &[])]).unwrap_err();
        assert!(error.contains("p/a → p/a"), "{error}");
    }

    /// Any graph; edges may point anywhere, so there may be circles.
    fn plans() -> impl Strategy<Value = Vec<EntryPlan>> {
        let edge = (0..12_usize, 0..12_usize, any::<bool>());
        (1..12_usize, prop::collection::vec(edge, 0..24)).prop_map(|(count, edges)| {
            let mut plans: Vec<_> = (0..count).map(|n| plan(&n.to_string(), &[], &[])).collect();
            for (from, to, hard) in edges.into_iter().filter(|(from, ..)| *from < count) {
                let id = EntryId::new("p", &to.to_string());
                let list = if hard {
                    &mut plans[from].requires
                } else {
                    &mut plans[from].after
                };
                list.push(id);
            }
            plans
        })
    }

    proptest! {
        #[test]
        fn every_dependency_is_respected_or_a_true_circle_is_named(plans in plans()) {
            let borrowed: Vec<_> = plans.iter().collect();
            let named = |from: &EntryId, to: &EntryId| {
                plans.iter().any(|plan| plan.id == *from && plan.dependencies().any(|other| other == to))
            };
            match start_order(&borrowed) {
                Ok(order) => {
                    let ids: Vec<_> = order.iter().map(|index| &plans[*index].id).collect();
                    prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), plans.len());
                    for (place, id) in ids.iter().enumerate() {
                        for later in &ids[place..] {
                            prop_assert!(!named(id, later), "{} starts before {}", id, later);
                        }
                    }
                }
                Err(cycle) => {
                    let members = &cycle.members;
                    for (index, member) in members.iter().enumerate() {
                        prop_assert!(named(member, &members[(index + 1) % members.len()]));
                    }
                }
            }
        }
    }
}
