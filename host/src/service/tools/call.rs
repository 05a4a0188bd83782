//! The gate that every call of a tool passes, and the audit of what came of it.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt as _;
use serde_json::{Map, Value};

use super::{
    Round, ToolFault, ToolKind, ToolSpec, WORKSPACE_ID,
    catalogue::{Own, own_tools},
    foreign::{Foreign, ForeignTools},
    schema::{as_integers, check},
};
use crate::{
    access::{AuditEntry, AuditLog, AuditResult, Details, Principal, Seam, Source, redacted},
    domain::TenantId,
    service::Service,
};

/// The longest name of a tool that is shown back. Of a longer one nothing is: half a token would no longer be known for one.
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
    /// What the protocol brought beside them.
    pub round: Round,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One of the host's own: as its schema says.
    Output(Value),
    /// A plugin's: a result as MCP has it, or, with `resultType: "input_required"`, what it needs to know first.
    Result(Value),
}

/// All tools there are.
pub struct Tools {
    pub(super) parts: ToolsParts,
    own: Vec<Own>,
    by_name: HashMap<&'static str, usize>,
    foreign: ForeignTools,
}

/// The tool that a call is for.
enum Tool<'a> {
    Own(&'a Own),
    Foreign(Arc<Foreign>),
}

impl Tool<'_> {
    fn spec(&self) -> &ToolSpec {
        match self {
            Self::Own(own) => &own.tool.spec,
            Self::Foreign(foreign) => &foreign.spec,
        }
    }

    fn input(&self) -> &jsonschema::Validator {
        match self {
            Self::Own(own) => &own.input,
            Self::Foreign(foreign) => &foreign.input,
        }
    }
}

