//! Who Kora is. The texts are compiled in; the configuration, also a tenant's own, may name files to use instead.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use kora_plugin_api::{Config, IdentityProvider, PluginError, Result, Snapshot, serde_json::json};
use serde::Deserialize;

use crate::settings::absolute;

const AGENT_NAME: &str = "Kora";
const AGENT_VERSION: &str = "phase2";
const SOUL_MD: &str = include_str!("../data/KORA.md");
const SYSTEM_PROMPT: &str = include_str!("../data/kora_system_prompt.md");

/// The host takes no longer text, so there is no use in reading on.
const MAX_TEXT_BYTES: u64 = 256 * 1024;

/// Asked for a tenant, it reads the files that are configured for it, so that an edited file counts from the next time.
pub struct KoraIdentity;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Keys {
    system_prompt_path: Option<PathBuf>,
    soul_md_path: Option<PathBuf>,
    disable_identity_provider: bool,
}

impl IdentityProvider for KoraIdentity {
    fn snapshot(&self, _tenant: &str, config: &Config) -> Result<Option<Snapshot>> {
        let keys: Keys = config.parse()?;
        if keys.disable_identity_provider {
            return Ok(None);
        }
        let prompt = text(
            "system_prompt_path",
            keys.system_prompt_path.as_deref(),
            SYSTEM_PROMPT,
        )?;
        if prompt.trim().is_empty() {
            return Ok(None);
        }
        let mut snapshot = Snapshot::new(AGENT_NAME, AGENT_VERSION, prompt);
        snapshot.soul_md = text("soul_md_path", keys.soul_md_path.as_deref(), SOUL_MD)?;
        for (key, value) in [
            ("agent_name", AGENT_NAME),
            ("agent_version", AGENT_VERSION),
            ("plugin_name", "kora"),
        ] {
            snapshot.metadata.insert(key.to_owned(), json!(value));
        }
        for (key, path) in [
            ("system_prompt_path", keys.system_prompt_path),
            ("soul_md_path", keys.soul_md_path),
        ] {
            if let Some(path) = path {
                snapshot.metadata.insert(key.to_owned(), json!(path));
            }
        }
        Ok(Some(snapshot))
    }
}

/// The file's text if one is configured. One that cannot be read is an error, not a silent return to what is compiled in:
/// somebody wanted other words.
fn text(key: &str, path: Option<&Path>, compiled_in: &str) -> Result<String> {
    let Some(path) = path else {
        return Ok(compiled_in.to_owned());
    };
    absolute(key, path)?;
    read(path).map_err(|why| PluginError::new(format!("`{key}`: cannot use `{}`: {why}", path.display())))
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_TEXT_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(std::io::Error::other(format!(
            "expected at most {MAX_TEXT_BYTES} bytes, found more"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use kora_plugin_api::serde_json::Value;

    use super::*;

    fn claim(config: Value) -> Result<Option<Snapshot>> {
        let Value::Object(map) = config else {
            panic!("a test gives an object")
        };
        KoraIdentity.snapshot("acme", &Config::from(map))
    }

    fn file(directory: &tempfile::TempDir, name: &str, content: &[u8]) -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, content).expect("writes");
        path
    }

    #[test]
    fn without_configuration_the_compiled_in_texts_speak() {
        let snapshot = claim(json!({})).expect("answers").expect("claims");
        assert!(snapshot.system_prompt.starts_with("You are Kora"));
        assert!(snapshot.soul_md.starts_with("# Kora"));
        let expected = json!({"agent_name": "Kora", "agent_version": "phase2", "plugin_name": "kora"});
        assert_eq!(Value::Object(snapshot.metadata), expected);
    }

    #[test]
    fn configured_files_replace_the_texts_and_are_named_in_the_metadata() {
        let directory = tempfile::tempdir().expect("a directory");
        let prompt = file(&directory, "prompt.md", b"You are somebody else.");
        let soul = file(&directory, "soul.md", b"");
        let config = json!({"system_prompt_path": prompt, "soul_md_path": soul});
        let snapshot = claim(config).expect("answers").expect("claims");
        assert_eq!(snapshot.system_prompt, "You are somebody else.");
        assert_eq!(snapshot.soul_md, "", "an empty soul is allowed");
        assert_eq!(snapshot.metadata["system_prompt_path"], json!(prompt));
        assert_eq!(snapshot.metadata["soul_md_path"], json!(soul));
    }

    #[test]
    fn an_empty_prompt_is_no_claim_rather_than_half_an_identity() {
        let directory = tempfile::tempdir().expect("a directory");
        let prompt = file(&directory, "prompt.md", b" \n");
        assert_eq!(
            claim(json!({"system_prompt_path": prompt})).expect("answers"),
            None
        );
    }

    #[test]
    fn a_disabled_provider_claims_nothing() {
        assert_eq!(
            claim(json!({"disable_identity_provider": true})).expect("answers"),
            None
        );
    }

    #[test]
    fn a_file_that_cannot_be_used_is_an_error_that_names_key_and_path() {
        let directory = tempfile::tempdir().expect("a directory");
        let missing = directory.path().join("missing.md");
        let binary = file(&directory, "binary.md", b"\xff\xfe");
        let endless = file(&directory, "endless.md", &vec![b'x'; 256 * 1024 + 1]);
        for path in [missing, binary, endless] {
            let error = claim(json!({"soul_md_path": path}))
                .expect_err("cannot be used")
                .to_string();
            assert!(
                error.contains("`soul_md_path`") && error.contains(path.to_str().expect("is text")),
                "{error}"
            );
        }
    }
}
