//! What the protocol asks for, and who answers it. One of these is made for each request, or for each stream of standard input.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
        CustomRequest, CustomResult, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
        Implementation, InitializeRequestParams, InitializeResult, InputRequiredResult, InputResponses,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, Reference, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
    },
    service::{RequestContext, SubscriptionContext},
};
use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{fault, notices, params, prompts, resources, shown, subscriptions};
use crate::{
    access::{AuditResult, Principal, Source},
    service::{
        Service,
        tools::{Answer, Round, ToolCall, ToolFault, Tools, Wanted},
    },
};

const INSTRUCTIONS: &str = "Steers a host of AI agents. Tools of one tenant take an optional `workspace_id`; `kora__daemon_status` \
     shows the session id that a stop command is confirmed with.";

/// The revisions of the protocol that are spoken, the oldest first.
pub fn versions() -> Vec<ProtocolVersion> {
    vec![
        ProtocolVersion::V_2025_06_18,
        ProtocolVersion::V_2025_11_25,
        ProtocolVersion::V_2026_07_28,
    ]
}

/// Tells on whose behalf a request is answered, at the moment when it is.
pub type Asker = Arc<dyn Fn() -> Principal + Send + Sync>;

/// Asks for an answer whether it may come to be a stream: each takes something of the host for as long as it is open.
pub type MayStream = Arc<dyn Fn() -> bool + Send + Sync>;

/// Answers for one principal.
#[derive(Clone)]
pub struct McpHandler {
    pub(super) service: Arc<Service>,
    pub(super) tools: Arc<Tools>,
    by: Asker,
    pub(super) source: Source,
    /// Absent where all answers go down one stream that is open anyway.
    may_stream: Option<MayStream>,
}

impl McpHandler {
    /// For `by`, whose requests came in by `source`.
    pub fn new(service: Arc<Service>, tools: Arc<Tools>, by: Principal, source: Source) -> Self {
        Self::for_asker(service, tools, Arc::new(move || by.clone()), source)
    }

    /// For whoever `by` tells with each request: on a stream that goes on, what he may can change.
    pub const fn for_asker(service: Arc<Service>, tools: Arc<Tools>, by: Asker, source: Source) -> Self {
        Self {
            service,
            tools,
            by,
            source,
            may_stream: None,
        }
    }

    /// The same, of which an answer becomes a stream only if it may: what a tool tells while it works is left out otherwise.
    pub fn streaming(self, may_stream: MayStream) -> Self {
        Self {
            may_stream: Some(may_stream),
            ..self
        }
    }

    /// Whether something may be told before the answer.
    pub(super) fn may_stream(&self) -> bool {
        self.may_stream.as_ref().is_none_or(|may| may())
    }

    /// Tells on whose behalf it answers.
    pub(super) fn asker(&self) -> Asker {
        self.by.clone()
    }

    /// On whose behalf it answers now.
    pub(super) fn by(&self) -> Principal {
        (self.by)()
    }

    /// Calls a tool through the gate.
    pub(super) async fn tool(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        round: Round,
    ) -> Result<Answer, ToolFault> {
        let call = ToolCall {
            by: self.by(),
            source: self.source,
            name: name.to_owned(),
            arguments,
            round,
        };
        Box::pin(self.tools.call(call)).await
    }

    /// Whether a plugin has it that acts for a tenant of this principal's. What others have is not there.
    fn has(&self, wanted: Wanted<'_>) -> bool {
        self.tools.plugin_has_for(&self.by(), wanted)
    }

    /// What the audit says of what is not there for this principal.
    pub(super) fn unread(&self, wanted: Wanted<'_>) -> AuditResult {
        match self.tools.plugin_has(wanted) {
            true => AuditResult::TenantDenied,
            false => AuditResult::Unknown,
        }
    }

    /// Notes what came of something that this principal asked for without a tool.
    pub(super) async fn note_asked_for(&self, sort: &'static str, result: AuditResult) {
        self.tools
            .note_asked_for(&self.by(), self.source, sort, result)
            .await;
    }

