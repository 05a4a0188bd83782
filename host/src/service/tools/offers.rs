//! Prompts and resources of plugins, through the gate: whose tenant it is, whether a stop command holds it, and the audit.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{
    Round, ToolFault, Tools, WORKSPACE_ID,
    foreign::{caller, fault},
};
use crate::{
    access::{AuditEntry, AuditResult, Details, Principal, Seam, Source},
    domain::TenantId,
    plugin::{CompletionArgument, CompletionRequest, OfferRequest},
};

/// What asks for completions, as the audit names it.
const COMPLETE: &str = "completion/complete";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// A prompt of this name.
    Prompt(&'a str),
    /// The resource under this URI.
    Resource(&'a str),
}

impl Wanted<'_> {
    const fn route(self) -> &'static str {
        match self {
            Self::Prompt(_) => "prompts/get",
            Self::Resource(_) => "resources/read",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Prompt(name) | Self::Resource(name) => name,
        }
    }
}

impl Tools {
    /// The prompts of plugins that `by` could use, as MCP lists them.
    pub fn plugin_prompts(&self, by: &Principal) -> Vec<Value> {
        let is_shown = self.parts.service.shown_to(by);
        let mut prompts = self.parts.service.plugins.prompts();
        prompts.retain(|prompt| is_shown(prompt.plugin().name.as_str()));
        let shown = prompts.iter().map(|prompt| {
            let prompt = prompt.descriptor();
            let arguments = prompt.arguments.iter().map(|argument| {
                json!({ "name": argument.name, "description": argument.description, "required": argument.required })
            });
            let mut shown = json!({
                "name": prompt.name.to_string(),
                "description": prompt.description,
                "arguments": arguments.collect::<Vec<_>>(),
            });
            put(&mut shown, "title", prompt.title.as_deref());
            shown
        });
        shown.collect()
    }

    /// The resources of plugins that `by` could use, as MCP lists them: those, and the templates of many.
    pub fn plugin_resources(&self, by: &Principal) -> (Vec<Value>, Vec<Value>) {
        let is_shown = self.parts.service.shown_to(by);
        let mut resources = self.parts.service.plugins.resources();
        resources.retain(|resource| is_shown(resource.plugin().name.as_str()));
        let shown = resources.iter().map(|resource| {
            let resource = resource.descriptor();
            let uri = resource.uri.to_string();
            let is_template = uri.contains('{');
            let key = if is_template { "uriTemplate" } else { "uri" };
            let mut shown = json!({ key: uri, "name": resource.name, "description": resource.description });
            put(&mut shown, "title", resource.title.as_deref());
            put(&mut shown, "mimeType", resource.mime_type.as_deref());
            (is_template, shown)
        });
        let (templates, plain): (Vec<_>, Vec<_>) = shown.partition(|(is_template, _)| *is_template);
        let bare = |list: Vec<(bool, Value)>| list.into_iter().map(|(_, shown)| shown).collect();
        (bare(plain), bare(templates))
    }

    /// Whether a plugin has it.
    pub fn plugin_has(&self, wanted: Wanted<'_>) -> bool {
        self.plugin_of(wanted).is_some()
    }

    /// Whether a plugin has it that `by` could use.
    pub fn plugin_has_for(&self, by: &Principal, wanted: Wanted<'_>) -> bool {
        let plugin = self.plugin_of(wanted);
        plugin.is_some_and(|plugin| self.parts.service.shown_to(by)(&plugin))
    }

