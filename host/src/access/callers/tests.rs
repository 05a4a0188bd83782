//! Callers: whose token it is, until it is rotated, revoked, or its file is believed no more.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::access::{CallerDraft, Tenancy, Token};

struct EnvironmentTokens(Mutex<Vec<String>>);

impl AnonymousTokens for EnvironmentTokens {
    fn tokens(&self) -> Vec<SecretString> {
        let tokens = self.0.lock().unwrap();
        tokens.iter().cloned().map(SecretString::from).collect()
    }
}

struct Scene {
    home: tempfile::TempDir,
    anonymous: Arc<EnvironmentTokens>,
    callers: Callers,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let anonymous = Arc::new(EnvironmentTokens(Mutex::default()));
        let callers = Callers::new(home.path().join("callers.toml"), anonymous.clone());
        Self {
            home,
            anonymous,
            callers,
        }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("callers.toml")
    }

    fn add(&self, name: &str) -> Token {
        let mut document = CallersDocument::read(&self.path()).unwrap();
        let draft = CallerDraft {
            actor_kind: "agent".to_owned(),
            capabilities: ["kora__request_pause".parse().unwrap()].into(),
            actor_id: None,
            tenancy: Tenancy::All,
            allowed_events: Default::default(),
            requests_per_second: None,
        };
        let token = document.add(&name.parse().unwrap(), &draft).unwrap();
        document.write().unwrap();
        token
    }

    fn who(&self, token: &str) -> String {
        match self.callers.authenticate(token) {
            Authenticated::As(principal) => principal.name(),
            Authenticated::Nobody => "nobody".to_owned(),
        }
    }
}

#[test]
fn a_token_names_its_caller_until_it_is_rotated_or_revoked() {
    let scene = Scene::new();
    let (one, other) = (scene.add("one"), scene.add("other"));
    assert_eq!(scene.who(one.expose()), "one");
    assert_eq!(scene.who(other.expose()), "other");

    let mut document = CallersDocument::read(&scene.path()).unwrap();
    let fresh = document.rotate("one").unwrap();
    document.revoke("other").unwrap();
    document.write().unwrap();
    assert_eq!(scene.who(one.expose()), "nobody");
    assert_eq!(scene.who(other.expose()), "nobody");
    assert_eq!(scene.who(fresh.expose()), "one");
}

#[test]
fn a_token_of_the_environment_names_nobody_and_is_read_each_time() {
    let scene = Scene::new();
    assert!(scene.callers.are_none());
    scene
        .anonymous
        .0
        .lock()
        .unwrap()
        .extend(["first".to_owned(), "second".to_owned()]);
    assert_eq!(scene.who("second"), "anonymous");
    scene.anonymous.0.lock().unwrap().clear();
    assert_eq!(scene.who("second"), "nobody");
}

#[test]
fn a_file_that_is_gone_broken_or_others_could_write_admits_nobody() {
    let scene = Scene::new();
    let token = scene.add("one");
    let sound = fs::read_to_string(scene.path()).unwrap();
    assert_eq!(scene.who(token.expose()), "one");

    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o620)).unwrap();
    assert_eq!(scene.who(token.expose()), "nobody");
    let fault = scene.callers.fault().file.unwrap();
    assert!(fault.contains("its mode is 620"), "{fault}");

    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(scene.who(token.expose()), "one");
    fs::write(scene.path(), format!("{sound}\n= nonsense")).unwrap();
    assert_eq!(scene.who(token.expose()), "nobody");
    fs::remove_file(scene.path()).unwrap();
    assert_eq!(scene.who(token.expose()), "nobody");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_file_is_told_although_nobody_asks() {
    let scene = Scene::new();
    scene.add("pm");
    scene.who("nobody's");
    let mut changes = scene.callers.changes();
    let watched = async {
        tokio::select! {
            () = scene.callers.watch() => unreachable!("it goes on for ever"),
            told = tokio::time::timeout(Duration::from_secs(2), changes.changed()) => told.is_ok(),
        }
    };
    assert!(!watched.await, "nothing has changed");
    let mut changes = scene.callers.changes();
    scene.add("ops");
    let watched = async {
        tokio::select! {
            () = scene.callers.watch() => unreachable!("it goes on for ever"),
            told = tokio::time::timeout(Duration::from_secs(2), changes.changed()) => told.is_ok(),
        }
    };
    assert!(watched.await, "there is another caller");
}
