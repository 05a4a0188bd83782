//! `kora doctor`.

use crate::cli::{
    context::Context,
    failure::{Exit, Outcome},
    offline::diagnosis::{Level, diagnose},
    view,
};

pub(in crate::cli) fn run(context: &mut Context<'_>) -> Outcome {
    let findings = diagnose(context);
    context
        .ui
        .show(&findings, |findings| view::doctor::findings(findings))?;
    let is_ill = findings.iter().any(|finding| finding.level == Level::Fail);
    Ok(if is_ill { Exit::FAILED } else { Exit::OK })
}
