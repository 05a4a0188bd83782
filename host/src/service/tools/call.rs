//! The gate that every call of a tool passes, and the audit of what came of it.

use std::{collections::HashMap, sync::Arc, time::Instant};

use serde_json::{Map, Value};

use super::{
    ToolFault, ToolSpec, WORKSPACE_ID,
    catalogue::{Own, own_tools},
    host_tool::Done,
    schema::check,
};
use crate::{
    access::{AuditEntry, AuditLog, AuditResult, Details, Principal, Seam, Source, redacted},
    domain::TenantId,
    service::Service,
};

/// The longest name of a tool that is shown back.
const NAME_SHOWN_CHARS: usize = 80;

/// What the tools work with.
pub struct ToolsParts {
    /// The use cases.
    pub service: Arc<Service>,
    /// Where every outcome is noted.
    pub audit: AuditLog,
}

/// A call.
#[derive(Debug)]
pub struct ToolCall {
    /// Who calls.
    pub by: Principal,
    /// By which way.
    pub source: Source,
    /// Which tool.
    pub name: String,
    /// With what.
    pub arguments: Map<String, Value>,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// As its schema says.
    pub output: Value,
}

/// All tools there are.
pub struct Tools {
    parts: ToolsParts,
    own: Vec<Own>,
    by_name: HashMap<&'static str, usize>,
}

/// A call that was let through.
struct Admitted {
    index: usize,
    tenant: Option<TenantId>,
    arguments: Value,
}

impl Tools {
    /// The host's own.
    pub fn new(parts: ToolsParts) -> Arc<Self> {
        let own = own_tools();
        let names = own.iter().enumerate();
        let by_name = names.filter_map(|(index, own)| match own.tool.spec.name {
            std::borrow::Cow::Borrowed(name) => Some((name, index)),
            std::borrow::Cow::Owned(_) => None,
        });
        Arc::new(Self {
            by_name: by_name.collect(),
            own,
            parts,
        })
    }

    /// Every tool, in the order in which they are listed.
    pub fn list(&self) -> Vec<Arc<ToolSpec>> {
        self.own.iter().map(|own| own.tool.spec.clone()).collect()
    }

