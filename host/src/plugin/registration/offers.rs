//! What a plugin registers for callers of the host: tools, prompts, resources, webhooks. Read as hostile input.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{BadRegistration, LONGEST_TIMEOUT, bad, between, is_word, unique};
use crate::domain::{PromptName, ResourceUri, ToolName};

/// A schema larger than this is no description of arguments any more.
const SCHEMA_BYTES: usize = 64 << 10;
/// Shown in one line.
const TITLE_CHARS: usize = 200;
/// A page of text, read by a model each time it looks at its tools.
const DESCRIPTION_CHARS: usize = 4000;
/// Arguments of one prompt, headers of one webhook.
const MOST_PARTS: usize = 32;
/// A capability is as long as a tool's name at most.
const CAPABILITY_BYTES: usize = 64;
/// How long a tool may take unless it says otherwise.
const TOOL_DEADLINE: Duration = Duration::from_secs(60);
/// How long a prompt or a resource may take unless it says otherwise.
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// How long a webhook may take unless it says otherwise: who sends one does not wait for long.
const WEBHOOK_DEADLINE: Duration = Duration::from_secs(10);
/// Whoever sends a webhook holds a connection meanwhile.
const LONGEST_WEBHOOK: Duration = Duration::from_secs(60);
/// What a webhook takes unless it says otherwise.
const WEBHOOK_BODY_BYTES: u64 = 1 << 20;
/// A body is held in memory whole.
const LARGEST_WEBHOOK_BODY: u64 = 16 << 20;

/// A tool.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRegistration {
    /// Unique in the host.
    pub name: ToolName,
    /// How the plugin knows it.
    pub handle: u64,
    /// For humans.
    #[serde(default)]
    pub title: Option<String>,
    /// For models: what it does and when to call it.
    #[serde(default)]
    pub description: String,
    /// JSON Schema 2020-12 of an object.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of `structuredContent`.
    #[serde(default)]
    pub output_schema: Option<Value>,
    /// What it says of its own effects.
    pub annotations: ToolAnnotations,
    /// Without this capability nobody calls it.
    pub required_capability: String,
    /// Refused where the host runs in production.
    #[serde(default)]
    pub dev_only: bool,
    /// How long a call may take; absent: 60 s.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// What a tool says of its own effects: MCP's four hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a hint of its own")]
pub struct ToolAnnotations {
    /// It changes nothing.
    pub read_only: bool,
    /// It may take away or overwrite.
    pub destructive: bool,
    /// The same call twice does what it does once.
    pub idempotent: bool,
    /// It talks to things outside of the host.
    pub open_world: bool,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptRegistration {
    /// Unique in the host.
    pub name: PromptName,
    /// How the plugin knows it.
    pub handle: u64,
    /// For humans.
    #[serde(default)]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What it takes.
    #[serde(default)]
    pub arguments: Vec<PromptArgument>,
    /// How long getting it may take; absent: 30 s.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// An argument of a prompt: a text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptArgument {
    /// Unique in the prompt.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Whether it must be given.
    #[serde(default)]
    pub required: bool,
}

/// A resource, or a template of many.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRegistration {
    /// Unique in the host. With a variable in braces it is a template.
    pub uri: ResourceUri,
    /// How the plugin knows it.
    pub handle: u64,
    /// For programs.
    pub name: String,
    /// For humans.
    #[serde(default)]
    pub title: Option<String>,
    /// What it holds.
    #[serde(default)]
    pub description: String,
    /// What kind of content.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// How long reading it may take; absent: 30 s.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookRegistration {
    /// The last part of its path. Unique in the plugin.
    pub name: String,
    /// How the plugin knows it.
    pub handle: u64,
    /// Which headers the plugin is told of, in lower case.
    #[serde(default)]
    pub headers: Vec<String>,
    /// The largest body; absent: 1 MiB.
    #[serde(default)]
    pub max_body_bytes: Option<u64>,
    /// How long an answer may take; absent: 10 s.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

impl ToolRegistration {
    /// How long a call may take.
    pub fn deadline(&self) -> Duration {
        self.timeout_ms.map_or(TOOL_DEADLINE, Duration::from_millis)
    }

    fn check(&self) -> Result<(), BadRegistration> {
        let what = |field: &str| format!("tool `{}`: {field}", self.name);
        check_texts(&what, self.title.as_deref(), &self.description)?;
        check_timeout(&what, self.timeout_ms, LONGEST_TIMEOUT)?;
        if !is_capability(&self.required_capability) {
            return bad(what(
                "required_capability takes 1 to 64 letters, digits, `_`, `-`, `.` and `:`, the first a letter or digit",
            ));
        }
        if self.input_schema.get("type").is_none_or(|kind| kind != "object") {
            return bad(what("input_schema must be a schema with `type: \"object\"`"));
        }
        check_schema(&what("input_schema"), &self.input_schema)?;
        let output = self.output_schema.as_ref();
        output.map_or(Ok(()), |schema| check_schema(&what("output_schema"), schema))
    }
}

impl PromptRegistration {
    /// How long getting it may take.
    pub fn deadline(&self) -> Duration {
        self.timeout_ms.map_or(READ_DEADLINE, Duration::from_millis)
    }

