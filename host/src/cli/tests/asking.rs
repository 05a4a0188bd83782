//! Commands that ask the daemon: which call each becomes, and how its answer comes out.

use super::*;

#[test]
fn every_command_line_becomes_the_call_that_it_names() {
    let trial = Trial::initialised();
    let daemon = trial.daemon(nothing);
    let lines = [
        ("status", r#"{"method":"status","params":{}}"#),
        ("plugins list", r#"{"method":"plugins.list","params":{}}"#),
        (
            "plugins enable marvin",
            r#"{"method":"plugins.enable","params":{"name":"marvin"}}"#,
        ),
        (
            "plugins disable marvin",
            r#"{"method":"plugins.disable","params":{"name":"marvin"}}"#,
        ),
        (
            "plugins restart marvin",
            r#"{"method":"plugins.restart","params":{"name":"marvin"}}"#,
        ),
        ("tenants list", r#"{"method":"tenants.list","params":{}}"#),
        (
            "tenants add acme --identity kora",
            r#"{"method":"tenants.add","params":{"identity":"kora","tenant":"acme"}}"#,
        ),
        (
            "tenants disable acme",
            r#"{"method":"tenants.disable","params":{"tenant":"acme"}}"#,
        ),
        (
            "tenants enable acme",
            r#"{"method":"tenants.enable","params":{"tenant":"acme"}}"#,
        ),
        ("identity list", r#"{"method":"identity.list","params":{}}"#),
        (
            "identity show acme",
            r#"{"method":"identity.show","params":{"tenant":"acme"}}"#,
        ),
        (
            "identity swap acme marvin --expect-generation 2 --reason tired",
            r#"{"method":"identity.swap","params":{"expect_generation":2,"provider":"marvin","reason":"tired","tenant":"acme"}}"#,
        ),
        (
            "identity rollback acme",
            r#"{"method":"identity.rollback","params":{"generation":null,"reason":null,"tenant":"acme"}}"#,
        ),
        (
            "identity rollback acme 1 --reason better",
            r#"{"method":"identity.rollback","params":{"generation":1,"reason":"better","tenant":"acme"}}"#,
        ),
        (
            "identity why acme",
            r#"{"method":"identity.why","params":{"tenant":"acme"}}"#,
        ),
        (
            "state show",
            r#"{"method":"state.show","params":{"tenant":null}}"#,
        ),
        (
            "state pause --tenant acme --reason lunch",
            r#"{"method":"state.pause","params":{"reason":"lunch","tenant":"acme"}}"#,
        ),
        (
            "state resume",
            r#"{"method":"state.resume","params":{"reason":null,"tenant":null}}"#,
        ),
        (
            "state stop --level 2 --tenant acme --reason smoke --expires-in 15m --dry-run",
            r#"{"method":"state.stop","params":{"confirm":null,"dry_run":true,"expires_in_seconds":900,"host":false,"level":2,"reason":"smoke","tenant":"acme"}}"#,
        ),
        (
            "state stop --level 4 --host --confirm token",
            r#"{"method":"state.stop","params":{"confirm":"token","dry_run":false,"expires_in_seconds":null,"host":true,"level":4,"reason":null,"tenant":null}}"#,
        ),
        (
            "state reset --host --reason over",
            r#"{"method":"state.reset","params":{"host":true,"reason":"over","tenant":null}}"#,
        ),
        (
            "state commands --tenant acme",
            r#"{"method":"state.commands","params":{"host":false,"tenant":"acme"}}"#,
        ),
        (
            "events append --tenant acme acme.done {} --key k --expect-seq 4",
            r#"{"method":"events.append","params":{"event_type":"acme.done","expected_seq":4,"idempotency_key":"k","payload":"{}","tenant":"acme"}}"#,
        ),
        (
            "events tail --tenant host --prefix kora --after 3 --limit 9",
            r#"{"method":"events.tail","params":{"after_seq":3,"follow":false,"limit":9,"prefix":"kora","tenant":"host"}}"#,
        ),
        ("config show", r#"{"method":"config.show","params":{}}"#),
        ("config reload", r#"{"method":"config.reload","params":{}}"#),
    ];
    for (line, call) in lines {
        let ran = trial.kora(&format!("--json {line}"));
        assert_eq!(ran.exit, Exit::OK, "{line}: {}", ran.err);
        assert_eq!(daemon.last_call().to_string(), call);
    }
}

#[test]
fn a_command_that_ends_something_is_confirmed_by_hand_where_somebody_sits() {
    let mut trial = Trial::initialised();
    trial.input = "session-1 \nmore";
    let daemon = trial.daemon(|_| Err(refusal()));
    let confirmed = |trial: &Trial, line: &str| {
        let err = trial.kora(line).err;
        let asks = err.contains("Type the session of the host");
        (asks, daemon.last_call()["params"]["confirm"].clone())
    };
    let unasked = (false, Value::Null);
    assert_eq!(
        confirmed(&trial, "state stop --level 4"),
        unasked,
        "nobody sits there"
    );
    trial.is_typed = true;
    let asked = (true, json!("session-1"));
    assert_eq!(confirmed(&trial, "state stop --level 4"), asked);
    assert_eq!(confirmed(&trial, "state stop --level 1 --host"), asked);
    assert_eq!(confirmed(&trial, "state stop --level 3"), unasked);
    assert_eq!(
        confirmed(&trial, "state stop --level 5 --host --dry-run"),
        unasked
    );
    let given = confirmed(&trial, "state stop --level 5 --confirm other");
    assert_eq!(given, (false, json!("other")));
}

#[test]
fn json_is_what_the_daemon_answered_and_nothing_else() {
    let trial = Trial::initialised();
    let _daemon = trial.daemon(|_| Ok(json!({ "of a later release": [1, null] })));
    let ran = trial.kora("status --json");
    assert_eq!(
        (ran.json(), ran.err.as_str()),
        (json!({ "of a later release": [1, null] }), "")
    );
    let human = trial.kora("status");
    assert_eq!((human.exit, human.out.as_str()), (Exit::UNREACHABLE, ""));
    assert!(human.err.contains("may be of another release"), "{}", human.err);
}

#[test]
fn a_refusal_is_one_with_hints_and_nothing_on_standard_output() {
    let trial = Trial::initialised();
    let _daemon = trial.daemon(|_| Err(refusal()));
    let ran = trial.kora("identity show acme");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::FAILED, ""));
    insta::assert_snapshot!(ran.err, @r"
    error: there is no tenant `acme`

    hint: see `kora tenants list`
    ");
    let ran = trial.kora("identity show acme --json");
    let error: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(
        (ran.out.as_str(), &error["error"]["code"]),
        ("", &json!("tenant.unknown"))
    );
}

#[test]
fn without_a_daemon_it_is_said_where_one_was_looked_for_and_how_to_start_one() {
    let trial = Trial::new();
    let ran = trial.kora("tenants list");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::UNREACHABLE, ""));
    for part in ["run/kora.sock", "`kora init --home"] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    assert!(
        !ran.err.contains("kora daemon"),
        "it would not start: {}",
        ran.err
    );

    let ran = Trial::initialised().kora("tenants list");
    assert!(
        ran.err.contains("`kora daemon`") && !ran.err.contains("kora init"),
        "{}",
        ran.err
    );
}

#[test]
fn an_answer_becomes_a_table() {
    let trial = Trial::initialised();
    let tenant = json!([{
        "tenant": "acme", "active": true, "origin": "command", "created_at": "2026-11-20T10:00:00Z", "actors": [],
        "primary_state": "ready", "agent_name": "Marvin", "provider": "marvin/marvin", "generation": 2
    }]);
    let _daemon = trial.daemon(move |_| Ok(tenant.clone()));
    insta::assert_snapshot!(trial.kora("tenants list").out, @r"
    TENANT  ACTIVE  STATE  AGENT   IDENTITY       GENERATION  ORIGIN
    acme    yes     ready  Marvin  marvin/marvin  2           command
    ");
}

#[test]
fn without_a_daemon_the_configuration_that_it_would_have_is_shown_in_the_same_form() {
    let trial = Trial::initialised();
    let ran = trial.kora("config show --json --log-level debug");
    let values: Vec<crate::config::ShownValue> = serde_json::from_str(&ran.out).unwrap();
    let level = values.iter().find(|value| value.key == "log.level").unwrap();
    assert_eq!(
        (level.value.as_str(), level.origin.to_string().as_str()),
        ("\"debug\"", "flag, --log-level")
    );
    assert!(trial.kora("config show").err.contains("no daemon runs"));
}
