//! `kora version`.

use serde_json::json;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Outcome},
    },
    plugin::{HOST_API, Platform},
};

pub(in crate::cli) fn run(context: &mut Context<'_>) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let target = Platform::current().target;
    if context.ui.json {
        let facts = json!({ "version": version, "plugin_api": HOST_API, "target": target });
        context.ui.json(&facts)?;
    } else {
        context
            .ui
            .data(&format!("kora {version} (plugin API {HOST_API}, {target})"))?;
    }
    Ok(Exit::OK)
}
