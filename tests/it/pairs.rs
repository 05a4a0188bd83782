//! Hosts and plugins of different releases: the feature `next` stands for a later one, which adds the extension `identity/2` and
//! the service `clock/2`. All four pairs run. What was released and then changed is refused, by the host and by the tests of the
//! frozen layouts.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{RunningHost, TestHome, TestRegistry, builds, library};

fn host_of_today() -> PathBuf {
    env!("CARGO_BIN_EXE_kora-under-test").into()
}

fn host_of_tomorrow() -> PathBuf {
    let name = "kora-of-tomorrow";
    let arguments = [
        "--locked",
        "--package",
        "kora-tests",
        "--bin",
        name,
        "--features",
        "next",
    ];
    builds::build(&builds::repository(), &arguments, name)
}

fn echo_of_tomorrow() -> PathBuf {
    let copy = builds::copy_of_the_sdk("echo_of_tomorrow", &[]);
    let arguments = ["--package", "kora-plugin-echo", "--features", "next"];
    builds::build(&copy, &arguments, "libecho_of_tomorrow.so")
}

/// Runs the pair: it boots, the plugin registers, its daemon works, and its identity speaks. Answers the extensions that the
/// host uses of it, and the log.
fn run(host: &Path, echo: &Path) -> (Vec<String>, String) {
    let home = TestHome::with_config(
        "[plugins.echo]\ntick_seconds = 0.1\n[tenants.acme]\nidentity = \"marvin\"\nplugins = [\"echo\"]\n",
    );
    home.install(&["marvin"]);
    home.drop_file("libecho.so", &std::fs::read(echo).unwrap());
    let host = RunningHost::spawn_of(&home, host);
    host.wait_until_running();
    let listed = host.wait_for_plugin("echo", "running");
    assert_eq!(listed["tools"], serde_json::json!(["echo__say"]));
    assert_eq!(listed["absent"], serde_json::json!([]));
    assert_eq!(
        host.json(&["identity", "swap", "acme", "echo"])["agent_name"],
        "Echo"
    );
    assert_eq!(host.json(&["identity", "why", "acme"])["proved"], true);
    crate::harness::eventually("it ticks", || {
        (host.payloads("acme", "echo.ticked").len() > 2).then_some(())
    });
    host.json(&["state", "pause"]);
    host.wait_for_log(&["heard a change of state", "plugin=\"echo\"", "paused"]);
    let log = host.log();
    assert_eq!(host.stop(), 0);
    let extensions = listed["extensions"].as_array().unwrap().iter();
    (
        extensions.map(|id| id.as_str().unwrap().to_owned()).collect(),
        log,
    )
}

const OF_TODAY: [&str; 7] = [
    "daemon/1",
    "identity/1",
    "listener/1",
    "prompt/1",
    "resource/1",
    "tool/1",
    "webhook/1",
];
const ASKED_ANEW: &str = "asked through identity/2";

#[test]
fn a_host_and_a_plugin_of_today_run() {
    let (extensions, log) = run(&host_of_today(), &library("echo"));
    assert_eq!(extensions, OF_TODAY);
    assert!(!log.contains("clock/2"), "{log}");
}

#[test]
fn a_plugin_of_today_runs_on_a_host_of_tomorrow() {
    let (extensions, log) = run(&host_of_tomorrow(), &library("echo"));
    assert_eq!(extensions, OF_TODAY);
    assert!(!log.contains("clock/2") && !log.contains(ASKED_ANEW), "{log}");
}

#[test]
fn a_plugin_of_tomorrow_runs_on_a_host_of_today() {
    let (extensions, log) = run(&host_of_today(), &echo_of_tomorrow());
    assert_eq!(extensions, OF_TODAY);
    assert!(
        log.contains("this host has no `clock/2`") && !log.contains(ASKED_ANEW),
        "{log}"
    );
}

#[test]
fn where_both_are_of_tomorrow_they_use_what_is_new() {
    let (extensions, log) = run(&host_of_tomorrow(), &echo_of_tomorrow());
    assert_eq!(
        extensions,
        [&OF_TODAY[..2], &["identity/2"], &OF_TODAY[2..]].concat()
    );
    assert!(log.contains("this host has `clock/2`"), "{log}");
    let line = log.lines().find(|line| line.contains(ASKED_ANEW)).unwrap();
    assert!(line.contains("\"generation\":2"), "{line}");
}

