//! The gate that looks at who may call: what ends a boot, what is told, and to whom.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::harness::{HttpClient, RunningHost, TestHome, add_caller, add_caller_with, eventually};

const TENANT: &str = "[tenants.acme]\nfallback_prompt = \"prompt.md\"\n";

fn home(more: &str) -> TestHome {
    let home = TestHome::with_config(&format!("{TENANT}{more}"));
    fs::write(home.path().join("prompt.md"), "You speak when nobody else does.").unwrap();
    home
}

fn gate(gates: &Value) -> Value {
    let gates = gates.as_array().unwrap();
    let found = gates.iter().find(|gate| gate["gate_id"] == "callers");
    found
        .unwrap_or_else(|| panic!("no gate `callers`: {gates:?}"))
        .clone()
}

/// What `kora boot --check-only` says of the gate, and its exit code.
fn checked(home: &TestHome) -> (i32, Value) {
    let checked = home.kora(&["boot", "--check-only", "--json"]);
    (checked.code, gate(&checked.parsed()["gates"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn rights_to_what_there_is_not_are_told_to_the_operator_and_to_no_tenant() {
    let home = home("");
    let own = add_caller(&home, "own", &["kora__request_puase"], &["acme"], None);
    let all = add_caller(&home, "all", &[], &["*"], None);
    add_caller_with(
        &home,
        "other",
        &[],
        &["globex"],
        None,
        "allowed_events = [\"deploy.begun\"]",
    );
    let expected = [
        "3 callers",
        "`own` (no tool asks for the capability `kora__request_puase`)",
        "`other` (there is no tenant `globex`)",
        "`deploy.begun` is neither in `[events] types` nor a session's",
    ];
    let (code, found) = checked(&home);
    assert_eq!((code, &found["outcome"]), (0, &"pass".into()), "{found}");
    for part in expected {
        assert!(text(&found["detail"]).contains(part), "{part}: {found}");
    }

    let host = home.start();
    let found = gate(&host.json(&["status"])["gates"]);
    for part in expected {
        assert!(text(&found["detail"]).contains(part), "{part}: {found}");
    }
    assert!(host.log().contains("there is no tenant `globex`"));
    let http = HttpClient::of(&host);
    let boots = |token: &str, tenant: &str| {
        let route = format!("/api/boot-status?tenant={tenant}");
        eventually("the boot is in the history", || {
            let boots = http.get(&route).bearer(token).send().expect(200)["boots"].clone();
            (boots.as_array()?.len() == 1).then_some(boots)
        })
    };
    let of_host = boots(&all, "host");
    assert!(
        text(&gate(&of_host[0]["gates"])["detail"]).contains("globex"),
        "{of_host}"
    );
    let of_tenant = boots(&own, "acme");
    assert_eq!(gate(&of_tenant[0]["gates"])["outcome"], "pass");
    let events = http
        .get("/api/chain-events?prefix=kora.boot")
        .bearer(&own)
        .send()
        .expect(200);
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    for shown in [of_tenant, events] {
        for secret in ["globex", "other", "3 callers"] {
            assert!(!shown.to_string().contains(secret), "{secret}: {shown}");
        }
    }
}

#[test]
fn a_bad_entry_costs_its_own_caller_and_the_host_boots() {
    let home = home("");
    let good = add_caller(&home, "good", &[], &["acme"], None);
    let path = home.path().join("callers.toml");
    let entry = fs::read_to_string(&path).unwrap();
    // The same name and the same token a second time.
    fs::write(
        &path,
        format!("{entry}{entry}{}", entry.replace("\"good\"", "\"copy\"")),
    )
    .unwrap();
    let (code, found) = checked(&home);
    assert_eq!(code, 0, "{found}");
    let expected = "left out: `good` (its name is another caller's), `copy` (its token is another caller's)";
    assert!(text(&found["detail"]).contains(expected), "{found}");
    let host = home.start();
    assert_eq!(host.json(&["state", "show"])["primary_state"], "ready");
    HttpClient::of(&host)
        .get("/api/operational-state")
        .bearer(&good)
        .send()
        .expect(200);
}

#[test]
fn callers_that_are_not_believed_end_the_boot() {
    let home = home("");
    add_caller(&home, "own", &[], &["acme"], None);
    let path = home.path().join("callers.toml");
    let sound = fs::read_to_string(&path).unwrap();
    let cases = [
        (0o666, sound.clone(), "its mode is 666"),
        (0o600, "[callers".to_owned(), "line 1"),
    ];
    for (mode, text_of_file, expected) in cases {
        fs::write(&path, text_of_file).unwrap();
        set_mode(&path, mode);
        let (code, found) = checked(&home);
        assert_eq!((code, &found["outcome"]), (2, &"fail".into()), "{found}");
        assert!(text(&found["detail"]).contains(expected), "{found}");
        assert_eq!(RunningHost::spawn(&home, &[]).exit_code(), 1, "{expected}");
        let boots = home.json(&["boot", "history"]);
        assert_eq!(boots[0]["failed_gate_id"], "callers", "{boots}");
        assert_eq!(gate(&boots[0]["gates"])["gate_class"], "transient");
    }
    fs::write(&path, sound).unwrap();
    set_mode(&path, 0o600);
    assert_eq!(home.start().json(&["state", "show"])["primary_state"], "ready");
}

/// Where tokens are that name nobody: in a file that only its owner can read.
fn tokens(home: &TestHome, tokens: &str) -> PathBuf {
    let path = home.beside("tokens");
    fs::write(&path, tokens).unwrap();
    set_mode(&path, 0o600);
    path
}

#[test]
fn in_production_no_token_can_be_guessed_and_nothing_for_development_is_open() {
    let home = home("");
    let path = tokens(&home, "a-token-of-many-characters,guess-me");
    let configure = |environment: &str| {
        let access = format!(
            "[access]\ndeploy_env = \"{environment}\"\nanonymous_tokens = \"file:{}\"\n",
            path.display()
        );
        home.configure(&format!("{TENANT}{access}"));
    };
    configure("prd");
    let (code, found) = checked(&home);
    assert_eq!(code, 2, "{found}");
    assert!(
        text(&found["detail"]).starts_with("token 2 of those that name nobody can be guessed"),
        "{found}"
    );
    assert!(!found.to_string().contains("guess-me"), "{found}");
    configure("dev");
    let (code, found) = checked(&home);
    assert_eq!(code, 0, "{found}");
    assert!(
        text(&found["detail"]).contains("open for development (`dev`): `kora__send_webhook_test_event`"),
        "{found}"
    );
    assert!(
        text(&found["detail"]).contains("token 2 of those that name nobody can be guessed"),
        "{found}"
    );
    configure("prd");
    tokens(&home, "a-token-of-many-characters");
    let (code, found) = checked(&home);
    assert_eq!(code, 0, "{found}");
    assert_eq!(
        found["detail"],
        "0 callers, 1 token without a name; 1 tool for development refused (`prd`)"
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(checked(&home).0, 2, "tokens that cannot be read");
}
