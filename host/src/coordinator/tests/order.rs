//! The order as daemons see it: whatever they name, they start after it and stop before it.

use proptest::prelude::*;

use super::*;

/// For each entry, the earlier entries that it names; then all of them in an arbitrary order of registration.
fn graphs() -> impl Strategy<Value = (Vec<Vec<(usize, bool)>>, Vec<usize>)> {
    (1..10_usize).prop_flat_map(|count| {
        let names = |entry: usize| prop::collection::vec((0..entry.max(1), any::<bool>()), 0..3);
        let edges: Vec<_> = (0..count).map(names).collect();
        let registration = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
        (edges, registration)
    })
}

fn entries(stage: &Stage, edges: &[Vec<(usize, bool)>], registration: &[usize]) -> Vec<Scripted> {
    let named = |entry: usize, hard: bool| -> Vec<EntryId> {
        let edges = edges[entry]
            .iter()
            .filter(|(other, is_hard)| *is_hard == hard && *other != entry);
        edges
            .map(|(other, _)| EntryId::named_by("p", &other.to_string()))
            .collect()
    };
    let entry = |entry: &usize| {
        stage.entry(&entry.to_string()).plan(|plan| {
            plan.after = named(*entry, false);
            plan.requires = named(*entry, true);
        })
    };
    registration.iter().map(entry).collect()
}

fn of_hook(calls: &[String], hook: &str) -> Vec<String> {
    calls
        .iter()
        .filter_map(|call| call.strip_suffix(hook))
        .map(str::to_owned)
        .collect()
}

proptest! {
    #[test]
    fn every_entry_starts_after_what_it_names_and_all_stop_in_the_exact_reverse(
        (edges, registration) in graphs(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let calls = runtime.block_on(async {
            let stage = Stage::set();
            let host = stage.host();
            host.boot(entries(&stage, &edges, &registration)).await;
            host.end().await;
            stage.calls()
        });
        let started = of_hook(&calls, " startup");
        let mut stopped = of_hook(&calls, " shutdown");
        stopped.reverse();
        prop_assert_eq!(started.len(), edges.len());
        prop_assert_eq!(&started, &stopped);
        let place = |entry: usize| started.iter().position(|name| *name == format!("p/{entry}")).unwrap();
        for (entry, named) in edges.iter().enumerate() {
            for (other, _) in named.iter().filter(|(other, _)| *other != entry) {
                prop_assert!(place(*other) < place(entry), "{} before {} in {:?}", entry, other, started);
            }
        }
    }
}