    /// Calls one of the host's own tools through the gate.
    pub(super) async fn own_tool(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, ToolFault> {
        let (Answer::Output(output) | Answer::Result(output)) =
            self.tool(name, arguments, Round::default()).await?;
        Ok(output)
    }
}

impl McpHandler {
    async fn ask_plugin(
        &self,
        wanted: Wanted<'_>,
        arguments: Map<String, Value>,
        round: Round,
    ) -> Result<Value, ErrorData> {
        let by = self.by();
        let asked = self.tools.ask_plugin(&by, self.source, wanted, arguments, round);
        let asked = Box::pin(asked).await;
        asked.map_err(|fault| match wanted {
            Wanted::Resource(uri) if matches!(fault, ToolFault::Unknown { .. }) => resources::unknown(uri),
            _ => fault::error(&fault),
        })
    }
}

/// What the protocol brings beside the arguments.
fn round(
    context: &RequestContext<RoleServer>,
    input_responses: Option<InputResponses>,
    request_state: Option<String>,
) -> Round {
    let capabilities = context
        .client_capabilities()
        .and_then(|can| serde_json::to_value(can).ok());
    Round {
        client_capabilities: capabilities.and_then(|can| can.as_object().cloned()),
        input_responses: input_responses.map(|responses| responses.into_iter().collect()),
        request_state,
        notices: None,
    }
}

pub(super) fn is_input_required(result: &Value) -> bool {
    result.get("resultType").and_then(Value::as_str) == Some("input_required")
}

/// What a plugin answered was held against the protocol's shape before; what the protocol's library does not take after all is told as
/// a fault of the plugin's.
fn read<T: DeserializeOwned>(result: Value) -> Result<T, ErrorData> {
    serde_json::from_value(result)
        .map_err(|_| fault::error(&ToolFault::Failed("plugin.bad_answer".to_owned())))
}

/// A result that is whole says so: clients of the current revision tell it from one that asks back.
fn complete<T: DeserializeOwned>(mut result: Value) -> Result<T, ErrorData> {
    if let Some(result) = result.as_object_mut() {
        result.entry("resultType").or_insert_with(|| "complete".into());
    }
    read(result)
}

/// What a plugin asks back, if the client said that it can be asked that.
fn asked_back(result: Value, context: &RequestContext<RoleServer>) -> Result<InputRequiredResult, ErrorData> {
    let version = context.protocol_version();
    let is_current =
        version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
    // Clients of before cannot be asked back at all, which the protocol's library tells them.
    if is_current {
        let can = context
            .client_capabilities()
            .and_then(|can| serde_json::to_value(can).ok());
        let missing = missing_capabilities(&result, &can.unwrap_or_default());
        if !missing.is_empty() {
            let missing = read(Value::Object(missing))?;
            return Err(ErrorData::missing_required_client_capability(missing));
        }
    }
    read(result)
}

/// What a client would have to be able to do, and did not say that it is.
fn missing_capabilities(result: &Value, can: &Value) -> Map<String, Value> {
    let asked = result["inputRequests"].as_object().into_iter().flatten();
    let capability = |(_, request): (&String, &Value)| match request["method"].as_str()? {
        "sampling/createMessage" => Some("sampling"),
        "elicitation/create" => Some("elicitation"),
        "roots/list" => Some("roots"),
        _ => None,
    };
    asked
        .filter_map(capability)
        .filter(|capability| can.get(*capability).is_none())
        .map(|capability| (capability.to_owned(), Value::Object(Map::new())))
        .collect()
}

impl ServerHandler for McpHandler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("kora", env!("CARGO_PKG_VERSION")).with_title("kora"))
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Owned(versions())
    }

    /// Whoever initialises speaks a revision of before, in which nothing is told outside of a request: it is promised no such thing.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut info = self.negotiate_initialize(&request)?;
        context.peer.set_peer_info(request);
        let capabilities = &mut info.capabilities;
        if let Some(resources) = &mut capabilities.resources {
            (resources.subscribe, resources.list_changed) = (None, None);
        }
        if let Some(tools) = &mut capabilities.tools {
            tools.list_changed = None;
        }
        if let Some(prompts) = &mut capabilities.prompts {
            prompts.list_changed = None;
        }
        Ok(info)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.tools.list_for(&self.by());
        let tools = tools.iter().map(|spec| shown::tool(spec)).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        // The transport holds headers against the schema, with each call, and looks at nothing else.
        let spec = self.tools.spec_for(&self.by(), name)?;
        Some(Tool::new(spec.name.clone(), "", spec.input_schema.clone()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let mut round = round(&context, request.input_responses, request.request_state);
        let answer = if self.tools.is_own(&request.name) {
            self.tool(&request.name, arguments, round).await
        } else {
            let (notices, told) = notices::channel();
            round.notices = Some(notices);
            let call = self.tool(&request.name, arguments, round);
            Box::pin(notices::while_forwarding(self, &context, told, call)).await
        };
        match answer.map_err(|fault| fault::error(&fault))? {
            Answer::Output(output) => Ok(CallToolResult::structured(output).into()),
            Answer::Result(result) if is_input_required(&result) => Ok(asked_back(result, &context)?.into()),
            Answer::Result(result) => Ok(complete::<CallToolResult>(result)?.into()),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut listed = prompts::list(self);
        listed.extend(
            self.tools
                .plugin_prompts(&self.by())
                .into_iter()
                .filter_map(|prompt| read(prompt).ok()),
        );
        Ok(ListPromptsResult::with_all_items(listed))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if !self.has(Wanted::Prompt(&request.name)) {
            return prompts::get(self, &request.name).await.map(Into::into);
        }
        let round = round(&context, request.input_responses, request.request_state);
        let arguments = request.arguments.unwrap_or_default();
        let result = self
            .ask_plugin(Wanted::Prompt(&request.name), arguments, round)
            .await?;
        if is_input_required(&result) {
            return Ok(asked_back(result, &context)?.into());
        }
        Ok(complete::<GetPromptResult>(result)?.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut listed = resources::list(self);
        let (plain, _) = self.tools.plugin_resources(&self.by());
        listed.extend(plain.into_iter().filter_map(|resource| read(resource).ok()));
        Ok(ListResourcesResult::with_all_items(listed))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut listed = resources::templates();
        let (_, templates) = self.tools.plugin_resources(&self.by());
        listed.extend(templates.into_iter().filter_map(|template| read(template).ok()));
        Ok(ListResourceTemplatesResult::with_all_items(listed))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if !self.has(Wanted::Resource(&request.uri)) {
            return resources::read(self, &request.uri).await.map(Into::into);
        }
        let round = round(&context, request.input_responses, request.request_state);
        let result = self
            .ask_plugin(Wanted::Resource(&request.uri), Map::new(), round)
            .await?;
        if is_input_required(&result) {
            return Ok(asked_back(result, &context)?.into());
        }
        Ok(complete::<ReadResourceResult>(result)?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = request
            .context
            .and_then(|context| context.arguments)
            .unwrap_or_default();
        let known = known
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        let wanted = match &request.r#ref {
            Reference::Prompt(prompt) => Wanted::Prompt(&prompt.name),
            Reference::Resource(resource) => Wanted::Resource(&resource.uri),
            _ => return Ok(CompleteResult::default()),
        };
        if !self.has(wanted) {
            let why = self.unread(wanted);
            if why.is_denial() {
                self.note_asked_for("completion", why).await;
            }
            return Ok(CompleteResult::default());
        }
        let argument = (request.argument.name, request.argument.value);
        let by = self.by();
        let answer = Box::pin(self.tools.complete(&by, self.source, wanted, argument, known)).await;
        let completion = answer.map_err(|fault| fault::error(&fault))?;
        complete(serde_json::json!({ "completion": completion }))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(params::refused(request.method, notices::is_current(&context)))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(self, requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        // In a box: the library makes a task of each request that is as large as the largest of these futures.
        Box::pin(subscriptions::run(self, &context)).await;
        Ok(())
    }
}
