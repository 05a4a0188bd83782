//! What is wrong with a home: one finding for each thing that was looked at. Nothing is run, and nothing but a
//! temporary file, which is removed at once, is made or changed.

mod daemon;
mod disk;
mod home;
mod machine;
mod plugins;
mod secrets;
mod store;
mod surface;
mod tenants;

use serde::Serialize;

use crate::cli::context::Context;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Finding {
    pub level: Level,
    /// What was looked at.
    pub check: &'static str,
    /// What was found, in one sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Level {
    /// As it should be.
    Ok,
    /// The host runs; somebody should look.
    Warn,
    /// The host, or a part of it, does not run.
    Fail,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Ok, check, message.into(), None)
    }

    fn warn(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Level::Warn, check, message.into(), Some(hint.into()))
    }

    fn fail(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Level::Fail, check, message.into(), Some(hint.into()))
    }

    const fn new(level: Level, check: &'static str, message: String, hint: Option<String>) -> Self {
        Self {
            level,
            check,
            message,
            hint,
        }
    }
}

/// Looks at everything that can be looked at: without a home at the machine alone, with a configuration that is not valid at
/// what does not depend on it.
pub(in crate::cli) fn diagnose(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = vec![machine::look()];
    let is_home = home::look(&context.home, &mut findings);
    if !is_home {
        return findings;
    }
    match context.load_config() {
        Ok(config) => {
            findings.push(home::configuration(&config));
            let admitted = plugins::look(&config, &context.temporary(), &mut findings);
            tenants::look(&config, &admitted, &mut findings);
            secrets::look(&config, context.environment, &admitted, &mut findings);
            store::look(&config, context.environment, &mut findings);
            disk::look(&config, context.environment, &mut findings);
            surface::look(&config, &mut findings);
        }
        Err(problems) => {
            let places = problems.iter().map(|problem| {
                let hint = problem
                    .hint
                    .clone()
                    .unwrap_or_else(|| "`kora config check` shows the place".to_owned());
                Finding::fail(
                    "configuration",
                    format!("{}: {}", problem.place, problem.message),
                    hint,
                )
            });
            findings.extend(places);
        }
    }
    daemon::look(&context.home, &mut findings);
    findings
}
