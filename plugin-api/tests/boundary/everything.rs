//! The plugin that the tests drive: an entry for each kind of trouble.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use kora_plugin_api::{
    BackgroundDaemon, Completion, CompletionRequest, Config, Content, Daemon, ErrorKind, Event, Host,
    IdentityProvider, Listener, Plugin, PluginError, Prompt, PromptHandler, PromptRequest, PromptResult,
    Registrar, Resource, ResourceContents, ResourceRequest, Result, Snapshot, Subscription, Tool, ToolCall,
    ToolHandler, ToolResult, Webhook, WebhookAnswer, WebhookRequest, serde_json::json,
};
use tokio::sync::Notify;

#[derive(Default)]
pub struct Everything;

impl Plugin for Everything {
    fn register(&self, registrar: &mut Registrar<'_>) -> Result {
        assert_eq!(registrar.config()?.get_str("greeting"), Some("hello"));
        let too_early = Host::default().tenants().expect_err("is not given yet");
        assert_eq!(too_early.kind(), ErrorKind::Unavailable, "{too_early}");
        registrar.identity_provider("plain", Plain)?;
        registrar.identity_provider("fragile", Fragile)?;
        for (what, refused) in [
            ("identity provider", registrar.identity_provider("plain", Plain)),
            ("daemon", {
                registrar.background_daemon(BackgroundDaemon::new("panics", Panics::default))?;
                registrar.background_daemon(BackgroundDaemon::new("panics", Panics::default))
            }),
            ("periodic task", {
                let every = Duration::from_secs(1);
                let twice = BackgroundDaemon::new("twice", Panics::default).periodic_task("a", every);
                registrar.background_daemon(twice.periodic_task("a", every))
            }),
        ] {
            let error = refused.expect_err("a name is used twice").to_string();
            assert!(
                error.contains(what) && error.contains("registered twice"),
                "{error}"
            );
        }
        registrar.background_daemon(
            BackgroundDaemon::new("hangs", Hangs::default)
                .periodic_task("hangs.tick", Duration::from_secs(60))
                .jitter(Duration::from_secs(5)),
        )?;
        registrar.background_daemon(
            BackgroundDaemon::new("neighbour", Neighbour::default).fatal_on_startup_failure(true),
        )?;
        registrar.background_daemon(BackgroundDaemon::new("poor", || Poor))?;
        registrar.background_daemon(BackgroundDaemon::new("last_words", || PanicsWhenDropped))?;
        registrar.listener("ears", Subscription::new().events("kora").states(), Ears)?;
        register_offers(registrar)
    }
}

/// A closure, a function and a type, each of which answers.
fn register_offers(registrar: &mut Registrar<'_>) -> Result {
    registrar.tool(
        Tool::new("adds", Adds)
            .title("Adds")
            .description("Adds two numbers")
            .input_schema(json!({"type": "object", "required": ["a", "b"]}))
            .output_schema(json!({"type": "object"}))
            .read_only()
            .idempotent(true)
            .open_world(false)
            .required_capability("arithmetic")
            .dev_only()
            .timeout(Duration::from_secs(5)),
    )?;
    registrar.tool(Tool::new("plain", |_: Host, call: ToolCall| async move {
        Ok(ToolResult::text(format!(
            "{} of {}",
            call.caller.kind, call.tenant
        )))
    }))?;
    registrar.tool(Tool::new("panics", panics))?;
    let twice = registrar.tool(Tool::new("panics", panics));
    assert!(twice.is_err_and(|error| error.to_string().contains("registered twice")));
    registrar.prompt(Prompt::new("greets", Greets).required("whom", "Who is greeted"))?;
    registrar.resource(Resource::new("notes://{id}", "note", note).mime_type("text/plain"))?;
    registrar.webhook(
        Webhook::new("events", |_: Host, request: WebhookRequest| async move {
            match request.header("x-word") {
                Some("open") => {
                    Ok(WebhookAnswer::accepted().body("text/plain", request.body.len().to_string()))
                }
                _ => Ok(WebhookAnswer::rejected("word_wrong").http_status(403)),
            }
        })
        .headers(["x-word"])
        .max_body_bytes(10),
    )
}

