//! The way in for plugins that call tools: the same gate as everybody's.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Answer, Round, ToolCall, ToolFault, Tools};
use crate::{
    access::{Principal, Source},
    domain::TenantId,
    events::Writer,
    plugin::{PluginIdentity, PortError, ToolGate},
};

/// Wired once the tools are made.
pub struct PluginsGate(pub std::sync::Arc<Tools>);

#[async_trait]
impl ToolGate for PluginsGate {
    async fn call(
        &self,
        plugin: &PluginIdentity,
        tenant: TenantId,
        name: &str,
        arguments: Value,
    ) -> Result<Value, PortError> {
        let by = self.principal(plugin, tenant.clone())?;
        let mut arguments = match arguments {
            Value::Object(arguments) => arguments,
            Value::Null => Map::new(),
            _ => return Err(PortError::Invalid("the arguments must be an object".to_owned())),
        };
        let tools = &self.0;
        let is_of_tenant = tools
            .list()
            .iter()
            .any(|spec| spec.name == name && spec.is_of_tenant);
        if is_of_tenant {
            arguments.insert(super::WORKSPACE_ID.to_owned(), tenant.as_str().into());
        }
        let call = ToolCall {
            by,
            source: Source::Plugin,
            name: name.to_owned(),
            arguments,
            round: Round::default(),
        };
        match tools.call(call).await {
            Ok(Answer::Result(result)) => Ok(result),
            Ok(Answer::Output(output)) => Ok(json!({
                "content": [{ "type": "text", "text": output.to_string() }],
                "structuredContent": output,
                "isError": false,
            })),
            Err(fault) => Err(port_error(fault, plugin)),
        }
    }
}

impl PluginsGate {
    /// The capabilities are those that the operator gave the plugin.
    fn principal(&self, plugin: &PluginIdentity, tenant: TenantId) -> Result<Principal, PortError> {
        let version = plugin
            .version
            .parse()
            .map_err(|_| PortError::Failed("the version is not semantic".into()))?;
        let config = self.0.parts.service.config.load();
        let capabilities = config
            .plugins
            .named
            .get(&plugin.name)
            .map(|section| section.capabilities.clone())
            .unwrap_or_default();
        Ok(Principal::Plugin {
            name: plugin.name.clone(),
            writer: Writer::plugin(&plugin.name, &version, plugin.digest),
            tenant,
            capabilities: capabilities.into_iter().collect(),
        })
    }
}

/// A plugin is told one sentence: what stands in the data of a fault for callers has to stand there.
fn port_error(fault: ToolFault, plugin: &PluginIdentity) -> PortError {
    let message = fault.to_string();
    match fault {
        ToolFault::CapabilityDenied {
            required_capability, ..
        } => PortError::Denied(format!(
            "{message}: `{required_capability}` is not among `[plugins.{}] capabilities`",
            plugin.name
        )),
        ToolFault::DevOnly { .. } | ToolFault::ActorIdRequired { .. } | ToolFault::Blocked { .. } => {
            PortError::Denied(message)
        }
        ToolFault::Unknown { .. } | ToolFault::InvalidParams(_) => PortError::Invalid(message),
        ToolFault::Failed(_) => PortError::Failed(message),
    }
}