    /// Gets a prompt or reads a resource of a plugin. Answers MCP's result, or what the plugin needs to know first.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn ask_plugin(
        &self,
        by: &Principal,
        source: Source,
        wanted: Wanted<'_>,
        arguments: Map<String, Value>,
        round: Round,
    ) -> Result<Value, ToolFault> {
        let began = Instant::now();
        let mut tenant = None;
        let outcome = self.asked(by, wanted, arguments, round, &mut tenant).await;
        self.note_read((by, source), wanted.route(), tenant, &outcome, began)
            .await;
        outcome
    }

    /// Notes what came of something that was read of a plugin.
    async fn note_read(
        &self,
        (by, source): (&Principal, Source),
        route: &str,
        tenant: Option<TenantId>,
        outcome: &Result<Value, ToolFault>,
        began: Instant,
    ) {
        let details = Details {
            route: Some(route.to_owned()),
            code: outcome.as_ref().err().map(|fault| fault.code().to_owned()),
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..Details::of(by)
        };
        let entry = AuditEntry {
            emitted_at: self.parts.service.clock.now(),
            tenant: tenant.unwrap_or_else(TenantId::host),
            seam: Seam::Read,
            source,
            result: outcome
                .as_ref()
                .map_or_else(ToolFault::audit_result, |_| AuditResult::Ok),
            details,
        };
        self.parts.audit.note(entry).await;
    }

    async fn asked(
        &self,
        by: &Principal,
        wanted: Wanted<'_>,
        mut arguments: Map<String, Value>,
        round: Round,
        tenant: &mut Option<TenantId>,
    ) -> Result<Value, ToolFault> {
        let unknown = || {
            ToolFault::bad_input(
                "offer.unknown",
                format!("`{}` answers: there is no such thing", wanted.route()),
            )
        };
        let plugin = self.plugin_of(wanted).ok_or_else(unknown)?;
        let named = arguments.remove(WORKSPACE_ID);
        let found = self.tenant_of_plugin(by, named.as_ref(), &plugin)?;
        *tenant = Some(found.clone());
        self.check_stop_commands(&found).await?;
        let request = OfferRequest {
            arguments,
            tenant: found,
            caller: caller(by),
            client_capabilities: round.client_capabilities,
            input_responses: round.input_responses,
            request_state: round.request_state,
        };
        let plugins = &self.parts.service.plugins;
        let answered = match wanted {
            Wanted::Prompt(name) => plugins.get_prompt(&plugin, name, &request).await,
            Wanted::Resource(uri) => plugins.read_resource(&plugin, uri, &request).await,
        };
        answered.map_err(|error| fault(error, wanted.name()))
    }

    /// What could stand in an argument of a prompt, or in a variable of a template of resources.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub async fn complete(
        &self,
        by: &Principal,
        source: Source,
        wanted: Wanted<'_>,
        argument: (String, String),
        arguments: Map<String, Value>,
    ) -> Result<Value, ToolFault> {
        let began = Instant::now();
        let mut tenant = None;
        let outcome = self.completed(by, wanted, argument, arguments, &mut tenant).await;
        self.note_read((by, source), COMPLETE, tenant, &outcome, began)
            .await;
        outcome
    }

    async fn completed(
        &self,
        by: &Principal,
        wanted: Wanted<'_>,
        argument: (String, String),
        arguments: Map<String, Value>,
        tenant: &mut Option<TenantId>,
    ) -> Result<Value, ToolFault> {
        let Some(plugin) = self.plugin_of(wanted) else {
            return Err(ToolFault::bad_input(
                "offer.unknown",
                "there is nothing to complete",
            ));
        };
        let (name, value) = argument;
        let found = self.tenant_of_plugin(by, None, &plugin)?;
        *tenant = Some(found.clone());
        self.check_stop_commands(&found).await?;
        let request = CompletionRequest {
            argument: CompletionArgument { name, value },
            arguments,
            tenant: found,
            caller: caller(by),
        };
        let plugins = &self.parts.service.plugins;
        let answered = match wanted {
            Wanted::Prompt(name) => plugins.complete_prompt(&plugin, name, &request).await,
            Wanted::Resource(template) => plugins.complete_resource(&plugin, template, &request).await,
        };
        answered.map_err(|error| fault(error, wanted.name()))
    }

    fn plugin_of(&self, wanted: Wanted<'_>) -> Option<String> {
        let plugins = &self.parts.service.plugins;
        match wanted {
            Wanted::Prompt(name) => {
                let prompts = plugins.prompts();
                let found = prompts
                    .iter()
                    .find(|prompt| prompt.descriptor().name.to_string() == name);
                found.map(|prompt| prompt.plugin().name.to_string())
            }
            Wanted::Resource(uri) => {
                let resources = plugins.resources();
                let template = resources
                    .iter()
                    .find(|resource| resource.descriptor().uri.to_string() == uri);
                template
                    .map(|resource| resource.plugin().name.to_string())
                    .or_else(|| {
                        plugins
                            .resource(uri)
                            .map(|(found, _)| found.plugin().name.to_string())
                    })
            }
        }
    }

    /// The tenant that is named, or the only one of the caller's that the plugin acts for.
    pub(super) fn tenant_of_plugin(
        &self,
        by: &Principal,
        named: Option<&Value>,
        plugin: &str,
    ) -> Result<TenantId, ToolFault> {
        let service = &self.parts.service;
        if named.is_none() {
            let mut tenants = service.seen_tenants(by);
            tenants.retain(|tenant| service.plugins.serves(plugin, tenant));
            if tenants.len() == 1 {
                return Ok(tenants.remove(0));
            }
        }
        self.tenant(by, named)
    }
}

fn put(shown: &mut Value, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        shown[key] = text.into();
    }
}
