//! The command itself: help, answers as JSON, errors with hints, exit codes, and what works without a daemon.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::{Value, json};

use crate::harness::{TestHome, eventually, finish, library, package_of};

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let after = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = after.lines().take_while(|line| !line.is_empty());
    // What goes on in a second line is indented more.
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_help_text_that_says_what_it_is_for() {
    let home = TestHome::missing();
    let mut waiting: Vec<Vec<String>> = vec![vec![]];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = home.kora(&arguments).ok();
        assert!(
            help.stderr.is_empty() && help.stdout.contains("Usage: kora"),
            "{help:?}"
        );
        let first = help.stdout.lines().next().unwrap();
        assert!(
            first.len() > 10 && !first.starts_with("Usage"),
            "{command:?} begins with: {first}"
        );
        waiting.extend(
            listed(&help.stdout)
                .into_iter()
                .map(|name| [command.clone(), vec![name]].concat()),
        );
        seen += 1;
    }
    assert!(seen > 30, "only {seen} commands were found");
    let root = home.kora(&["--help"]).stdout;
    for word in ["Exit codes:", "KORA_HOME", "--json"] {
        assert!(root.contains(word), "{word}");
    }
}

#[test]
fn each_shell_is_given_a_script_that_completes_the_commands() {
    let home = TestHome::missing();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.kora(&["completions", shell]).ok().stdout;
        assert!(
            script.contains("identity") && script.contains("rollback"),
            "{shell}"
        );
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_answered_on_standard_error_with_2() {
    let home = TestHome::missing();
    for arguments in [
        &["frobnicate"][..],
        &["identity", "swap", "acme"],
        &["plugins", "list", "--frob"],
        &[],
    ] {
        let answer = home.kora(arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{answer:?}");
        assert!(answer.stderr.contains("Usage: kora"), "{answer:?}");
    }
    let slip = home.kora(&["plugin", "list"]).stderr;
    assert!(slip.contains("'plugins'"), "{slip}");
}

#[test]
fn every_answer_is_json_where_json_is_asked_for() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let package = package_of(&library("echo"), &home.beside("out"));
    let package = package.to_str().unwrap();
    let host = home.start();
    let commands: &[&[&str]] = &[
        &["status"],
        &["doctor"],
        &["version"],
        &["plugins", "list"],
        &["plugins", "inspect", package],
        &["plugins", "install", package],
        &["plugins", "disable", "echo"],
        &["plugins", "enable", "echo"],
        &["plugins", "restart", "kora"],
        &["tenants", "list"],
        &["tenants", "add", "initech", "--identity", "echo"],
        &["tenants", "disable", "initech"],
        &["tenants", "enable", "initech"],
        &["identity", "list"],
        &["identity", "show", "acme"],
        &["identity", "swap", "acme", "marvin"],
        &["identity", "rollback", "acme"],
        &["identity", "why", "acme"],
        &["state", "show", "--tenant", "acme"],
        &["state", "pause", "--tenant", "acme"],
        &["state", "resume", "--tenant", "acme"],
        &["events", "tail", "--tenant", "acme"],
        &["events", "verify"],
        &["config", "check"],
        &["config", "show"],
        &["config", "reload"],
        &["boot", "--check-only"],
        &["init"],
    ];
    for command in commands {
        let answer = home.kora(&[command, &["--json"][..]].concat());
        assert_eq!(answer.code, 0, "{command:?}: {answer:?}");
        assert!(
            answer.parsed().is_object() || answer.parsed().is_array(),
            "{command:?}"
        );
        assert_eq!(answer.stderr, "", "{command:?}");
        let human = home.kora(command);
        assert!(
            !human.stdout.is_empty() || !human.stderr.is_empty(),
            "{command:?}"
        );
    }
    let export = home.kora(&["events", "export", "--json"]).ok();
    assert!(
        export
            .stdout
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert_eq!(host.stop(), 0);
}

#[test]
fn without_a_daemon_a_command_ends_with_2_and_says_how_to_start_one() {
    let home = TestHome::with_config("");
    for command in [
        &["status"][..],
        &["plugins", "list"],
        &["identity", "why", "acme"],
        &["state", "pause"],
        &["config", "reload"],
    ] {
        let answer = home.kora(command);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{command:?}");
        let (error, hints) = answer.stderr.split_once("\n\n").unwrap();
        assert!(
            error.starts_with("error: ") && error.lines().count() == 1,
            "{answer:?}"
        );
        assert!(
            hints.contains("hint: ") && hints.contains("kora daemon"),
            "{answer:?}"
        );
    }
}

#[test]
fn a_home_that_is_none_yet_is_named_with_what_makes_one() {
    let home = TestHome::missing();
    let answer = home.kora(&["status"]);
    assert_eq!(answer.code, 2);
    assert!(
        answer
            .stderr
            .contains("is no home: it has no `kora.toml`; `kora init --home"),
        "{answer:?}"
    );
    assert_eq!(home.problem(&["status"])["code"], "daemon.not_running");
}

#[test]
fn the_home_is_named_by_flag_before_the_environment() {
    let (home, other) = (
        TestHome::with_config(""),
        TestHome::with_config("[tenants.other]\n"),
    );
    let host = other.start();
    let path = other.path();
    let named = home.json(&["--home", path.to_str().unwrap(), "status"]);
    assert_eq!(named["home"], path.to_str().unwrap());
    assert_eq!(
        home.problem(&["status"])["code"],
        "daemon.not_running",
        "the other host is not this home's"
    );
    let mut command = home.command(&["status"]);
    let homeless = finish({
        command.env_remove("KORA_HOME").env("HOME", home.beside("user"));
        command
    });
    assert!(homeless.stderr.contains("user/.kora"), "{homeless:?}");
    assert_eq!(host.stop(), 0);
}

/// Nothing of a host is the process's or the machine's: two of them on one machine have nothing in common.
#[test]
fn two_hosts_in_two_homes_share_nothing() {
    let homes = [
        TestHome::with_config("[tenants.acme]\n"),
        TestHome::with_config("[tenants.acme]\n"),
    ];
    for home in &homes {
        fs::write(home.path().join("acme.md"), "You are patient.").unwrap();
        home.configure("[tenants.acme]\nfallback_prompt = \"acme.md\"\n");
    }
    let (one, other) = (homes[0].start(), homes[1].start());
    one.json(&["state", "pause"]);
    assert_eq!(other.json(&["state", "show"])["primary_state"], "ready");
    other.json(&["tenants", "add", "globex"]);
    assert_eq!(one.json(&["tenants", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(one.stop(), 0);
    assert_eq!(other.json(&["status"])["state"], "running");
}

#[test]
fn a_home_is_made_whole_and_runs_and_making_it_again_changes_nothing() {
    let home = TestHome::missing();
    let made = home.json(&["init"]);
    assert_eq!(made["operator_token"].as_str().unwrap().len(), 51);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.path()), mode(&home.plugins())), (0o700, 0o700));
    assert_eq!(mode(&home.path().join("callers.toml")), 0o600);
    let again = home.json(&["init"]);
    assert_eq!(
        (&again["made"], &again["operator_token"]),
        (&json!([]), &Value::Null)
    );
    assert_eq!(home.json(&["config", "check"])["valid"], true);
    assert!(
        levels(&home).iter().all(|level| level != "fail"),
        "{:?}",
        home.kora(&["doctor"])
    );

    home.install(&["marvin"]);
    let host = home.start();
    let added = host.json(&["tenants", "add", "acme", "--identity", "marvin"]);
    assert_eq!(
        (&added["agent_name"], &added["origin"]),
        (&json!("Marvin"), &json!("command"))
    );
    assert_eq!(host.stop(), 0);
    let host = home.start();
    assert_eq!(
        host.json(&["state", "show"])["primary_state"],
        "ready",
        "a tenant that was added is kept"
    );
}

fn levels(home: &TestHome) -> Vec<Value> {
    let findings = home.kora(&["doctor", "--json"]).parsed();
    findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["level"].clone())
        .collect()
}

#[test]
fn a_tenants_name_is_checked_and_unique_without_regard_to_case() {
    let home = TestHome::with_config("");
    let host = home.start();
    host.json(&["tenants", "add", "Acme"]);
    for (id, code) in [
        ("acme", "tenant.exists"),
        ("../etc", "tenant.id"),
        ("host", "tenant.id"),
        ("", "tenant.id"),
    ] {
        let problem = host.problem(&["tenants", "add", id]);
        assert_eq!(problem["code"], code, "{id}: {problem}");
    }
}

#[test]
fn where_there_are_several_tenants_one_has_to_be_named() {
    let home = TestHome::with_config("[tenants.acme]\n[tenants.globex]\n");
    let host = home.start();
    let problem = host.problem(&["state", "show"]);
    let text = problem.to_string();
    assert!(text.contains("acme") && text.contains("globex"), "{text}");
    assert_eq!(
        host.problem(&["state", "show", "--tenant", "zaphod"])["code"],
        "tenant.unknown"
    );
}

const SEVERAL_FAULTS: &str = r#"
[log]
level = "loud"
[coordinator]
startup_timeout_seconds = 0
startup_timout_seconds = 3
[tenants.acme]
identity = "Not A Name"
[tenants.ACME]
[events]
types = ["kora.boot.ready", "nope"]
"#;

#[test]
fn everything_that_is_wrong_with_a_configuration_is_said_at_once() {
    let home = TestHome::with_config(SEVERAL_FAULTS);
    let answer = home.kora(&["config", "check"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(answer.stderr.replace(home.path().to_str().unwrap(), "<home>"), @r#"
    error: <home>/kora.toml:3:9: `log.level`: expected `off`, `error`, `warn`, `info`, `debug`, `trace`; found the text `loud`
     3 | level = "loud"
       |         ^^^^^^

    <home>/kora.toml:5:27: `coordinator.startup_timeout_seconds`: expected a whole number of seconds from 1 to 86400; found the number 0
     5 | startup_timeout_seconds = 0
       |                           ^

    <home>/kora.toml:6:1: unknown key `coordinator.startup_timout_seconds`: expected `honour_fatal`, `startup_timeout_seconds`, `tick_timeout_seconds`, `shutdown_timeout_seconds`
     6 | startup_timout_seconds = 3
       | ^^^^^^^^^^^^^^^^^^^^^^
    hint: did you mean `startup_timeout_seconds`?

    <home>/kora.toml:7:10: the tenants `ACME` and `acme` differ only in case: expected one of them
     7 | [tenants.acme]
       |          ^^^^

    <home>/kora.toml:8:12: `tenants.acme.identity`: identity provider `Not A Name` is not valid: expected `plugin/provider`, or the provider's name alone
     8 | identity = "Not A Name"
       |            ^^^^^^^^^^^^

    <home>/kora.toml:11:10: `events.types`: the event type `kora.boot.ready` is not an operator's: the first word `kora` is reserved
     11 | types = ["kora.boot.ready", "nope"]
        |          ^^^^^^^^^^^^^^^^^
    hint: begin it with a word of your own, such as `ops`

    <home>/kora.toml:11:29: `events.types`: event type `nope` is not valid: expected at least two words of lower-case letters, digits and `_`, joined by dots, such as `kora.boot.ready`
     11 | types = ["kora.boot.ready", "nope"]
        |                             ^^^^^^

    7 problems in the configuration; nothing of it was applied
    "#);
    let found = home.kora(&["config", "check", "--json"]);
    assert_eq!(found.code, 1);
    assert!(
        found.parsed()["problems"].as_array().unwrap().len() > 4,
        "{found:?}"
    );
    let daemon = home.kora(&["daemon"]);
    assert_eq!(daemon.code, 2, "a host does not start with it: {daemon:?}");
    assert!(
        daemon.stderr.contains("loud") && daemon.stderr.contains("ACME"),
        "{daemon:?}"
    );
}

#[test]
fn a_reload_applies_what_it_can_says_what_needs_a_restart_and_takes_nothing_that_is_wrong() {
    let home = TestHome::with_config("[log]\nlevel = \"info\"\n");
    let host = home.start();
    home.configure("[coordinator]\nstartup_timeout_seconds = 7\n[log.plugins]\nkora = \"trace\"\n[events]\ntypes = [\"acme.opened\"]\n");
    let reloaded = host.json(&["config", "reload"]);
    assert_eq!(reloaded["applied"], json!(["events.types", "log.plugins.kora"]));
    assert_eq!(
        reloaded["needs_restart"],
        json!(["coordinator.startup_timeout_seconds"])
    );
    eventually("the host's chain tells of the reload", || {
        (host.payloads("host", "host.config.reloaded").len() == 1).then_some(())
    });

    home.configure(SEVERAL_FAULTS);
    let problem = host.problem(&["config", "reload"]);
    assert_eq!(problem["code"], "config.invalid");
    host.signal("HUP");
    host.wait_for_log(&["ERROR", "the configuration was not read again"]);
    let shown = host.json(&["config", "show"]);
    let types = shown
        .as_array()
        .unwrap()
        .iter()
        .find(|value| value["key"] == "events.types")
        .unwrap();
    assert_eq!(types["value"], "[\"acme.opened\"]", "{types}");

    home.configure("[events]\ntypes = []\n");
    host.signal("HUP");
    host.wait_for_log(&["configuration read again", "events.types", "needs_restart"]);
}

#[test]
fn a_plugin_is_inspected_and_installed_without_a_daemon() {
    let home = TestHome::with_config("[tenants.acme]\nidentity = \"echo\"\n");
    let package = package_of(&library("echo"), &home.beside("out"));
    let shown = home.json(&["plugins", "inspect", package.to_str().unwrap()]);
    assert_eq!(
        (&shown["name"], &shown["state"], &shown["form"]),
        (&json!("echo"), &json!("verified"), &json!("package"))
    );
    assert_eq!(shown["permissions"], json!(["events", "state", "kv"]));
    let notes = home.beside("notes.so");
    fs::write(&notes, "notes").unwrap();
    let refused = home.kora(&["plugins", "inspect", notes.to_str().unwrap(), "--json"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.parsed()["cause"]
            .as_str()
            .unwrap()
            .starts_with("not an ELF file"),
        "{refused:?}"
    );
    assert_eq!(
        home.problem(&["plugins", "install", notes.to_str().unwrap()])["code"],
        "plugin.not_elf"
    );
    assert_eq!(fs::read_dir(home.plugins()).unwrap().count(), 0);

    let installed = home.json(&["plugins", "install", package.to_str().unwrap()]);
    assert_eq!(
        (&installed["daemon"], &installed["replaced"]),
        (&json!(false), &json!(false))
    );
    let again = home.json(&["plugins", "install", package.to_str().unwrap()]);
    assert_eq!(again["replaced"], true);
    home.json(&["plugins", "disable", "echo"]);
    let text = fs::read_to_string(home.path().join("kora.toml")).unwrap();
    assert!(text.contains("enabled = false"), "{text}");
    home.json(&["plugins", "enable", "echo"]);
    let host = home.start();
    host.wait_for_plugin("echo", "running");
    assert_eq!(host.json(&["identity", "show", "acme"])["agent_name"], "Echo");
}

#[test]
fn a_plugin_that_is_installed_while_the_host_runs_is_told_to_run() {
    let home = TestHome::new();
    home.install(&["kora", "marvin"]);
    let host = home.start();
    let package = package_of(&library("echo"), &home.beside("out"));
    let installed = host.json(&["plugins", "install", package.to_str().unwrap()]);
    assert_eq!(
        (&installed["daemon"], &installed["plugin"]["state"]),
        (&json!(true), &json!("running")),
        "{installed}"
    );
    assert_eq!(
        host.json(&["identity", "swap", "acme", "echo"])["agent_name"],
        "Echo"
    );
}

#[test]
fn doctor_names_what_is_wrong_and_what_to_do() {
    let home = TestHome::with_config(
        "[tenants.acme]\nidentity = \"zaphod\"\n[plugins.kora.secrets]\ntoken = \"env:KORA_NO_SUCH_VARIABLE\"\n",
    );
    home.install(&["kora"]);
    home.drop_file("libnotes.so", b"notes");
    let answer = home.kora(&["doctor", "--json"]);
    assert_eq!(answer.code, 1);
    let findings = answer.parsed();
    let failed: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] != "ok")
        .map(|finding| {
            assert!(finding["hint"].is_string(), "{finding}");
            format!(
                "{}: {}",
                finding["check"].as_str().unwrap(),
                finding["message"].as_str().unwrap()
            )
        })
        .collect();
    for expected in ["libnotes.so", "acme", "zaphod"] {
        assert!(
            failed.iter().any(|finding| finding.contains(expected)),
            "{expected}: {failed:?}"
        );
    }
    let human = home.kora(&["doctor"]);
    assert!(human.stdout.contains("libnotes.so"), "{human:?}");
}

#[test]
fn a_boot_is_checked_without_changing_anything() {
    let home = TestHome::with_config("[tenants.acme]\nidentity = \"marvin\"\n");
    let failed = home.kora(&["boot", "--check-only", "--json"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert_eq!(failed.parsed()["outcome"], "invariant_failed");
    home.install(&["echo"]);
    let failed = home.kora(&["boot", "--check-only"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    for part in [
        "tenant `acme` has no identity: no identity provider is called `marvin`; no fallback prompt is configured",
        "the identity providers there are (`echo/echo`)",
        "`[tenants.acme]`",
    ] {
        assert!(failed.stdout.contains(part), "{part}: {failed:?}");
    }
    home.install(&["marvin"]);
    let passed = home.json(&["boot", "--check-only"]);
    assert_eq!(passed["outcome"], "passed", "{passed}");
    assert!(
        !home.database().exists() && !home.path().join("cache").exists(),
        "nothing was made"
    );
}

/// What another machine has: the command and a package, nothing of this repository.
#[test]
fn the_command_and_a_package_are_all_that_another_machine_needs() {
    let home = TestHome::missing();
    let package = package_of(&library("marvin"), &home.beside("download"));
    let executable = home.beside("kora");
    fs::copy(env!("CARGO_BIN_EXE_kora-under-test"), &executable).unwrap();
    let elsewhere = home.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let kora = |arguments: &[&str]| {
        let mut command = Command::new(&executable);
        command
            .env_clear()
            .env("HOME", home.beside("user"))
            .env("KORA_HTTP_LISTEN", "127.0.0.1:0")
            .env("KORA_WEBHOOKS_LISTEN", "127.0.0.1:0")
            .current_dir(&elsewhere)
            .args(arguments);
        command
    };
    fs::create_dir(home.beside("user")).unwrap();
    finish(kora(&["init"])).ok();
    finish(kora(&["plugins", "install", package.to_str().unwrap()])).ok();
    let mut daemon = kora(&["daemon"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    crate::harness::eventually("it runs", || {
        let status = finish(kora(&["status", "--json"]));
        (status.code == 0 && status.parsed()["state"] == "running").then_some(())
    });
    let added = finish(kora(&[
        "tenants",
        "add",
        "acme",
        "--identity",
        "marvin",
        "--json",
    ]))
    .json();
    assert_eq!(
        (&added["agent_name"], &added["primary_state"]),
        (&json!("Marvin"), &json!("ready"))
    );
    assert_eq!(
        finish(kora(&["identity", "why", "acme", "--json"])).json()["proved"],
        true
    );
    Command::new("kill")
        .arg(daemon.id().to_string())
        .status()
        .unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    assert_eq!(
        finish(kora(&["events", "verify", "--json"])).json()["status"],
        "sound"
    );
}
