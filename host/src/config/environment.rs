//! The variables that stand for keys. One table, used by the code and by the documentation.

use std::ffi::OsString;

use super::{
    Kind,
    problem::{Place, Problem},
    settings::{KeyPath, Origin, Setting, Settings},
};

/// A variable that stands for a key.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The key it stands for.
    pub key: &'static str,
    /// What its text must be.
    pub kind: Kind,
}

/// All of them; `KORA_HOME` is beside them, since it decides which file there is to read. Those of the plugin `kora` are
/// variables that earlier releases of the system knew, for who has them in a unit file still.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "KORA_LOG_LEVEL",
        key: "log.level",
        kind: Kind::Level,
    },
    Variable {
        name: "KORA_LOG_FORMAT",
        key: "log.format",
        kind: Kind::Format,
    },
    Variable {
        name: "KORA_STORE_URL",
        key: "store.url",
        kind: Kind::StoreAddress,
    },
    Variable {
        name: "KORA_HTTP_LISTEN",
        key: "http.listen",
        kind: Kind::Listen,
    },
    Variable {
        name: "KORA_WEBHOOKS_LISTEN",
        key: "webhooks.listen",
        kind: Kind::Listen,
    },
    Variable {
        name: "KORA_DEPLOY_ENV",
        key: "access.deploy_env",
        kind: Kind::DeployEnv,
    },
    Variable {
        name: "KORA_WEBHOOK_RATE_LIMIT",
        key: "webhooks.requests_per_minute",
        kind: Kind::Count {
            min: 1,
            max: 1_000_000,
        },
    },
    Variable {
        name: "KORA_AUDIT_BATCH_SIZE",
        key: "audit.batch_size",
        kind: Kind::Count { min: 0, max: 10_000 },
    },
    Variable {
        name: "KORA_AUDIT_FLUSH_INTERVAL_SECONDS",
        key: "audit.flush_interval_seconds",
        kind: Kind::Seconds { min: 1, max: 60 },
    },
    Variable {
        name: "KORA_SNAPSHOT_INTERVAL_SEC",
        key: "plugins.kora.snapshot_interval_seconds",
        kind: Kind::Seconds { min: 1, max: 86_400 },
    },
    Variable {
        name: "KORA_SNAPSHOT_PATH",
        key: "plugins.kora.snapshot_path",
        kind: Kind::Path,
    },
    Variable {
        name: "KORA_SYSTEM_PROMPT_PATH",
        key: "plugins.kora.system_prompt_path",
        kind: Kind::Path,
    },
    Variable {
        name: "KORA_SOUL_MD_PATH",
        key: "plugins.kora.soul_md_path",
        kind: Kind::Path,
    },
    Variable {
        name: "KORA_DISABLE_IDENTITY_PROVIDER",
        key: "plugins.kora.disable_identity_provider",
        kind: Kind::Switch,
    },
];

/// A flag of the command that stands for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As it was typed, for example `--log-level`.
    pub name: &'static str,
    /// The key it stands for.
    pub key: &'static str,
    /// What was given.
    pub value: String,
}

/// Lays the variables that are set over `settings`. One that is set to nothing counts as not set.
pub(super) fn overlay_variables(
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) {
    for variable in VARIABLES {
        let Some(value) = lookup(variable.name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let place = Place::Variable(variable.name.to_owned());
        let origin = Origin::Environment(variable.name.to_owned());
        match value.to_str() {
            Some(text) => overlay(
                settings,
                problems,
                (variable.key, variable.kind),
                text,
                place,
                origin,
            ),
            None => problems.push(Problem::new(place, "expected UTF-8; found other bytes")),
        }
    }
}

/// Lays flags over `settings`.
pub(super) fn overlay_flags(settings: &mut Settings, problems: &mut Vec<Problem>, flags: &[Flag]) {
    for flag in flags {
        let place = Place::Flag(flag.name.to_owned());
        match super::KEYS.iter().find(|key| key.path == flag.key) {
            Some(key) => {
                let origin = Origin::Flag(flag.name.to_owned());
                overlay(
                    settings,
                    problems,
                    (key.path, key.kind),
                    &flag.value,
                    place,
                    origin,
                );
            }
            None => problems.push(Problem::new(place, format!("there is no key `{}`", flag.key))),
        }
    }
}

fn overlay(
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
    (key, kind): (&str, Kind),
    text: &str,
    place: Place,
    origin: Origin,
) {
    match kind.read(text) {
        Ok(value) => settings.set(
            KeyPath::dotted(key),
            Setting {
                value,
                origin,
                hidden: kind.is_hidden(),
            },
        ),
        Err(mismatch) => {
            problems
                .push(Problem::new(place, format!("`{key}`: {}", mismatch.message)).hinting(mismatch.hint));
        }
    }
}
