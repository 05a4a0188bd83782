//! What the protocol asks for, and who answers it. One of these is made for each request, or for each stream of standard input.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, GetPromptRequestParams, GetPromptResponse,
        Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
    },
    service::{RequestContext, SubscriptionContext},
};
use std::borrow::Cow;

use super::{fault, prompts, resources, shown, subscriptions};
use crate::{
    access::{Principal, Source},
    service::{
        Service,
        tools::{ToolCall, ToolFault, Tools},
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

/// Answers for one principal.
#[derive(Clone)]
pub struct McpHandler {
    pub(super) service: Arc<Service>,
    pub(super) tools: Arc<Tools>,
    by: Asker,
    pub(super) source: Source,
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
        }
    }

    /// On whose behalf it answers now.
    pub(super) fn by(&self) -> Principal {
        (self.by)()
    }

    /// Calls a tool through the gate.
    pub(super) async fn tool(
        &self,
        name: &str,
        arguments: serde_json::Map<String, serde_json::Value>,
    ) -> Result<serde_json::Value, ToolFault> {
        let call = ToolCall {
            by: self.by(),
            source: self.source,
            name: name.to_owned(),
            arguments,
        };
        self.tools.call(call).await.map(|answer| answer.output)
    }
}

impl ServerHandler for McpHandler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("kora", env!("CARGO_PKG_VERSION")).with_title("kora"))
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Owned(versions())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.tools.list().iter().map(|spec| shown::tool(spec)).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tools = self.tools.list();
        tools
            .iter()
            .find(|spec| spec.name == name)
            .map(|spec| shown::tool(spec))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let output = self.tool(&request.name, arguments).await;
        let output = output.map_err(|fault| fault::error(&fault))?;
        Ok(CallToolResult::structured(output).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::list(self)))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(self, &request.name).await.map(Into::into)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list(self)))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(self, &request.uri).await.map(Into::into)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(self, requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        subscriptions::run(self, &context).await;
        Ok(())
    }
}