    /// Calls a tool. What was begun goes on to its end although its caller goes away, and is audited in any case.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn call(self: &Arc<Self>, call: ToolCall) -> Result<Answer, ToolFault> {
        let tools = self.clone();
        let work = self
            .parts
            .service
            .tasks
            .spawn(async move { tools.carry_out(call).await });
        // What a tool does wrong is its own affair: a panic is answered like any other fault.
        work.await
            .unwrap_or_else(|_| Err(ToolFault::Failed("panic".to_owned())))
    }

    async fn carry_out(&self, call: ToolCall) -> Result<Answer, ToolFault> {
        let began = Instant::now();
        let mut details = Details {
            caller: Some(call.by.name()),
            caller_actor_kind: Some(call.by.kind().to_owned()),
            caller_actor_id: call.by.actor_id().map(|id| id.hyphenated().to_string()),
            ..Details::default()
        };
        let ToolCall {
            by,
            source,
            name,
            arguments,
        } = call;
        let mut tenant = None;
        let outcome = self
            .attempt(&by, &name, arguments, &mut tenant, &mut details)
            .await;
        let result = match &outcome {
            Ok(done) => done.audit.clone(),
            Err(fault) => {
                details.code = Some(fault.code().to_owned());
                fault.audit_result()
            }
        };
        details.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.note(source, tenant, result, details).await;
        outcome.map(|done| Answer { output: done.output })
    }

    async fn attempt(
        &self,
        by: &Principal,
        name: &str,
        arguments: Map<String, Value>,
        tenant: &mut Option<TenantId>,
        details: &mut Details,
    ) -> Result<Done, ToolFault> {
        let admitted = self.admit(by, name, arguments, details)?;
        tenant.clone_from(&admitted.tenant);
        let service = &self.parts.service;
        if let Some(tenant) = &admitted.tenant {
            service.need(Some(tenant.as_str())).await;
            if matches!(by, Principal::Plugin { .. }) {
                self.check_stop_commands(tenant).await?;
            }
        }
        let own = &self.own[admitted.index];
        own.tool
            .run(service, by, admitted.tenant.as_ref(), admitted.arguments)
            .await
    }

    /// Name, capability, development, schema, tenant: in this order, and nothing is done before all of them passed.
    fn admit(
        &self,
        by: &Principal,
        name: &str,
        mut arguments: Map<String, Value>,
        details: &mut Details,
    ) -> Result<Admitted, ToolFault> {
        let unknown = || ToolFault::Unknown {
            name: redacted(&name.chars().take(NAME_SHOWN_CHARS).collect::<String>(), None).into_owned(),
        };
        let index = self.by_name.get(name).copied().ok_or_else(unknown)?;
        let Own { tool, input } = &self.own[index];
        let spec = &tool.spec;
        describe(spec, &arguments, details);
        if let Some(capability) = &spec.required_capability
            && !by.may(capability)
        {
            details.required_capability = Some(capability.to_string());
            return Err(ToolFault::CapabilityDenied {
                required_capability: capability.to_string(),
                caller_actor_kind: by.kind().to_owned(),
            });
        }
        if spec.dev_only && self.parts.service.config.load().access.is_production() {
            return Err(ToolFault::DevOnly {
                tool: spec.name.to_string(),
            });
        }
        let named = match spec.is_of_tenant {
            true => arguments.remove(WORKSPACE_ID),
            false => None,
        };
        let arguments = Value::Object(arguments);
        check(input, &arguments)?;
        let tenant = match spec.is_of_tenant {
            true => Some(self.tenant(by, named.as_ref())?),
            false => None,
        };
        Ok(Admitted {
            index,
            tenant,
            arguments,
        })
    }

    /// The tenant that is named, or the caller's only one. Unknown and forbidden are answered alike.
    fn tenant(&self, by: &Principal, named: Option<&Value>) -> Result<TenantId, ToolFault> {
        let named = match named {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.as_str()),
            Some(_) => {
                let message = format!("/{WORKSPACE_ID}: expected a text");
                return Err(ToolFault::bad_input("tool.input", message));
            }
        };
        Ok(self.parts.service.tenant_for(by, WORKSPACE_ID, named)?)
    }

    async fn check_stop_commands(&self, tenant: &TenantId) -> Result<(), ToolFault> {
        let service = &self.parts.service;
        let block = match service.controls.book().pre_tool_call(tenant).await {
            Ok(()) => return Ok(()),
            Err(block) => block,
        };
        let data = match serde_json::to_value(&block) {
            Ok(Value::Object(data)) => data,
            _ => Map::new(),
        };
        Err(ToolFault::Blocked {
            error: block.error,
            data,
        })
    }

    /// Into the audit and into the log, side by side.
    async fn note(&self, source: Source, tenant: Option<TenantId>, result: AuditResult, details: Details) {
        let tool = details.tool_name.as_deref().unwrap_or("unknown");
        self.parts.service.metrics.host.tool_called(tool, result.word());
        let caller = details.caller_actor_kind.as_deref().unwrap_or_default();
        let caller_name = details.caller.as_deref().unwrap_or_default();
        if result.is_denial() {
            tracing::warn!(tool, caller_actor_kind = caller, caller = caller_name, %result, %source, "[kora.mcp.tool_denied]");
        } else {
            tracing::info!(tool, caller_actor_kind = caller, caller = caller_name, %result, %source, "[kora.mcp.tool_called]");
        }
        let entry = AuditEntry {
            emitted_at: self.parts.service.clock.now(),
            tenant: tenant.unwrap_or_else(TenantId::host),
            seam: Seam::ToolCalled,
            source,
            result,
            details,
        };
        self.parts.audit.note(entry).await;
    }
}

/// What the audit says of a call before anything is done. Keys that the schema does not know are counted and not named: they may hold
/// anything.
fn describe(spec: &ToolSpec, arguments: &Map<String, Value>, details: &mut Details) {
    details.tool_name = Some(spec.name.to_string());
    details.tool_kind = Some(spec.kind.as_str());
    let known = spec.input_schema.get("properties").and_then(Value::as_object);
    let is_known = |key: &&String| known.is_some_and(|known| known.contains_key(*key));
    details.args_keys = arguments.keys().filter(is_known).cloned().collect();
    details.args_keys.sort();
    details.unknown_args = arguments.len() - details.args_keys.len();
    if spec.name == "kora__request_stop" {
        details.level = arguments
            .get("level")
            .and_then(Value::as_u64)
            .and_then(|level| u8::try_from(level).ok());
        details.dry_run = Some(
            arguments
                .get("dry_run")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
        );
        details.actor_id_present = Some(details.caller_actor_id.is_some());
    }
}