struct Adds;

impl ToolHandler for Adds {
    async fn call(&self, host: &Host, call: ToolCall) -> Result<ToolResult> {
        let (a, b): (i64, i64) = {
            let number = |name: &str| call.arguments.get(name).and_then(|value| value.as_i64());
            number("a")
                .zip(number("b"))
                .ok_or_else(|| PluginError::invalid("two numbers, please"))?
        };
        // Answered by the host that the test makes: it has no `tools/1`.
        assert!(call.progress(1.0, None, "").is_err());
        let sum = host.spawn_blocking(move || a + b).await?;
        ToolResult::json(json!({"sum": sum}))
    }
}

async fn panics(_: Host, _: ToolCall) -> Result<ToolResult> {
    panic!("a tool panics")
}

struct Greets;

impl PromptHandler for Greets {
    async fn get(&self, _: &Host, request: PromptRequest) -> Result<PromptResult> {
        let text = format!("Greet {}.", request.argument("whom"));
        Ok(PromptResult::new()
            .description("A greeting")
            .user(Content::text(text)))
    }

    async fn complete(&self, _: &Host, request: CompletionRequest) -> Result<Completion> {
        Ok(Completion::new([format!("{}a", request.argument.value)]))
    }
}

async fn note(_: Host, request: ResourceRequest) -> Result<Option<ResourceContents>> {
    let id = request.variable("id");
    let contents = ResourceContents::text(&request.uri, "text/plain", format!("note {id}"));
    Ok((id != "0").then_some(contents))
}

struct Plain;

impl IdentityProvider for Plain {
    fn snapshot(&self, tenant: &str, config: &Config) -> Result<Option<Snapshot>> {
        if config.is_set("disabled") {
            return Ok(None);
        }
        Ok(Some(Snapshot::new("Plain", "1", format!("You serve {tenant}."))))
    }
}

struct Fragile;

impl IdentityProvider for Fragile {
    fn snapshot(&self, tenant: &str, _config: &Config) -> Result<Option<Snapshot>> {
        assert_ne!(tenant, "bad");
        Ok(None)
    }
}

/// How many [`Panics`] there were.
pub static MADE: AtomicUsize = AtomicUsize::new(0);

struct Panics {
    number: usize,
}

impl Default for Panics {
    fn default() -> Self {
        let number = MADE.fetch_add(1, Ordering::SeqCst) + 1;
        Self { number }
    }
}

impl Daemon for Panics {
    async fn startup(&self, _host: &Host) -> Result {
        if self.number == 1 {
            panic!("the first one panics");
        }
        Ok(())
    }
}

/// The tick of [`Hangs`] has begun.
pub static ENTERED: Notify = Notify::const_new();
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Its tick never ends, and tells when it is dropped.
#[derive(Default)]
struct Hangs;

struct TellsWhenDropped;

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        LEFT.fetch_add(1, Ordering::SeqCst);
    }
}

impl Daemon for Hangs {
    async fn tick(&self, _host: &Host, _task: &str) -> Result {
        let _tells = TellsWhenDropped;
        ENTERED.notify_one();
        pending().await
    }

    async fn shutdown(&self, _host: &Host) -> Result {
        assert_eq!(LEFT.load(Ordering::SeqCst), 1, "cancelled work has ended before");
        Ok(())
    }
}

#[derive(Default)]
struct Neighbour;

impl Daemon for Neighbour {
    async fn startup(&self, host: &Host) -> Result {
        let computed = host.spawn_blocking(|| 6 * 7).await?;
        assert_eq!(computed, 42);
        Ok(())
    }
}

struct Poor;

impl Daemon for Poor {
    async fn startup(&self, _host: &Host) -> Result {
        Err(PluginError::missing_credential("token"))
    }
}

struct PanicsWhenDropped;

impl Daemon for PanicsWhenDropped {}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("panics when it is dropped");
    }
}

struct Ears;

impl Listener for Ears {
    async fn on_event(&self, _host: &Host, event: &Event) -> Result {
        assert_ne!(event.event_type, "kora.bad");
        Ok(())
    }
}
