use std::os::unix::fs::PermissionsExt as _;

use super::*;

const HASH: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn draft() -> CallerDraft {
    CallerDraft {
        actor_kind: "claude_pm_isokron".to_owned(),
        capabilities: ["kora__request_stop", "kora__request_pause"]
            .map(|name| name.parse().unwrap())
            .into(),
        actor_id: Some(Uuid::nil()),
        tenancy: Tenancy::Only(["acme".parse().unwrap()].into()),
        allowed_events: ["kora.session.ended".parse().unwrap()].into(),
        requests_per_second: Some(5),
    }
}

fn read(text: &str) -> (Vec<Caller>, Vec<String>) {
    let document = CallersDocument::parse(Path::new("callers.toml"), text).unwrap();
    let (callers, faults) = document.callers();
    let shown = faults.into_iter().map(|fault| format!("{}: {}", fault.name, fault.why));
    (callers, shown.collect())
}

#[test]
fn what_is_added_reads_back_and_comments_stay() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("callers.toml");
    fs::write(&path, "# ours\n").unwrap();
    let mut document = CallersDocument::read(&path).unwrap();
    let token = document.add(&"pm".parse().unwrap(), &draft()).unwrap();
    document.write().unwrap();

    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# ours\n"), "{text}");
    assert!(!text.contains(token.expose()), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (callers, faults) = CallersDocument::read(&path).unwrap().callers();
    assert_eq!(faults, []);
    let caller = &callers[0];
    assert_eq!(caller.name().as_str(), "pm");
    assert_eq!(caller.actor_id(), Some(Uuid::nil()));
    assert!(caller.holds(&"kora__request_stop".parse().unwrap()));
    assert!(!caller.holds(&"kora__request_resume".parse().unwrap()));
    assert!(caller.tenancy().includes(&"acme".parse().unwrap()));
    assert!(!caller.tenancy().includes(&"other".parse().unwrap()));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_name_is_taken_once_and_one_that_is_not_there_is_said() {
    let mut document = CallersDocument::parse(Path::new("callers.toml"), "").unwrap();
    document.add(&"pm".parse().unwrap(), &draft()).unwrap();
    let error = document.add(&"pm".parse().unwrap(), &draft()).unwrap_err();
    assert!(error.to_string().contains("kora callers rotate pm"), "{error}");
    let error = document.revoke("nobody").unwrap_err();
    assert!(error.to_string().contains("there is no caller `nobody`"), "{error}");
}

#[test]
fn a_bad_entry_is_left_out_and_the_others_stay() {
    let text = format!(
        "[callers.good]\ntoken_hash = \"{HASH}\"\nactor_kind = \"a\"\n\
         [callers.hash]\ntoken_hash = \"s3cret\"\nactor_kind = \"a\"\n\
         [callers.kind]\ntoken_hash = \"{HASH}\"\n\
         [callers.id]\ntoken_hash = \"{HASH}\"\nactor_kind = \"a\"\nactor_id = \"me\"\n\
         [callers.caps]\ntoken_hash = \"{HASH}\"\nactor_kind = \"a\"\nallowed_caps = \"all\"\n\
         [callers.more]\ntoken_hash = \"{HASH}\"\nactor_kind = \"a\"\nadmin = true\n\
         [callers.twin]\ntoken_hash = \"{HASH}\"\nactor_kind = \"a\"\n"
    );
    let (callers, faults) = read(&text);
    assert_eq!(callers.len(), 1);
    insta::assert_snapshot!(faults.join("\n"), @r"
    hash: `token_hash`: expected `sha256:` and 64 hexadecimal digits
    kind: `actor_kind`: expected a label of letters, digits, `_`, `-`, `.` and `:`
    id: `actor_id`: expected a UUID
    caps: `allowed_caps`: expected a list of texts
    more: unknown key `admin`: expected token_hash, actor_kind, allowed_caps, actor_id, tenants, allowed_events, requests_per_second
    twin: its token is another caller's
    ");
    assert!(!faults.join("").contains("s3cret"));
}

#[test]
fn no_tenants_are_none_and_a_star_is_all() {
    let entry = |rest: &str| {
        let text = format!("[callers.a]\ntoken_hash = \"{HASH}\"\nactor_kind = \"a\"\n{rest}");
        read(&text).0[0].tenancy().clone()
    };
    assert_eq!(entry(""), Tenancy::Only(BTreeSet::new()));
    assert_eq!(entry("tenants = [\"*\"]"), Tenancy::All);
}

#[test]
fn a_file_of_another_form_says_so_without_its_text() {
    for text in ["callers = 3", "[[callers]]\nname = \"x\"", "token = \"s3cret\"", "[callers.a]\nx = s3cret"] {
        let error = CallersDocument::parse(Path::new("callers.toml"), text).unwrap_err().to_string();
        assert!(error.contains("expected tables `[callers.NAME]`"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}
