//! What is kept of plugins and files, and which edges are told, over real files of which nothing runs.

use std::{fs, path::Path, sync::Mutex};

use super::*;
use crate::plugin::{Gate, Platform, Policy, fixture, no_host::NoHost};

#[derive(Default)]
struct Heard(Mutex<Vec<PluginChange>>);

impl Heard {
    fn states(&self) -> Vec<PluginState> {
        self.0.lock().unwrap().iter().map(|change| change.to).collect()
    }
}

impl PluginObserver for Heard {
    fn plugin_changed(&self, change: PluginChange) {
        self.0.lock().unwrap().push(change);
    }
}

struct Fixture {
    home: tempfile::TempDir,
    registry: Arc<Registry>,
    heard: Arc<Heard>,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("plugins")).unwrap();
        let heard = Arc::new(Heard::default());
        let port = Arc::new(NoHost::default());
        let registry = Arc::new(Registry::new(port, heard.clone(), TaskTracker::new()));
        Self {
            home,
            registry,
            heard,
        }
    }

    fn drop_file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join("plugins").join(name);
        fixture::write(&path, bytes);
        path
    }

    async fn discover(&self, paths: &[&Path]) {
        let gate = Gate::new(
            self.home.path().join("plugins"),
            self.home.path().join("cache"),
            Policy::new(None, &[]).unwrap(),
            Platform::current(),
        );
        let found = paths.iter().map(|path| path.to_path_buf()).collect();
        assert!(self.registry.discover(found, Arc::new(gate)).await.is_empty());
    }

    /// A plugin that is in this state, without code.
    fn put(&self, name: &str, state: PluginState) -> PluginName {
        let name: PluginName = name.parse().unwrap();
        let report = PluginReport {
            path: format!("lib{name}.so").into(),
            state,
            cause: None,
            note: None,
            admitted: None,
            instance: None,
        };
        let record = Record {
            report,
            hub: None,
            waiting: None,
        };
        self.registry.write().insert(name.clone(), record);
        name
    }
}

fn library(version: &str) -> Vec<u8> {
    fixture::library(&fixture::manifest("echo", version, ""))
}

#[tokio::test]
async fn a_file_that_is_refused_again_for_the_same_reason_is_no_news() {
    let fixture = Fixture::new();
    let path = fixture.drop_file("libecho.so", b"not a library");
    for _ in 0..3 {
        fixture.discover(&[&path]).await;
    }
    assert_eq!(fixture.heard.states(), [PluginState::Refused]);
    fixture.drop_file("libecho.so", &library("0.1.0")[..1000]);
    fixture.discover(&[&path]).await;
    assert_eq!(fixture.heard.states().len(), 2, "another reason is one");
}

#[tokio::test]
async fn a_library_that_cannot_be_loaded_takes_its_edges_once_for_each_build() {
    use PluginState::{Discovered, Refused, Verified};
    let fixture = Fixture::new();
    let path = fixture.drop_file("libecho.so", &library("0.1.0"));
    for _ in 0..3 {
        fixture.discover(&[&path]).await;
    }
    assert_eq!(fixture.heard.states(), [Discovered, Verified, Refused]);
    let report = fixture.registry.report("echo").unwrap();
    assert!(report.cause.unwrap().contains("no kora root module"));
    fixture.drop_file("libecho.so", &library("0.2.0"));
    fixture.discover(&[&path]).await;
    assert_eq!(fixture.heard.states().len(), 6);
}

#[tokio::test]
async fn a_refused_plugin_whose_file_is_gone_is_forgotten() {
    let fixture = Fixture::new();
    let refused = fixture.drop_file("libecho.so", &library("0.1.0"));
    let broken = fixture.drop_file("libbroken.so", b"not a library");
    fixture.discover(&[&refused, &broken]).await;
    assert_eq!(fixture.registry.reports().len(), 2);
    fixture.registry.gone(&[refused, broken]);
    assert!(fixture.registry.reports().is_empty());
}

#[tokio::test]
async fn a_refused_file_stays_in_sight_when_another_of_that_name_comes() {
    let fixture = Fixture::new();
    let old = fixture.drop_file("libecho.so", &library("0.1.0"));
    fixture.discover(&[&old]).await;
    let new = fixture.drop_file("libecho-next.so", &library("0.2.0"));
    fixture.discover(&[&new]).await;
    let paths: Vec<_> = fixture
        .registry
        .reports()
        .into_iter()
        .map(|report| report.path)
        .collect();
    assert_eq!(paths, [new, old]);
}

#[test]
fn edges_are_heard_in_the_order_in_which_they_were_taken() {
    let fixture = Fixture::new();
    let name = fixture.put("echo", PluginState::Running);
    std::thread::scope(|scope| {
        for to in [PluginState::Running, PluginState::Degraded] {
            let (registry, name) = (&fixture.registry, &name);
            scope.spawn(move || {
                for _ in 0..2000 {
                    registry.set_state(name, to, None);
                }
            });
        }
    });
    let heard = fixture.heard.0.lock().unwrap();
    let mut before = PluginState::Running;
    for change in heard.iter() {
        assert_eq!(change.from, Some(before));
        before = change.to;
    }
}

#[test]
fn a_wedged_plugin_takes_no_other_edge_and_nobody_hears_of_the_attempt() {
    let fixture = Fixture::new();
    let name = fixture.put("echo", PluginState::Registered);
    let wedged = |cause: &str| {
        fixture
            .registry
            .set_state(&name, PluginState::Wedged, Some(cause.to_owned()))
    };
    assert!(wedged("found first"));
    assert!(wedged("found again"));
    assert_eq!(
        fixture.registry.report("echo").unwrap().cause.unwrap(),
        "found first"
    );
    for to in [PluginState::Starting, PluginState::Stopping, PluginState::Stopped] {
        assert!(!fixture.registry.set_state(&name, to, None), "{to}");
    }
    assert_eq!(fixture.heard.states(), [PluginState::Wedged]);
}
