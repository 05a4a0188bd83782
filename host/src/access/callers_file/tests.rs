//! The file of callers: reading, adding, revoking, rotating, and what is left out.

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
    let shown = faults
        .into_iter()
        .map(|fault| format!("{}: {}", fault.name, fault.why));
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
    assert_eq!(
        fs::read_dir(home.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn a_name_is_taken_once_and_one_that_is_not_there_is_said() {
    let mut document = CallersDocument::parse(Path::new("callers.toml"), "").unwrap();
    document.add(&"pm".parse().unwrap(), &draft()).unwrap();
    let error = document.add(&"pm".parse().unwrap(), &draft()).unwrap_err();
    assert!(error.to_string().contains("kora callers rotate pm"), "{error}");
    let error = document.revoke("nobody").unwrap_err();
    assert!(
        error.to_string().contains("there is no caller `nobody`"),
        "{error}"
    );
}

#[test]
fn a_bad_entry_is_left_out_and_the_others_stay() {
    let entry = |name: &str, rest: &str| format!("[[callers]]\nname = \"{name}\"\nkind = \"a\"\n{rest}\n");
    let hash = |last: u32| format!("token_hash = \"{}{last:04}\"", &HASH[..HASH.len() - 4]);
    let text = [
        entry("good", &hash(1)),
        entry("hash", "token_hash = \"s3cret\""),
        format!("[[callers]]\nname = \"kind\"\n{}\n", hash(2)),
        entry("id", &format!("{}\nactor_id = \"me\"", hash(3))),
        entry("caps", &format!("{}\ncapabilities = \"all\"", hash(4))),
        entry("more", &format!("{}\nadmin = true", hash(5))),
        entry("twin", &hash(1)),
        entry("good", &hash(6)),
        format!("[[callers]]\nkind = \"a\"\n{}\n", hash(7)),
    ]
    .concat();
    let (callers, faults) = read(&text);
    assert_eq!(callers.len(), 1);
    insta::assert_snapshot!(faults.join("\n"), @r"
    hash: `token_hash`: expected `sha256:` and 64 hexadecimal digits
    kind: `kind`: expected a label of letters, digits, `_`, `-`, `.` and `:`
    id: `actor_id`: expected a UUID
    caps: `capabilities`: expected a list of texts
    more: unknown key `admin`: expected name, kind, token_hash, capabilities, actor_id, tenants, allowed_events, requests_per_second
    twin: its token is another caller's
    good: its name is another caller's
    number 9: `name`: expected 1 to 64 letters, digits, `_`, `-`, `.` and `:`
    ");
    assert!(!faults.join("").contains("s3cret"));
}

#[test]
fn no_tenants_are_none_and_a_star_is_all() {
    let entry = |rest: &str| {
        let text = format!("[[callers]]\nname = \"a\"\ntoken_hash = \"{HASH}\"\nkind = \"a\"\n{rest}");
        read(&text).0[0].tenancy().clone()
    };
    assert_eq!(entry(""), Tenancy::Only(BTreeSet::new()));
    assert_eq!(entry("tenants = [\"*\"]"), Tenancy::All);
}

#[test]
fn a_file_of_another_form_says_so_without_its_text() {
    for text in [
        "callers = 3",
        "[callers.x]\nkind = \"a\"",
        "token = \"s3cret\"",
        "[[callers]]\nx = s3cret",
    ] {
        let error = CallersDocument::parse(Path::new("callers.toml"), text)
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected tables `[[callers]]`"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn revoking_a_tenant_takes_it_from_everybody_and_the_token_from_who_had_no_other() {
    let mut document = CallersDocument::parse(Path::new("callers.toml"), "").unwrap();
    let mut add = |name: &str, tenancy: Tenancy| {
        let draft = CallerDraft { tenancy, ..draft() };
        document.add(&name.parse().unwrap(), &draft).unwrap();
    };
    let only = |ids: &[&str]| Tenancy::Only(ids.iter().map(|id| id.parse().unwrap()).collect());
    add("one", only(&["acme"]));
    add("both", only(&["acme", "beta"]));
    add("other", only(&["beta"]));
    add("all", Tenancy::All);

    let acme = "acme".parse().unwrap();
    assert_eq!(document.revoke_tenant(&acme), ["one", "both"]);
    assert_eq!(
        document.revoke_tenant(&acme),
        [] as [&str; 0],
        "there is nothing left to revoke"
    );
    assert_eq!(document.revoked(), ["one"]);
    let (callers, faults) = document.callers();
    assert_eq!(faults, [], "a revoked token is no fault");
    assert_eq!(callers.len(), 3);
    assert!(
        callers
            .iter()
            .all(|caller| caller.name().as_str() == "all" || !caller.tenancy().includes(&acme))
    );

    document.rotate("one").unwrap();
    assert_eq!(document.revoked(), [] as [&str; 0]);
    assert_eq!(document.revoke_tenant(&TenantId::host()).len(), 4);
    assert_eq!(document.callers().0, []);
}