#[tokio::test]
async fn tools_of_plugins_of_both_releases_answer_a_host_of_today() {
    for echo in [library("echo"), echo_of_tomorrow()] {
        let test = TestRegistry::new();
        assert!(
            test.load("echo", &std::fs::read(&echo).unwrap()).await,
            "{}",
            test.cause("echo")
        );
        let said = test
            .call("echo", "echo__say", json!({"text": "hello"}))
            .await
            .unwrap();
        assert_eq!(said, json!({"content": [{"type": "text", "text": "hello"}]}));
    }
}

/// Two hooks of one type have changed places: every compiler takes it, and each would be called for the other.
const MOVED_HOOK: [builds::Edit; 2] = [
    builds::Edit {
        file: "plugin-api/abi/src/extensions.rs",
        from: "        pub startup: extern \"C\" fn(u64) -> AbiFuture<()>,\n",
        to: "",
    },
    builds::Edit {
        file: "plugin-api/abi/src/extensions.rs",
        from: "        pub shutdown: extern",
        to: "        pub startup: extern \"C\" fn(u64) -> AbiFuture<()>,\n        /// Moved.\n        pub shutdown: extern",
    },
];

/// The root's functions have changed places.
const MOVED_ROOT: [builds::Edit; 2] = [
    builds::Edit {
        file: "plugin-api/abi/src/root.rs",
        from: "    pub deinit: extern \"C\" fn(u64) -> AbiResult<()>,\n",
        to: "",
    },
    builds::Edit {
        file: "plugin-api/abi/src/root.rs",
        from: "    pub register: extern",
        to: "    pub deinit: extern \"C\" fn(u64) -> AbiResult<()>,\n    /// Moved.\n    pub register: extern",
    },
];

/// A plugin of a copy of the SDK is refused by the host, and the copy's own test of the frozen layouts fails and names the same.
/// Answers why it was refused.
fn refused(name: &str, edits: &[builds::Edit], frozen: &str) -> String {
    let copy = builds::copy_of_the_sdk(name, edits);
    let library = builds::build(
        &copy,
        &["--package", "kora-plugin-echo"],
        &format!("lib{name}.so"),
    );
    let arguments = [
        "test",
        "--quiet",
        "--package",
        "kora-plugin-abi",
        "--test",
        "frozen",
    ];
    let tested = crate::harness::finish(builds::cargo(&copy, &arguments));
    let said = tested.stdout + &tested.stderr;
    assert!(
        tested.code != 0
            && said.contains(&format!(
                "the layout of `{frozen}` differs from what was released"
            )),
        "{said}"
    );

    let home = TestHome::with_config("[tenants.globex]\nidentity = \"marvin\"\n");
    home.install(&["marvin"]);
    home.drop_file("libecho.so", &std::fs::read(library).unwrap());
    let host = home.start();
    let cause = host.wait_for_cause("echo", "refused", "");
    host.assert_that_others_go_on("globex");
    assert_eq!(host.stop(), 0);
    cause
}

#[test]
fn a_plugin_built_against_another_layout_of_an_extension_is_refused_in_one_line_that_names_it() {
    insta::assert_snapshot!(refused("moved_hook", &MOVED_HOOK, "daemon/1"), @"the extension `daemon/1` has another layout: expected field `startup`, found `tick`; build it with a plugin API that this host offers");
}

#[test]
fn a_plugin_built_against_another_root_is_refused_in_one_line() {
    insta::assert_snapshot!(refused("moved_root", &MOVED_ROOT, "root"), @"the library's root does not fit this host: unexpected field: expected `register`, found `deinit`; build it with a plugin API that this host offers");
}

/// The example of the author's guide, built as the guide says, outside of this workspace.
#[test]
fn the_example_of_the_authors_guide_builds_and_runs() {
    let home = TestHome::with_config(
        "[tenants.acme]\nidentity = \"greeter\"\n[plugins.greeter]\ngreet_every_seconds = 1\n",
    );
    let example = builds::repository().join("docs/example-plugin");
    let package =
        xtask::package::package_outside(&example, xtask::package::Profile::Dev, &home.beside("out"));
    let package = package.unwrap_or_else(|error| panic!("{error:#}"));
    let host = home.start();
    let installed = host.json(&["plugins", "install", package.to_str().unwrap()]);
    assert_eq!(installed["plugin"]["state"], "running", "{installed}");
    crate::harness::eventually("acme has an identity", || {
        (host.json(&["identity", "show", "acme"])["agent_name"] == "Greeter").then_some(())
    });
    let greeted = crate::harness::eventually("acme is greeted", || {
        host.payloads("acme", "greeter.greeted").first().cloned()
    });
    assert_eq!(greeted, serde_json::json!({"greeting": "Good day", "count": 1}));
    host.json(&["state", "pause"]);
    host.wait_for_log(&["the doorbell rang", "paused"]);
    assert_eq!(host.stop(), 0);
}
