//! Secrets as plugins and operators meet them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::Path,
};

use secrecy::ExposeSecret as _;

use super::*;

fn table(toml: &str) -> SecretTable {
    SecretTable::from(&toml::from_str::<Sections>(toml).unwrap())
}

fn secrets(toml: &str, credentials: Option<&Path>) -> Secrets {
    let surroundings = SecretSurroundings {
        environment: Box::new(|name| (name == "TOKEN").then(|| OsString::from("from env"))),
        credentials_directory: credentials.map(Path::to_owned),
    };
    Secrets::new(table(toml), surroundings)
}

fn kora() -> PluginName {
    "kora".parse().unwrap()
}

fn get(secrets: &Secrets, tenant: Option<&str>, name: &str) -> Result<String, SecretError> {
    let tenant = tenant.map(|id| id.parse().unwrap());
    let secret = secrets.get(&kora(), tenant.as_ref(), name)?;
    Ok(String::from_utf8(secret.expose_secret().to_vec()).unwrap())
}

fn private(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn of_file(path: &Path) -> Secrets {
    secrets(
        &format!("plugins.kora.secrets.t = 'file:{}'", path.display()),
        None,
    )
}

fn refusal(secrets: &Secrets) -> String {
    get(secrets, None, "t").unwrap_err().to_string()
}

#[test]
fn each_kind_of_place_gives_its_secret() {
    let directory = tempfile::tempdir().unwrap();
    private(&directory.path().join("f"), "from file\r\n");
    private(&directory.path().join("c"), "from credential\n\n");
    let toml = format!(
        "plugins.kora.secrets = {{ e = 'env:TOKEN', f = 'file:{}/f', c = 'credential:c' }}",
        directory.path().display()
    );
    let secrets = secrets(&toml, Some(directory.path()));
    assert_eq!(get(&secrets, None, "e").unwrap(), "from env");
    assert_eq!(get(&secrets, None, "f").unwrap(), "from file");
    assert_eq!(
        get(&secrets, None, "c").unwrap(),
        "from credential\n",
        "one end of line is taken, not more"
    );
}

#[test]
fn a_tenants_own_secret_goes_before_the_plugins() {
    let directory = tempfile::tempdir().unwrap();
    private(&directory.path().join("own"), "acme's own");
    let toml = format!(
        "plugins.kora.secrets.t = 'env:TOKEN'\ntenants.acme.secrets.kora.t = 'file:{}/own'",
        directory.path().display()
    );
    let secrets = secrets(&toml, None);
    assert_eq!(get(&secrets, Some("ACME"), "t").unwrap(), "acme's own");
    assert_eq!(get(&secrets, Some("globex"), "t").unwrap(), "from env");
    assert_eq!(get(&secrets, None, "t").unwrap(), "from env");
    let marvin = "marvin".parse().unwrap();
    assert!(
        !secrets.is_configured(&marvin, Some(&"acme".parse().unwrap()), "t"),
        "another plugin's is not its own"
    );
}

#[test]
fn a_rotated_secret_needs_no_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (link, new_link) = (directory.path().join("t"), directory.path().join("t.new"));
    for (version, content) in [("v1", "first"), ("v2", "second")] {
        private(&directory.path().join(version), content);
        symlink(version, &new_link).unwrap();
        fs::rename(&new_link, &link).unwrap();
        assert_eq!(get(&of_file(&link), None, "t").unwrap(), content);
    }
    let secrets = of_file(&link);
    private(&directory.path().join("v2"), "third");
    assert_eq!(get(&secrets, None, "t").unwrap(), "third");
}

#[test]
fn a_reload_changes_where_secrets_are() {
    let secrets = secrets("", None);
    assert_eq!(
        refusal(&secrets),
        "the secret `t` of `kora` is not configured: set `t` in `[plugins.kora.secrets]`"
    );
    secrets.replace(table("plugins.kora.secrets.t = 'env:TOKEN'"));
    assert_eq!(get(&secrets, None, "t").unwrap(), "from env");
}

#[test]
fn a_file_that_others_can_use_or_that_is_a_strangers_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    private(&path, "hunter2");
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let said = refusal(&of_file(&path));
        assert!(
            said.contains(&format!("found mode {mode:04o}: `chmod 600` it")),
            "{said}"
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(get(&of_file(&path), None, "t").is_ok());
    // Only root can give a file away; elsewhere there is no stranger to be had.
    if chown(&path, Some(54_321), None).is_ok() {
        assert!(refusal(&of_file(&path)).contains("found one of the user 54321"));
    }
}

#[test]
fn what_is_no_file_or_too_long_or_empty_is_refused_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    assert!(refusal(&of_file(&path)).contains("expected a file that can be read; found: entity not found"));
    assert!(refusal(&of_file(directory.path())).contains("expected a regular file"));

    let pipe = directory.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert!(refusal(&of_file(&pipe)).contains("expected a regular file"));

    private(&path, "\n");
    assert!(refusal(&of_file(&path)).contains("found nothing"));
    private(&path, "x".repeat(MAX_SECRET_BYTES + 1));
    assert!(refusal(&of_file(&path)).contains("expected at most 65536 bytes"));
    private(&path, "x".repeat(MAX_SECRET_BYTES) + "\r\n");
    assert_eq!(get(&of_file(&path), None, "t").unwrap().len(), MAX_SECRET_BYTES);
}

#[test]
fn what_is_missing_is_named_by_its_key_and_nothing_secret_is_shown() {
    let toml = "plugins.kora.secrets = { e = 'env:HUNTER2', c = 'credential:hunter2' }";
    let secrets = secrets(toml, None);
    let variable = get(&secrets, None, "e").unwrap_err().to_string();
    assert!(
        variable.starts_with("the secret `e`, configured as `plugins.kora.secrets.e`, cannot be read"),
        "{variable}"
    );
    let credential = get(&secrets, None, "c").unwrap_err().to_string();
    assert!(
        credential.contains("expected `CREDENTIALS_DIRECTORY` to be set"),
        "{credential}"
    );
    let shown = format!("{variable} {credential} {secrets:?}").to_lowercase();
    assert!(!shown.contains("hunter2"), "{shown}");
}
