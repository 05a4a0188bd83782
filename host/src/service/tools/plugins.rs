//! `kora__list_plugins`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Annotations, Context, HostTool, ToolFault, ToolKind, daemon_status::Nothing};

/// What is loaded, and what is not and why.
pub(super) struct ListPlugins;

/// Plugins.
#[derive(Serialize, JsonSchema)]
pub(super) struct Plugins {
    plugins: Vec<Plugin>,
}

/// A plugin, or a file that is none.
#[derive(Serialize, JsonSchema)]
struct Plugin {
    name: Option<String>,
    version: Option<String>,
    /// The SHA-256 of its package or library.
    digest: Option<String>,
    state: String,
    /// Why it is in that state, in a line; for a caller of all tenants, since it may name any of them.
    cause: Option<String>,
    /// `update waiting`, `file gone`, or a version that lost against a higher one.
    note: Option<String>,
    identity_providers: Vec<String>,
    daemons: Vec<String>,
    permissions: Vec<String>,
}

impl HostTool for ListPlugins {
    const NAME: &'static str = "kora__list_plugins";
    const TITLE: &'static str = "List plugins";
    const DESCRIPTION: &'static str =
        "Every plugin with its state and the digest of its code, and every file that did not become one.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    const IS_OF_TENANT: bool = false;
    type Input = Nothing;
    type Output = Plugins;

    async fn run(context: Context<'_>, _: Nothing) -> Result<Plugins, ToolFault> {
        let plugins = context.service.plugins().await;
        let sees_all = context.by.sees_all();
        let plugins = plugins.into_iter().map(|plugin| Plugin {
            name: plugin.name,
            version: plugin.version,
            digest: plugin.digest,
            state: plugin.state,
            cause: plugin.cause.filter(|_| sees_all),
            note: plugin.note,
            identity_providers: plugin.identity_providers,
            daemons: plugin.daemons,
            permissions: plugin.permissions,
        });
        Ok(Plugins {
            plugins: plugins.collect(),
        })
    }
}
