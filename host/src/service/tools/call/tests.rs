//! What the audit says of a tool that panics, and when it says it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    access::{AuditEnd, AuditFilter, AuditOptions, read_audit},
    app::tests::{Running, TestHome, end},
    service::tools::{Annotations, Context, HostTool, ToolKind, host_tool::Erased, schema::validator},
};

const SECRET: &str = "what-a-panic-says";

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// A tool that does wrong.
struct Panics;

impl HostTool for Panics {
    const NAME: &'static str = "kora__panics";
    const TITLE: &'static str = "Panic";
    const DESCRIPTION: &'static str = "Panics.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    const IS_OF_TENANT: bool = false;
    type Input = Nothing;
    type Output = Nothing;

    async fn run(_: Context<'_>, _: Nothing) -> Result<Nothing, ToolFault> {
        panic!("{SECRET}")
    }
}

/// A host with this tool and no other. Of its own accord the audit writes nothing for an hour.
struct Scene {
    home: TestHome,
    running: Running,
    tools: Arc<Tools>,
    audit: AuditEnd,
}

impl Scene {
    async fn new() -> Self {
        let home = TestHome::new("");
        let running = home.boot().await;
        let options = AuditOptions {
            directory: home.audit(),
            batch: 100,
            delay: Duration::from_secs(3600),
            max_bytes: 1024 * 1024,
            keep: 1,
        };
        let service = running.service.clone();
        let (log, audit) = AuditLog::start(options, service.clock.clone()).unwrap();
        let tool = Erased::of::<Panics>();
        let input = validator(&tool.spec.input_schema).unwrap();
        let tools = Arc::new(Tools {
            own: vec![Own { tool, input }],
            by_name: [(Panics::NAME, 0)].into(),
            foreign: ForeignTools::new(&service.plugins),
            parts: ToolsParts { service, audit: log },
        });
        Self {
            home,
            running,
            tools,
            audit,
        }
    }

    async fn call(&self, by: Principal) -> Result<Answer, ToolFault> {
        let call = ToolCall {
            by,
            source: Source::McpHttp,
            name: Panics::NAME.to_owned(),
            arguments: Map::new(),
            round: Round::default(),
        };
        self.tools.call(call).await
    }

    /// What is in the file now, the newest first.
    fn written(&self) -> Vec<Value> {
        let all = AuditFilter {
            since: None,
            seam: None,
            contains: None,
            limit: usize::MAX,
        };
        read_audit(&self.home.audit(), &TenantId::host(), &all).unwrap().0
    }

    async fn end(self) {
        drop(self.tools);
        tokio::task::spawn_blocking(|| self.audit.join()).await.unwrap();
        end(self.running).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_panics_is_in_the_audit_before_it_is_answered_and_so_is_a_denial() {
    let scene = Scene::new().await;
    let fault = scene.call(Principal::operator(0)).await.unwrap_err();
    assert_eq!(fault, ToolFault::Failed("panic".to_owned()));
    let lines = scene.written();
    let [line] = lines.as_slice() else {
        panic!("one line, written at once: {lines:?}");
    };
    let details = &line["details"];
    let expected = [
        (&line["seam"], "mcp.tool_called"),
        (&line["source"], "mcp_http"),
        (&details["result"], "exception"),
        (&details["tool_status"], "error"),
        (&details["tool_name"], Panics::NAME),
        (&details["code"], "panic"),
        (&details["caller"], "uid:0"),
    ];
    for (found, expected) in expected {
        assert_eq!(found, expected, "{line}");
    }
    assert!(!line.to_string().contains(SECRET), "{line}");

    scene.call(Principal::Anonymous).await.unwrap_err();
    let lines = scene.written();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["details"]["result"], "capability_denied");
    scene.end().await;
}
