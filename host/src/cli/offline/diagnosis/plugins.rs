//! The plugin directory: who can write it, and what the gate says of each file. Nothing in it is run.

use std::{fs, io::ErrorKind, os::unix::fs::MetadataExt as _, path::Path};

use super::Finding;
use crate::{
    cli::offline::gate::Survey,
    config::Config,
    plugin::{Admitted, Ignored, Refusal, ignored},
    service::plugin_setting_problems,
};

const CHECK: &str = "plugins";

/// Those that would be let in.
pub(super) fn look(config: &Config, temporary: &Path, findings: &mut Vec<Finding>) -> Vec<Admitted> {
    let directory = config.plugins_directory();
    let survey = match Survey::take(config, temporary) {
        Ok(survey) => survey,
        Err(error) => {
            let message = format!("`{}` cannot be listed: {error}", directory.display());
            findings.push(Finding::fail(
                CHECK,
                message,
                "run the command as the user that owns it",
            ));
            return Vec::new();
        }
    };
    findings.push(directory_itself(
        &directory,
        survey.chosen.len() + survey.refused.len(),
    ));
    findings.extend(survey.chosen.iter().map(admitted));
    findings.extend(
        survey
            .refused
            .iter()
            .map(|(path, refusal)| refused(path, refusal)),
    );
    findings.extend(strangers(&directory));
    findings.extend(settings(config, &survey.chosen));
    survey.chosen
}

/// What lies in the directory and is not even looked into.
fn strangers(directory: &Path) -> Vec<Finding> {
    // That it can be listed was seen just now.
    let found = ignored(directory).unwrap_or_default().into_iter();
    let finding = |found: Ignored| {
        let message = format!("`{}` is ignored: {}", found.path.display(), found.reason);
        Finding::warn(CHECK, message, "the host goes on without it")
    };
    found.map(finding).collect()
}

/// What the plugins' own keys are, which the gate does not look at.
fn settings(config: &Config, chosen: &[Admitted]) -> Vec<Finding> {
    let manifests = chosen.iter().map(|plugin| &plugin.manifest);
    let problems = plugin_setting_problems(config, manifests).into_iter();
    let finding = |problem: crate::config::Problem| {
        let message = format!("{}: {}", problem.place, problem.message);
        Finding::fail(CHECK, message, problem.hint.unwrap_or_default())
    };
    problems.map(finding).collect()
}

/// The gate says the same of each file in it; of an empty directory nobody else would.
fn directory_itself(directory: &Path, files: usize) -> Finding {
    let shown = directory.display();
    let found = match fs::metadata(directory) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = format!("`{shown}` is not there");
            return Finding::warn(
                CHECK,
                message,
                "`kora init` makes it, and so does `kora plugins install FILE`",
            );
        }
        Err(error) => {
            let message = format!("`{shown}` cannot be looked at: {error}");
            return Finding::fail(CHECK, message, "run the command as the user that owns it");
        }
    };
    let (own, owner, mode) = (
        rustix::process::geteuid().as_raw(),
        found.uid(),
        found.mode() & 0o7777,
    );
    if owner != own && owner != 0 {
        let message = format!(
            "`{shown}` belongs to uid {owner}: expected root or uid {own}, so nothing in it is loaded"
        );
        return Finding::fail(
            CHECK,
            message,
            format!("check its content and run `chown -R {own} {shown}`"),
        );
    }
    if mode & 0o022 != 0 {
        let message =
            format!("`{shown}` can be written by others (mode {mode:04o}), so nothing in it is loaded");
        return Finding::fail(
            CHECK,
            message,
            format!("check its content and run `chmod go-w {shown}`"),
        );
    }
    match files {
        0 => Finding::warn(
            CHECK,
            format!("there are no plugins in `{shown}`"),
            "install one with `kora plugins install FILE`",
        ),
        _ => Finding::ok(CHECK, format!("`{shown}` can be written by its owner alone")),
    }
}

fn admitted(plugin: &Admitted) -> Finding {
    let manifest = &plugin.manifest;
    let message = format!(
        "{} {} would be let in (`{}`)",
        manifest.name,
        manifest.version,
        plugin.path.display()
    );
    match plugin.warnings.first() {
        Some(warning) => Finding::warn(CHECK, message, warning.clone()),
        None => Finding::ok(CHECK, message),
    }
}

fn refused(path: &Path, refusal: &Refusal) -> Finding {
    let message = format!("`{}`: {refusal}", path.display());
    match refusal {
        // As the operator wanted it.
        Refusal::Disabled { .. } => Finding::ok(CHECK, message),
        Refusal::NotAllowed { .. } | Refusal::Superseded { .. } => Finding::warn(
            CHECK,
            message,
            format!("`kora plugins inspect {}` shows what it is", path.display()),
        ),
        _ => Finding::fail(
            CHECK,
            message,
            format!(
                "`kora plugins inspect {}` shows the same; the rest goes on without it",
                path.display()
            ),
        ),
    }
}