    fn check(&self) -> Result<(), BadRegistration> {
        let what = |field: &str| format!("prompt `{}`: {field}", self.name);
        check_texts(&what, self.title.as_deref(), &self.description)?;
        check_timeout(&what, self.timeout_ms, LONGEST_TIMEOUT)?;
        if self.arguments.len() > MOST_PARTS {
            return bad(what("arguments takes at most 32"));
        }
        for argument in &self.arguments {
            check_texts(&what, None, &argument.description)?;
        }
        let names = self.arguments.iter().map(|a| (a.name.as_str(), None));
        unique(&what("argument"), is_argument, names)
    }
}

impl ResourceRegistration {
    /// How long reading it may take.
    pub fn deadline(&self) -> Duration {
        self.timeout_ms.map_or(READ_DEADLINE, Duration::from_millis)
    }

    fn check(&self) -> Result<(), BadRegistration> {
        let what = |field: &str| format!("resource `{}`: {field}", self.uri);
        check_texts(&what, Some(&self.name), "")?;
        check_texts(&what, self.title.as_deref(), &self.description)?;
        check_timeout(&what, self.timeout_ms, LONGEST_TIMEOUT)?;
        if self.name.is_empty() {
            return bad(what("name is empty"));
        }
        if self.mime_type.as_ref().is_some_and(|kind| !is_mime_type(kind)) {
            return bad(what("mime_type is none"));
        }
        super::super::offers::Template::parse(self.uri.as_str())
            .map(drop)
            .or_else(|why| bad(what(why)))
    }
}

impl WebhookRegistration {
    /// How long an answer may take.
    pub fn deadline(&self) -> Duration {
        self.timeout_ms.map_or(WEBHOOK_DEADLINE, Duration::from_millis)
    }

    /// The largest body.
    pub fn body_limit_bytes(&self) -> u64 {
        self.max_body_bytes.unwrap_or(WEBHOOK_BODY_BYTES)
    }

    fn check(&self) -> Result<(), BadRegistration> {
        let what = |field: &str| format!("webhook `{}`: {field}", self.name);
        check_timeout(&what, self.timeout_ms, LONGEST_WEBHOOK)?;
        if self.body_limit_bytes() > LARGEST_WEBHOOK_BODY {
            return bad(what(&format!(
                "max_body_bytes is {}, expected at most {LARGEST_WEBHOOK_BODY}",
                self.body_limit_bytes()
            )));
        }
        if self.headers.len() > MOST_PARTS || !self.headers.iter().all(|name| is_header(name)) {
            return bad(what("headers takes at most 32 names in lower case"));
        }
        Ok(())
    }
}

/// Each by itself, and that no name and no handle is there twice.
pub(super) fn check(registration: &super::Registration) -> Result<(), BadRegistration> {
    let (tools, prompts) = (&registration.tools, &registration.prompts);
    let (resources, webhooks) = (&registration.resources, &registration.webhooks);
    // The form was checked while it was read.
    let any = |_: &str| true;
    unique(
        "tool",
        any,
        tools.iter().map(|t| (t.name.as_str(), Some(t.handle))),
    )?;
    let handles = prompts.iter().map(|p| (p.name.as_str(), Some(p.handle)));
    unique("prompt", any, handles)?;
    let handles = resources.iter().map(|r| (r.uri.as_str(), Some(r.handle)));
    unique("resource", any, handles)?;
    let handles = webhooks.iter().map(|w| (w.name.as_str(), Some(w.handle)));
    unique("webhook", is_word, handles)?;
    tools.iter().try_for_each(ToolRegistration::check)?;
    prompts.iter().try_for_each(PromptRegistration::check)?;
    resources.iter().try_for_each(ResourceRegistration::check)?;
    webhooks.iter().try_for_each(WebhookRegistration::check)
}

fn check_texts(
    what: &dyn Fn(&str) -> String,
    title: Option<&str>,
    description: &str,
) -> Result<(), BadRegistration> {
    let is_line = |text: &str| text.chars().count() <= TITLE_CHARS && !text.contains(char::is_control);
    if !title.is_none_or(is_line) {
        return bad(what("its names take one line of at most 200 characters"));
    }
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if description.chars().count() > DESCRIPTION_CHARS || description.contains(is_odd) {
        return bad(what("description takes at most 4000 characters of text"));
    }
    Ok(())
}

fn check_timeout(
    what: &dyn Fn(&str) -> String,
    timeout_ms: Option<u64>,
    longest: Duration,
) -> Result<(), BadRegistration> {
    let timeout_ms = timeout_ms.unwrap_or(1);
    between(&what("timeout_ms"), timeout_ms, Duration::from_millis(1), longest)
}

/// What it refers to must lie within it: nothing is fetched.
fn check_schema(what: &str, schema: &Value) -> Result<(), BadRegistration> {
    if !schema.is_object() {
        return bad(format!("{what} is no JSON object"));
    }
    let bytes = schema.to_string().len();
    if bytes > SCHEMA_BYTES {
        return bad(format!(
            "{what} has {bytes} bytes, expected at most {SCHEMA_BYTES}"
        ));
    }
    match jsonschema::draft202012::new(schema) {
        Ok(_) => Ok(()),
        Err(error) => bad(format!(
            "{what} is no JSON Schema 2020-12, with a fault at `{}`: {error}",
            error.instance_path()
        )),
    }
}

/// The form of what `callers.toml` lists.
fn is_capability(text: &str) -> bool {
    text.len() <= CAPABILITY_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

fn is_argument(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A header's name that needs no other case.
fn is_header(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// `type/subtype`, with parameters if need be.
pub(in super::super) fn is_mime_type(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+/;= \"".contains(&b);
    text.len() <= 100
        && text
            .split_once('/')
            .is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
        && text.bytes().all(fits)
}