/// A call that was let through.
struct Admitted<'a> {
    tool: Tool<'a>,
    tenant: Option<TenantId>,
    arguments: Map<String, Value>,
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
            foreign: ForeignTools::new(&parts.service.plugins),
            parts,
        })
    }

    /// Whether this is one of the host's own, which tell nothing while they work.
    pub fn is_own(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// What is shown of one tool to `by`, if it is one that he could ever use.
    pub fn spec_for(&self, by: &Principal, name: &str) -> Option<Arc<ToolSpec>> {
        let tool = self.find(name).filter(|tool| self.is_shown_to(by, tool))?;
        match tool {
            Tool::Own(own) => Some(own.tool.spec.clone()),
            Tool::Foreign(foreign) => Some(foreign.spec.clone()),
        }
    }

    fn is_shown_to(&self, by: &Principal, tool: &Tool<'_>) -> bool {
        match tool {
            Tool::Own(_) => true,
            Tool::Foreign(foreign) => self.parts.service.shown_to(by)(&foreign.plugin),
        }
    }

    /// Every tool, in the order in which they are listed.
    pub fn list(&self) -> Vec<Arc<ToolSpec>> {
        let own = self.own.iter().map(|own| own.tool.spec.clone());
        let foreign = self.foreign.current(&self.parts.service.plugins);
        own.chain(foreign.iter().map(|foreign| foreign.spec.clone()))
            .collect()
    }

    /// Those of them that `by` could ever use: the host's own, and those of plugins that act for a tenant of his. One that needs a
    /// capability is listed to whoever lacks it, and says so.
    pub fn list_for(&self, by: &Principal) -> Vec<Arc<ToolSpec>> {
        let own = self.own.iter().map(|own| own.tool.spec.clone());
        let foreign = self.foreign.current(&self.parts.service.plugins);
        let is_shown = self.parts.service.shown_to(by);
        let foreign = foreign.iter().filter(|foreign| is_shown(&foreign.plugin));
        own.chain(foreign.map(|foreign| foreign.spec.clone())).collect()
    }

    fn find(&self, name: &str) -> Option<Tool<'_>> {
        if let Some(index) = self.by_name.get(name) {
            return Some(Tool::Own(&self.own[*index]));
        }
        let foreign = self.foreign.current(&self.parts.service.plugins);
        let found = foreign.iter().find(|foreign| foreign.spec.name == name);
        found.cloned().map(Tool::Foreign)
    }

    /// Calls a tool. What was begun goes on to its end although its caller goes away, and is audited in any case.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn call(self: &Arc<Self>, call: ToolCall) -> Result<Answer, ToolFault> {
        let tools = self.clone();
        let work = async move { tools.carry_out(call).await };
        let answered = self.parts.service.run_to_end(work).await;
        // It ends otherwise only with the runtime.
        answered.unwrap_or_else(|_| Err(ToolFault::Failed("host.stopping".to_owned())))
    }

    async fn carry_out(&self, call: ToolCall) -> Result<Answer, ToolFault> {
        let began = Instant::now();
        let mut details = Details::of(&call.by);
        let ToolCall {
            by,
            source,
            name,
            arguments,
            round,
        } = call;
        let mut tenant = None;
        let mut needs_audit = false;
        let work = async {
            let admitted = self.admit(&by, &name, arguments, (&mut details, &mut tenant))?;
            needs_audit = admitted.tool.spec().needs_audit;
            if needs_audit {
                self.make_room(admitted.tenant.as_ref()).await?;
            }
            self.run(&by, admitted, round).await
        };
        // What a tool does wrong is its own affair: a panic is audited and answered like any other fault.
        let outcome = AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(ToolFault::Failed("panic".to_owned())));
        let result = match &outcome {
            Ok((_, audit)) => audit.clone(),
            Err(fault) => {
                details.code = Some(fault.code().to_owned());
                fault.audit_result()
            }
        };
        details.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let tenant = tenant.unwrap_or_else(TenantId::host);
        let changes = needs_audit || details.tool_kind == Some(ToolKind::Mutating.as_str());
        let must_stand = changes && result.status() == "ok";
        self.note(source, tenant.clone(), result, details).await;
        // Who did it outlives the host, as what was done does.
        if must_stand && self.parts.audit.written(&tenant).await.is_err() && needs_audit {
            return Err(ToolFault::audit_unwritten());
        }
        let outcome = outcome.map_err(|fault| fault.told_to(&self.parts.service, &by));
        outcome.map(|(answer, _)| answer)
    }

    /// Before anything is done: a change whose line has no room would be one of nobody's.
    async fn make_room(&self, tenant: Option<&TenantId>) -> Result<(), ToolFault> {
        let host = TenantId::host();
        let made = self.parts.audit.make_room(tenant.unwrap_or(&host)).await;
        made.map_err(|_| ToolFault::audit_unavailable())
    }

    async fn run(
        &self,
        by: &Principal,
        admitted: Admitted<'_>,
        round: Round,
    ) -> Result<(Answer, AuditResult), ToolFault> {
        let Admitted {
            tool,
            tenant,
            arguments,
        } = admitted;
        let service = &self.parts.service;
        if let Some(tenant) = &tenant {
            service.need(Some(tenant.as_str())).await;
        }
        // What an agent does is held by a stop command, a call that is about no tenant included; who steers the host is not.
        let acting = match by {
            Principal::Plugin { tenant, .. } => Some(tenant),
            _ => tenant.as_ref().filter(|_| matches!(tool, Tool::Foreign(_))),
        };
        if let Some(tenant) = acting {
            self.check_stop_commands(tenant).await?;
        }
        match tool {
            Tool::Own(own) => {
                let arguments = Value::Object(arguments);
                let done = own.tool.run(service, by, tenant.as_ref(), arguments).await?;
                Ok((Answer::Output(done.output), done.audit))
            }
            Tool::Foreign(foreign) => {
                let no_tenant = || ToolFault::Failed("tenant.missing".to_owned());
                let tenant = tenant.ok_or_else(no_tenant)?;
                let result = foreign.call(service, by, &tenant, arguments, round).await?;
                let audit = match result.get("isError").and_then(Value::as_bool) {
                    Some(true) => AuditResult::Failed,
                    _ => AuditResult::Ok,
                };
                Ok((Answer::Result(result), audit))
            }
        }
    }

    /// Name, capability, development, schema, what the tool itself looks at, tenant: in this order, and nothing is done before all of them passed. What is refused
    /// stands in the audit of the tenant that it was asked for, if that is one of the caller's.
    fn admit(
        &self,
        by: &Principal,
        name: &str,
        mut arguments: Map<String, Value>,
        (details, whose): (&mut Details, &mut Option<TenantId>),
    ) -> Result<Admitted<'_>, ToolFault> {
        let unknown = |is_hidden| ToolFault::Unknown {
            name: shown_name(name),
            is_hidden,
        };
        let tool = self.find(name).ok_or_else(|| unknown(false))?;
        if !self.is_shown_to(by, &tool) {
            return Err(unknown(true));
        }
        let spec = tool.spec();
        as_integers(&spec.input_schema, &mut arguments);
        describe(spec, &arguments, details);
        let named = match spec.is_of_tenant {
            true => arguments.remove(WORKSPACE_ID),
            false => None,
        };
        let tenant = self.tenant_of(&tool, by, named.as_ref());
        if let Ok(found) = &tenant {
            whose.clone_from(found);
        }
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
        let checked = Value::Object(arguments);
        check(tool.input(), &checked)?;
        if let Tool::Own(own) = &tool {
            (own.tool.check)(&self.parts.service, by, &checked)?;
        }
        let tenant = tenant?;
        let arguments = match checked {
            Value::Object(arguments) => arguments,
            // It was one a moment ago.
            _ => Map::new(),
        };
        Ok(Admitted {
            tool,
            tenant,
            arguments,
        })
    }

    /// The tenant that a call is for; `None` for a tool that is about none.
    fn tenant_of(
        &self,
        tool: &Tool<'_>,
        by: &Principal,
        named: Option<&Value>,
    ) -> Result<Option<TenantId>, ToolFault> {
        match tool {
            Tool::Foreign(foreign) => self.tenant_of_plugin(by, named, &foreign.plugin).map(Some),
            Tool::Own(own) if own.tool.spec.is_of_tenant => self.tenant(by, named).map(Some),
            Tool::Own(_) => Ok(None),
        }
    }

    /// The tenant that is named, or the caller's only one. Unknown and forbidden are answered alike.
    pub(super) fn tenant(&self, by: &Principal, named: Option<&Value>) -> Result<TenantId, ToolFault> {
        let named = match named {
            None => None,
            Some(Value::String(text)) => Some(text.as_str()),
            Some(_) => {
                let message = format!("/{WORKSPACE_ID}: expected a text; leave it out to name none");
                return Err(ToolFault::bad_input("tool.input", message));
            }
        };
        Ok(self.parts.service.tenant_for(by, WORKSPACE_ID, named)?)
    }

    pub(super) async fn check_stop_commands(&self, tenant: &TenantId) -> Result<(), ToolFault> {
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

    /// Waits until what was noted so far stands in the files of the audit, for who reads them.
    pub async fn flush_audit(&self) {
        self.parts.audit.flush().await;
    }

    /// Notes what came of something that was asked for without a tool: a prompt or a resource that was refused before the gate of its tool
    /// was asked, a subscription.
    pub async fn note_asked_for(
        &self,
        by: &Principal,
        source: Source,
        sort: &'static str,
        result: AuditResult,
    ) {
        if result != AuditResult::Ok {
            tracing::warn!(sort, caller = by.name(), %result, %source, "[kora.mcp.read_refused]");
        }
        let entry = AuditEntry {
            emitted_at: self.parts.service.clock.now(),
            tenant: TenantId::host(),
            seam: Seam::Read,
            source,
            result,
            details: Details {
                route: Some(sort.to_owned()),
                ..Details::of(by)
            },
        };
        self.parts.audit.note(entry).await;
    }

    /// Into the audit and into the log, side by side.
    async fn note(&self, source: Source, tenant: TenantId, result: AuditResult, details: Details) {
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
            tenant,
            seam: Seam::ToolCalled,
            source,
            result,
            details,
        };
        self.parts.audit.note(entry).await;
    }
}

fn shown_name(name: &str) -> String {
    match name.chars().count() {
        0..=NAME_SHOWN_CHARS => redacted(name, None).into_owned(),
        length => format!("(a name of {length} characters)"),
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

#[cfg(test)]
mod tests;
