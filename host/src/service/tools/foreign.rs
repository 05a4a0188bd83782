//! Tools of plugins: as they are shown, and calling them. They pass the same gate as the host's own.

use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};

use super::{Annotations, ToolFault, ToolKind, ToolSpec, WORKSPACE_ID, schema::validator};
use crate::{
    access::Principal,
    domain::TenantId,
    plugin::{CallNotice, OfferCaller, OfferError, OfferGenerations, OfferRequest, PluginTool, Registry},
    service::Service,
};

/// What a call brings beside its arguments, where it came in by the protocol.
#[derive(Debug, Default)]
pub struct Round {
    /// What the client said it can do.
    pub client_capabilities: Option<Map<String, Value>>,
    /// The answers to what was asked back in the round before.
    pub input_responses: Option<Map<String, Value>>,
    /// What the round before wanted back. It may have been tampered with.
    pub request_state: Option<String>,
    /// Where what is told meanwhile goes.
    pub notices: Option<mpsc::Sender<CallNotice>>,
}

/// A tool of a plugin, ready to be called.
pub(super) struct Foreign {
    pub spec: Arc<ToolSpec>,
    pub plugin: String,
    pub input: Validator,
    output: Option<Validator>,
}

/// Those there are, made anew when they changed.
pub(super) struct ForeignTools {
    generations: watch::Receiver<OfferGenerations>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    generation: Option<u64>,
    tools: Arc<[Arc<Foreign>]>,
}

impl ForeignTools {
    pub fn new(plugins: &Registry) -> Self {
        Self {
            generations: plugins.offer_generations(),
            known: Mutex::default(),
        }
    }

    /// Those there are now.
    pub fn current(&self, plugins: &Registry) -> Arc<[Arc<Foreign>]> {
        let generation = self.generations.borrow().tools;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.generation != Some(generation) {
            let tools = plugins.tools();
            *known = Known {
                generation: Some(generation),
                tools: tools
                    .iter()
                    .filter_map(|tool| foreign(tool))
                    .map(Arc::new)
                    .collect(),
            };
        }
        known.tools.clone()
    }
}

/// What was registered was checked then; a schema that cannot be built after all leaves its tool out.
fn foreign(tool: &PluginTool) -> Option<Foreign> {
    let found = tool.descriptor();
    let input_schema = found.input_schema.as_object()?.clone();
    let output_schema = found.output_schema.as_ref().and_then(Value::as_object).cloned();
    let input = validator(&input_schema).ok()?;
    let output = output_schema.as_ref().map(validator).transpose().ok()?;
    let title = found.title.clone().unwrap_or_else(|| found.name.to_string());
    let hints = found.annotations;
    let spec = ToolSpec {
        name: found.name.to_string().into(),
        title: title.into(),
        description: found.description.clone().into(),
        input_schema: Arc::new(with_workspace_id(input_schema)),
        output_schema: output_schema.map(Arc::new),
        annotations: Annotations {
            read_only: hints.read_only,
            destructive: hints.destructive,
            idempotent: hints.idempotent,
            open_world: hints.open_world,
        },
        required_capability: Some(found.required_capability.parse().ok()?),
        dev_only: found.dev_only,
        is_of_tenant: true,
        kind: ToolKind::Plugin,
        needs_audit: !hints.read_only,
    };
    Some(Foreign {
        spec: Arc::new(spec),
        plugin: tool.plugin().name.to_string(),
        input,
        output,
    })
}

/// As it is shown: with the parameter that names the tenant, which the plugin never sees.
fn with_workspace_id(mut schema: Map<String, Value>) -> Map<String, Value> {
    let properties = schema.entry("properties").or_insert_with(|| Map::new().into());
    if let Some(properties) = properties.as_object_mut() {
        properties
            .entry(WORKSPACE_ID)
            .or_insert_with(super::schema::workspace_id);
    }
    schema
}

impl Foreign {
    /// Calls it. What it answers is a result as MCP has it, or what it needs to know first.
    pub async fn call(
        &self,
        service: &Service,
        by: &Principal,
        tenant: &TenantId,
        arguments: Map<String, Value>,
        round: Round,
    ) -> Result<Value, ToolFault> {
        let request = OfferRequest {
            arguments,
            tenant: tenant.clone(),
            caller: caller(by),
            client_capabilities: round.client_capabilities,
            input_responses: round.input_responses,
            request_state: round.request_state,
        };
        // Without anybody to hear them, notices find no room and are left out.
        let notices = round.notices.unwrap_or_else(|| mpsc::channel(1).0);
        let answered = service
            .plugins
            .call_tool(&self.plugin, &self.spec.name, &request, notices)
            .await;
        let result = answered.map_err(|error| fault(error, &self.spec.name))?;
        self.check_output(&result)?;
        Ok(result)
    }

    /// What a tool says of its output holds for its callers too.
    fn check_output(&self, result: &Value) -> Result<(), ToolFault> {
        let (Some(schema), Some(content)) = (&self.output, result.get("structuredContent")) else {
            return Ok(());
        };
        if schema.is_valid(content) {
            return Ok(());
        }
        tracing::warn!(plugin = self.plugin, tool = %self.spec.name, "what the tool answered does not fit its own output schema");
        Err(ToolFault::Failed("plugin.output".to_owned()))
    }
}

/// Who asks, as plugins are told.
pub(super) fn caller(by: &Principal) -> OfferCaller {
    OfferCaller {
        kind: by.kind().to_owned(),
        name: Some(by.name()),
        actor_id: by.actor_id().map(|id| id.hyphenated().to_string()),
    }
}

/// Only what the plugin says to its caller is told him; of everything else, what sort of fault it was.
pub(super) fn fault(error: OfferError, name: &str) -> ToolFault {
    match error {
        OfferError::Unknown(_) => ToolFault::Unknown {
            name: name.to_owned(),
            is_hidden: false,
        },
        OfferError::Invalid(message) => ToolFault::bad_input("plugin.invalid", message),
        OfferError::NotServed { .. } => ToolFault::bad_input(
            "tenant.not_served_by_plugin",
            "the plugin does not act for this tenant: `[tenants.<id>] plugins` binds it",
        ),
        other => ToolFault::Failed(format!("plugin.{}", other.kind())),
    }
}
