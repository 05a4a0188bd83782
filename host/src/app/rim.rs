//! The use cases and the tools behind the control socket.

use std::{collections::BTreeMap, future::pending, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::surface::{self, SocketPace};
use crate::{
    access::{Callers, Source},
    mcp::{Asker, McpHandler, serve_stream},
    service::{
        Principal, Problem, ProblemKind, Service,
        api::{Call, CallTool, Event, LogRecord, ServeMcp, TailEvents, TailLogs, Tool},
        tools::{Answer, Round, ToolCall, ToolFault, ToolSpec, Tools},
    },
    socket::{Conversation, Handler},
};

/// Hands calls of the operator to the use cases and to the tools.
pub struct Rim {
    service: Arc<Service>,
    tools: Arc<Tools>,
    callers: Arc<Callers>,
    pace: Arc<SocketPace>,
}

impl Rim {
    pub fn new(service: Arc<Service>, surface: &surface::Open) -> Self {
        Self {
            service,
            tools: surface.tools.clone(),
            callers: surface.callers.clone(),
            pace: surface.pace.clone(),
        }
    }

    fn list_tools(&self) -> Result<Value, Problem> {
        let shown: Vec<Tool> = self.tools.list().iter().map(|spec| shown(spec)).collect();
        serde_json::to_value(shown)
            .map_err(|error| Problem::new(ProblemKind::Internal, "host.answer", error.to_string()))
    }

    async fn call_tool(&self, by: Principal, call: CallTool) -> Result<Value, Problem> {
        let call = ToolCall {
            by,
            source: Source::Socket,
            name: call.name,
            arguments: call.arguments,
            round: Round::default(),
        };
        match self.tools.call(call).await {
            Ok(Answer::Output(answer) | Answer::Result(answer)) => Ok(answer),
            Err(fault) => Err(problem(fault)),
        }
    }

    /// Whose rights a conversation has, looked up anew for each request: who is revoked meanwhile has none from then on.
    fn asker(&self, caller: Option<String>) -> Result<Asker, Problem> {
        let Some(name) = caller else {
            return Ok(Arc::new(|| Principal::Anonymous));
        };
        let known = self.callers.named(&name).ok_or_else(|| unknown_caller(&name))?;
        let revoked = Principal::Caller(Arc::new(known.without_rights()));
        let callers = self.callers.clone();
        Ok(Arc::new(move || {
            callers
                .named(&name)
                .map_or_else(|| revoked.clone(), Principal::Caller)
        }))
    }
}

#[async_trait]
impl Handler for Rim {
    async fn call(&self, operator_uid: u32, call: Call) -> Result<Value, Problem> {
        let by = Principal::operator(operator_uid);
        match call {
            Call::ToolsList(_) => self.list_tools(),
            Call::ToolsCall(call) => self.call_tool(by, call).await,
            Call::AuditFlush(_) => {
                self.tools.flush_audit().await;
                Ok(Value::Null)
            }
            call => self.service.call(&by, call).await,
        }
    }

    async fn follow(&self, _operator_uid: u32, tail: TailEvents) -> Result<mpsc::Receiver<Event>, Problem> {
        self.service.follow_events(tail).await
    }

    async fn follow_logs(
        &self,
        _operator_uid: u32,
        tail: TailLogs,
    ) -> Result<mpsc::Receiver<LogRecord>, Problem> {
        self.service.follow_logs(tail)
    }

    async fn converse(&self, operator_uid: u32, serve: ServeMcp) -> Result<Conversation, Problem> {
        let caller = serve.caller.clone().unwrap_or_else(|| "nobody".to_owned());
        let gone = until_gone(self.callers.clone(), serve.caller.clone());
        let by = self.asker(serve.caller)?;
        tracing::info!(
            caller,
            operator_uid,
            "[kora.mcp.stdio] a program speaks MCP on behalf of this caller"
        );
        let handler = McpHandler::for_asker(self.service.clone(), self.tools.clone(), by, Source::McpStdio);
        let pace = self.pace.clone();
        Ok(Box::new(move |read, write| {
            Box::pin(async move {
                tokio::select! {
                    served = serve_stream(handler, pace, read, write) => {
                        if let Err(error) = served {
                            tracing::debug!(%error, "a conversation over the control socket broke off");
                        }
                    }
                    () = gone => tracing::info!(
                        caller,
                        "[kora.mcp.stdio] the conversation ends: this caller is no longer in force"
                    ),
                }
            })
        }))
    }
}

fn shown(spec: &ToolSpec) -> Tool {
    let hints = spec.annotations;
    let annotations = [
        ("read_only", hints.read_only),
        ("destructive", hints.destructive),
        ("idempotent", hints.idempotent),
        ("open_world", hints.open_world),
    ];
    Tool {
        name: spec.name.to_string(),
        title: spec.title.to_string(),
        description: spec.description.to_string(),
        kind: spec.kind.as_str().to_owned(),
        required_capability: spec.required_capability.as_ref().map(ToString::to_string),
        dev_only: spec.dev_only,
        is_of_tenant: spec.is_of_tenant,
        annotations: annotations
            .map(|(name, holds)| (name.to_owned(), holds))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        input_schema: (*spec.input_schema).clone(),
        output_schema: spec.output_schema.as_ref().map(|schema| (**schema).clone()),
    }
}

/// A fault as the operator is told of it: its own code and data, and what kind of problem it is.
fn problem(fault: ToolFault) -> Problem {
    let kind = match &fault {
        ToolFault::InvalidParams(problem) => return (**problem).clone(),
        ToolFault::Unknown { .. } => ProblemKind::NotFound,
        ToolFault::CapabilityDenied { .. }
        | ToolFault::DevOnly { .. }
        | ToolFault::ActorIdRequired { .. } => ProblemKind::Denied,
        ToolFault::Blocked { .. } => ProblemKind::WrongState,
        ToolFault::Failed(_) => ProblemKind::Unavailable,
    };
    let mut problem = Problem::new(kind, fault.code(), fault.to_string());
    if let Some(Value::Object(data)) = fault.data() {
        problem.data = data;
    }
    if matches!(fault, ToolFault::Unknown { .. }) {
        problem = problem.hint("`kora tools list` shows those there are");
    }
    problem
}

/// Until there is no caller of that name any more. Nobody cannot be revoked.
async fn until_gone(callers: Arc<Callers>, name: Option<String>) {
    let Some(name) = name else {
        return pending().await;
    };
    let mut changes = callers.changes();
    while callers.named(&name).is_some() {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn unknown_caller(name: &str) -> Problem {
    let message = format!(
        "no caller `{name}` is in force: expected one of `callers.toml` whose entry is sound and whose token was not revoked"
    );
    Problem::new(ProblemKind::NotFound, "caller.unknown", message)
        .with("caller", json!(name))
        .hint("`kora callers list` shows those there are, and what is wrong with the others")
}
