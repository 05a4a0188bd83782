//! Callers, the audit, tools and the log: what is open to callers, as the operator sees it.

use std::{collections::HashMap as Map, fs, io::Write as _, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::access::{AnonymousTokens, Authenticated, Callers, Principal};

struct NoTokens;

impl AnonymousTokens for NoTokens {
    fn tokens(&self) -> Vec<secrecy::SecretString> {
        Vec::new()
    }
}

/// Whose token this is, by the file as it stands.
fn whose(trial: &Trial, token: &str) -> Option<String> {
    let callers = Callers::new(trial.home().callers_file(), Arc::new(NoTokens));
    match callers.authenticate(token.trim()) {
        Authenticated::As(Principal::Caller(caller)) => Some(caller.name().to_string()),
        _ => None,
    }
}

#[test]
fn a_caller_is_added_shown_rotated_and_revoked_and_its_token_is_shown_once() {
    let trial = Trial::initialised();
    fs::write(trial.home().config_file(), "[tenants.acme]\n").unwrap();
    let added = trial.kora(
        "callers add pm --kind agent --capability kora__request_pause --tenant acme --new-actor-id --requests-per-second 5",
    );
    assert_eq!(added.exit, Exit::OK, "{}", added.err);
    assert_eq!(added.out.lines().count(), 1, "the token alone: {}", added.out);
    assert!(
        added.err.contains("shown only now") && !added.err.contains("warning"),
        "{}",
        added.err
    );
    assert_eq!(whose(&trial, &added.out).as_deref(), Some("pm"));
    assert_eq!(mode_of(&trial.home().callers_file()), 0o600);

    let listed = trial.kora("callers list");
    assert!(
        listed.out.contains("pm") && !listed.out.contains(added.out.trim()),
        "{}",
        listed.out
    );
    let shown = trial.kora("callers show pm --json").json();
    assert_eq!(
        (
            &shown["capabilities"],
            &shown["tenants"],
            &shown["requests_per_second"]
        ),
        (&json!(["kora__request_pause"]), &json!(["acme"]), &json!(5))
    );
    assert!(shown["actor_id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());

    let again = trial.kora("callers add pm --kind agent --all-tenants --json");
    assert_eq!((again.exit, again.out.as_str()), (Exit::FAILED, ""));
    assert!(again.err.contains("caller.exists"), "{}", again.err);

    let rotated = trial.kora("callers rotate pm --json").json();
    assert_eq!(whose(&trial, &added.out), None, "the old token is of no use");
    assert_eq!(
        whose(&trial, rotated["token"].as_str().unwrap()).as_deref(),
        Some("pm")
    );

    assert_eq!(trial.kora("callers revoke pm").exit, Exit::OK);
    assert_eq!(whose(&trial, rotated["token"].as_str().unwrap()), None);
    for line in ["revoke", "rotate", "show"] {
        let ran = trial.kora(&format!("callers {line} pm --json"));
        assert_eq!(ran.exit, Exit::FAILED, "{line}");
        assert!(ran.err.contains("caller.unknown"), "{line}: {}", ran.err);
    }
}

#[test]
fn a_tenant_and_an_event_type_that_there_are_not_are_accepted_and_doubted() {
    let trial = Trial::initialised();
    fs::write(
        trial.home().config_file(),
        "[events]\ntypes = [\"deploy.finished\"]\n[tenants.acme]\n",
    )
    .unwrap();
    let warnings = |line: &str| -> Vec<String> {
        let ran = trial
            .kora(&format!("callers add {line} --kind agent --json"))
            .json();
        serde_json::from_value(ran["warnings"].clone()).unwrap()
    };
    let told = warnings(
        "a --tenant acme --tenant acne --allow-event kora.session.ended --allow-event deploy.finishd --allow-event kora.boot.ready",
    );
    assert_eq!(
        told,
        [
            "there is no tenant `acne` in the configuration, and no daemon runs that would know of others; did you mean `acme`?",
            "the event type `deploy.finishd` is neither in `[events] types` nor a session's, so the caller cannot append it; \
             did you mean `deploy.finished`?",
            "the event type `kora.boot.ready` is neither in `[events] types` nor a session's, so the caller cannot append it",
        ]
    );
    let daemon = trial.daemon(|_| Ok(json!([])));
    assert_eq!(warnings("b --tenant globex"), ["there is no tenant `globex`"]);
    assert_eq!(daemon.last_call()["method"], "tenants.list");
}

#[test]
fn a_capability_that_nobody_asks_for_is_accepted_and_doubted() {
    let trial = Trial::initialised();
    let ran = trial.kora("callers add pm --kind agent --capability kora__request_puase --all-tenants");
    assert_eq!(ran.exit, Exit::OK);
    assert!(
        ran.err.contains("no daemon runs") && ran.err.contains("did you mean `kora__request_pause`?"),
        "{}",
        ran.err
    );

    let daemon = trial.daemon(|_| {
        let tool = json!({
            "name": "echo__say", "title": "Say", "description": "", "kind": "plugin", "required_capability": "echo__say",
            "dev_only": false, "is_of_tenant": true, "annotations": {}, "input_schema": {}, "output_schema": null
        });
        Ok(json!([tool]))
    });
    let ran = trial.kora("callers add b --kind agent --capability echo__say --all-tenants --json");
    assert_eq!(
        ran.json()["warnings"],
        json!([]),
        "a plugin's tool is known to the running host"
    );
    assert_eq!(daemon.last_call()["method"], "tools.list");
    let ran = trial
        .kora("callers add c --kind agent --capability echo__sya --json")
        .json();
    let warnings: Vec<_> = ran["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(
        warnings[0],
        "no tool asks for the capability `echo__sya`; did you mean `echo__say`?"
    );
    assert!(warnings[1].contains("has no tenant"));

    let all = trial.kora("callers add d --kind agent --all-capabilities --all-tenants");
    assert_eq!(all.exit, Exit::OK);
    let held = trial.kora("callers show d --json").json()["capabilities"].clone();
    let held: Vec<_> = held
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c.as_str().unwrap())
        .collect();
    assert!(
        held.contains(&"echo__say") && held.contains(&"kora__request_stop"),
        "{held:?}"
    );
}

#[test]
fn what_admits_nobody_is_told_with_the_reason() {
    let trial = Trial::initialised();
    let file = trial.home().callers_file();
    let mut text = fs::read_to_string(&file).unwrap();
    text += "\n[[callers]]\nname = \"gone\"\nkind = \"agent\"\ntoken_hash = \"revoked\"\ntenants = [\"acme\"]\n\
             \n[[callers]]\nname = \"slip\"\nkind = \"agent\"\ntoken_hash = \"md5:1\"\n\
             \n[[callers]]\nname = \"idle\"\nkind = \"agent\"\ntoken_hash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n";
    fs::write(&file, text).unwrap();
    let listed = trial.kora("callers list --json").json();
    assert_eq!(listed["revoked"], json!(["gone"]));
    assert_eq!(listed["left_out"][0]["name"], "slip");
    let told = trial.kora("callers list").err;
    assert!(
        told.contains("`kora callers rotate gone`") && told.contains("`slip` is left out: `token_hash`"),
        "{told}"
    );
    let code = |line: &str| {
        let ran = trial.kora(line);
        let error: Value = serde_json::from_str(&ran.err).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("callers show gone --json"), "caller.revoked");
    assert_eq!(code("callers show slip --json"), "caller.left_out");

    let doctor = trial.kora("doctor").out;
    for part in [
        "the caller `idle` has no tenant",
        "the token of `gone` was revoked",
        "`slip`",
    ] {
        assert!(doctor.contains(part), "{part}: {doctor}");
    }
    assert_eq!(
        trial.kora("callers rotate gone").exit,
        Exit::OK,
        "which lets it in again"
    );
    assert_eq!(trial.kora("callers show gone").exit, Exit::OK);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(code("callers list --json"), "callers.unsafe");
}

#[test]
fn doctor_speaks_of_where_it_is_open_and_to_whom() {
    let trial = Trial::initialised();
    let with = |config: &str| {
        fs::write(trial.home().config_file(), config).unwrap();
        trial.kora("doctor").out
    };
    let told = with("[http]\nlisten = '127.0.0.1:9119'\n");
    assert!(
        told.contains("on `http://127.0.0.1:9119`, for this machine alone"),
        "{told}"
    );
    let told = with("[http]\nlisten = 'off'\n");
    assert!(told.contains("`http.listen` is `off`"), "{told}");
    let told = with("[http]\nlisten = '0.0.0.0:9119'\n[webhooks]\nlisten = '[::]:9118'\n");
    assert!(
        told.contains("warn  http") && told.contains("warn  webhooks"),
        "{told}"
    );
    assert!(told.contains("a proxy with TLS"), "{told}");
}

fn audit_line(second: u32, tenant: &str, result: &str) -> String {
    json!({
        "emitted_at": format!("2026-11-20T10:00:{second:02}.000000Z"), "seam": "mcp.tool_called", "source": "mcp_http",
        "tenant": tenant, "details": { "result": result, "tool_name": "kora__request_pause", "caller": "pm" }
    })
    .to_string()
}

#[test]
fn the_audit_is_read_out_of_all_files_with_the_newest_last() {
    let trial = Trial::initialised();
    let audit = trial.home().audit();
    let files = Map::from([
        (
            "acme/kora_audit_log.00000000000000000001.jsonl",
            vec![audit_line(1, "acme", "ok")],
        ),
        (
            "acme/kora_audit_log.jsonl",
            vec![audit_line(3, "acme", "capability_denied"), "torn".to_owned()],
        ),
        (
            "host/kora_audit_log.jsonl",
            vec![audit_line(2, "host", "unauthorized")],
        ),
    ]);
    for (path, lines) in files {
        let path = audit.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::create(path).unwrap();
        writeln!(file, "{}", lines.join("\n")).unwrap();
    }
    let results = |line: &str| -> Vec<String> {
        let ran = trial.kora(&format!("audit {line} --json"));
        let lines = ran
            .out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| line["details"]["result"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(results("tail"), ["ok", "unauthorized", "capability_denied"]);
    assert_eq!(results("tail -n 2"), ["unauthorized", "capability_denied"]);
    assert_eq!(results("tail --tenant acme"), ["ok", "capability_denied"]);
    assert_eq!(
        results("tail --since 2026-11-20T10:00:02Z"),
        ["unauthorized", "capability_denied"]
    );
    assert!(results("tail --seam http.called").is_empty());
    assert_eq!(results("grep denied"), ["capability_denied"]);
    let told = trial.kora("audit tail --tenant acme");
    assert!(
        told.err.contains("1 line of the audit cannot be read"),
        "{}",
        told.err
    );
    assert!(
        told.out
            .ends_with("capability_denied  kora__request_pause  pm  mcp_http\n"),
        "{}",
        told.out
    );
    assert_eq!(trial.kora("audit grep nothing-like-it").exit, Exit::FAILED);
    assert_eq!(trial.kora("audit tail --seam no.such").exit, Exit::UNREACHABLE);
    assert_eq!(trial.kora("audit tail --since yesterday").exit, Exit::UNREACHABLE);
}

#[test]
fn arguments_of_a_tool_become_what_its_schema_wants() {
    let trial = Trial::initialised();
    let daemon = trial.daemon(|call| match call {
        Call::ToolsList(_) => Ok(json!([{
            "name": "t", "title": "T", "description": "", "kind": "read", "required_capability": null, "dev_only": false,
            "is_of_tenant": true, "annotations": {}, "output_schema": null,
            "input_schema": { "properties": { "level": { "type": "integer" }, "reason": { "type": "string" } } }
        }])),
        Call::ToolsCall(call) if call.arguments.get("reason") == Some(&json!("none")) => {
            Ok(json!({ "content": [], "isError": true }))
        }
        _ => Ok(json!({ "done": true })),
    });
    let ran = trial.kora("tools call t level=2 reason=3 --tenant acme");
    assert_eq!(
        (ran.exit, ran.json()),
        (Exit::OK, json!({ "done": true })),
        "{}",
        ran.err
    );
    let arguments = json!({ "level": 2, "reason": "3", "workspace_id": "acme" });
    assert_eq!(
        daemon.last_call(),
        json!({ "method": "tools.call", "params": { "name": "t", "arguments": arguments } })
    );
    trial.kora(r#"tools call t --arguments {"level":7}"#);
    assert_eq!(daemon.last_call()["params"]["arguments"], json!({ "level": 7 }));
    for bad in [
        "tools call t --arguments [1]",
        "tools call t level",
        "tools call t level=5x",
        r#"tools call t --tenant a --arguments {"workspace_id":"b"}"#,
    ] {
        assert_eq!(trial.kora(bad).exit, Exit::UNREACHABLE, "{bad}");
    }
    let failed = trial.kora("tools call t reason=none");
    assert_eq!(
        (failed.exit, failed.json()["isError"].clone()),
        (Exit::FAILED, json!(true))
    );
}

#[test]
fn a_conversation_that_is_refused_writes_nothing_to_standard_output() {
    let trial = Trial::initialised();
    let ran = trial.kora("mcp serve --caller pm");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::UNREACHABLE, ""));
    assert!(ran.err.contains("no daemon runs"), "{}", ran.err);
    let _daemon = trial.daemon(nothing);
    let ran = trial.kora("mcp serve --caller pm --json");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::UNREACHABLE, ""));
    assert!(ran.err.contains("caller.unknown"), "{}", ran.err);
}

#[test]
fn the_log_is_asked_for_followed_and_turned_up_over_the_socket() {
    let trial = Trial::initialised();
    let daemon = trial.daemon(nothing);
    let lines = [
        (
            "logs --plugin marvin --level warn -n 9",
            r#"{"method":"logs.tail","params":{"follow":false,"level":"warn","limit":9,"plugin":"marvin"}}"#,
        ),
        ("logs level", r#"{"method":"logs.levels","params":{}}"#),
        (
            "logs level --plugin marvin trace",
            r#"{"method":"logs.set_level","params":{"level":"trace","plugin":"marvin"}}"#,
        ),
    ];
    for (line, call) in lines {
        let ran = trial.kora(&format!("--json {line}"));
        assert_eq!(ran.exit, Exit::OK, "{line}: {}", ran.err);
        assert_eq!(daemon.last_call().to_string(), call);
    }
    let record = LogRecord {
        at: "2026-11-20T10:00:00.000000Z".to_owned(),
        level: crate::domain::LogLevel::Info,
        target: "kora".to_owned(),
        plugin: None,
        message: "running".to_owned(),
        fields: serde_json::Map::new(),
    };
    daemon.handler.logged.lock().unwrap().push(record);
    let ran = trial.kora("logs --follow");
    assert_eq!(ran.out, "2026-11-20T10:00:00.000000Z  INFO   kora: running\n");
    assert_eq!(ran.exit, Exit::UNREACHABLE, "the daemon ended it: {}", ran.err);
}
