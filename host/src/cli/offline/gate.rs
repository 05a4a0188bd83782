//! What the gate of this home says of a file, without running, installing or keeping it.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    cli::context::Context,
    config::Config,
    domain::PluginName,
    plugin::{
        Admitted, Examined, Form, Gate, Limits, Platform, Refusal, Strictness, choose, examine,
        is_host_event_type, scan,
    },
    service::{Problem, ProblemKind, api, plugin_policy},
};

/// What a file that may be loaded is called here; the same word as in the running host.
pub(in crate::cli) const SOUND: &str = "verified";
const REFUSED: &str = "refused";

/// Why a file would not be let in, and what is known of it.
pub(in crate::cli) struct Refused {
    pub refusal: Refusal,
    known: Option<Examined>,
}

/// Looks at a file anywhere, and asks the policy of `config` whether it would be let in.
///
/// # Errors
/// The first refusal.
pub(in crate::cli) fn inspect(path: &Path, config: &Config) -> Result<Examined, Box<Refused>> {
    let examined = examine(path, Strictness::AtLoad, &Limits::default(), &Platform::current())
        .map_err(|refusal| Refused { refusal, known: None })?;
    let name = &examined.manifest.name;
    let verdict = examined
        .manifest
        .check_event_types(is_host_event_type)
        .and_then(|()| plugin_policy(config).check(name, examined.digest, examined.library_digest));
    match verdict {
        Ok(()) => Ok(examined),
        Err(refusal) => Err(Box::new(Refused {
            refusal,
            known: Some(examined),
        })),
    }
}

/// What lies in the plugin directory of a home.
pub(in crate::cli) struct Survey {
    /// What would be let in.
    pub chosen: Vec<Admitted>,
    /// What would not, and why.
    pub refused: Vec<(PathBuf, Refusal)>,
}

impl Survey {
    /// Leads each file through the gate, without keeping a copy.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub fn take(config: &Config, temporary: &Path) -> io::Result<Self> {
        let gate = TrialGate::new(config, temporary);
        let (mut sound, mut refused) = (Vec::new(), Vec::new());
        for candidate in scan(&config.plugins_directory())? {
            match gate.judge(&candidate.path) {
                Ok(admitted) => sound.push(admitted),
                Err(refusal) => refused.push((candidate.path, refusal)),
            }
        }
        let (chosen, others) = choose(sound);
        let others = others.into_iter().map(|(other, refusal)| (other.path, refusal));
        refused.extend(others);
        Ok(Self { chosen, refused })
    }

    /// Whether a plugin of this name lies there, be it one that the operator keeps out.
    pub fn names(&self, plugin: &PluginName) -> bool {
        let kept_out = self.refused.iter().any(|(_, refusal)| match refusal {
            Refusal::Disabled { name } | Refusal::NotAllowed { name, .. } => name == plugin,
            _ => false,
        });
        kept_out
            || self
                .chosen
                .iter()
                .any(|admitted| admitted.manifest.name == *plugin)
    }
}

/// A gate like the host's, whose copies go where they are thrown away.
struct TrialGate {
    gate: Gate,
    cache: PathBuf,
}

impl TrialGate {
    fn new(config: &Config, temporary: &Path) -> Self {
        let cache = temporary.join(format!("kora-trial-{}", uuid::Uuid::new_v4()));
        let gate = Gate::new(
            config.plugins_directory(),
            cache.clone(),
            plugin_policy(config),
            Platform::current(),
        );
        Self { gate, cache }
    }

    /// # Errors
    /// The first refusal.
    fn judge(&self, path: &Path) -> Result<Admitted, Refusal> {
        let verdict = self.gate.admit(path);
        // One copy at a time is enough of the temporary directory; a copy that cannot be removed now is removed at the end.
        let _removed = std::fs::remove_dir_all(&self.cache);
        verdict
    }
}

impl Drop for TrialGate {
    fn drop(&mut self) {
        // Where nothing was admitted there is nothing to remove.
        let _removed = std::fs::remove_dir_all(&self.cache);
    }
}

impl Context<'_> {
    /// Where copies go that are thrown away.
    pub fn temporary(&self) -> PathBuf {
        let named = (self.environment)("TMPDIR").filter(|name| !name.is_empty());
        named.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }
}

/// As the running host would show it.
pub(in crate::cli) fn shown(examined: &Examined) -> api::Plugin {
    let mut shown = api::Plugin {
        state: SOUND.to_owned(),
        path: examined.path.display().to_string(),
        form: Some(form(examined.form).to_owned()),
        digest: Some(examined.digest.to_string()),
        library_digest: Some(examined.library_digest.to_string()),
        target: Some(examined.facts.target.clone()),
        glibc_floor: examined.facts.glibc_floor.map(|floor| floor.to_string()),
        warnings: examined.warnings.clone(),
        ..api::Plugin::default()
    };
    shown.describe(&examined.manifest);
    shown
}

/// A file that would not be let in, with what is known of it.
pub(in crate::cli) fn shown_refused(path: &Path, refused: &Refused) -> api::Plugin {
    api::Plugin {
        state: REFUSED.to_owned(),
        cause: Some(refused.refusal.to_string()),
        path: path.display().to_string(),
        ..refused.known.as_ref().map(shown).unwrap_or_default()
    }
}

/// The same as an error.
pub(in crate::cli) fn refused(refusal: &Refusal) -> Problem {
    let code = format!("plugin.{}", refusal.kind());
    Problem::new(
        ProblemKind::WrongState,
        &code,
        format!("the plugin is refused: {refusal}"),
    )
}

const fn form(form: Form) -> &'static str {
    match form {
        Form::Library => "library",
        Form::Folder => "folder",
        Form::Package => "package",
    }
}
