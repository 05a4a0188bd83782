//! `kora tools`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        view,
    },
    service::{
        Problem, ProblemKind,
        api::{Call, CallTool, Nothing, Tool},
    },
    socket::{BlockingClient, read_answer},
};

/// The argument that names a tenant, on every tool of a tenant's.
const WORKSPACE_ID: &str = "workspace_id";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ToolsCommand {
    /// List the tools of the running host, with the capability that a caller needs for each
    ///
    /// With `--json`, each with its description and its schemas.
    List,
    Call(CallArguments),
}

/// Call a tool as the operator of this machine
///
/// The call passes the same gate, schema and audit as a caller's; the operator has every capability. What the tool answers is JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  done
  1  refused or failed: the error says which fault, with its code; or the tool itself answers that it failed (`isError`) or needs to
     know more first (`input_required`), which is printed as any answer is
  2  the arguments cannot be read, or the daemon cannot be reached")]
pub(in crate::cli) struct CallArguments {
    /// The tool
    #[arg(value_name = "NAME")]
    name: String,
    /// An argument. A value is taken as the tool's schema says: as text, or as JSON where it is no text
    #[arg(value_name = "KEY=VALUE", value_parser = pair, conflicts_with = "arguments")]
    pairs: Vec<(String, String)>,
    /// All arguments as one JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    arguments: Option<Map<String, Value>>,
    /// The tenant; may be left out where there is exactly one
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected `KEY=VALUE`".to_owned()),
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("expected one JSON object".to_owned()),
        Err(error) => Err(format!("expected one JSON object: {error}")),
    }
}

pub(in crate::cli) fn run(command: ToolsCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        ToolsCommand::List => context.ask(&Call::ToolsList(Nothing {}), view::tools::tools),
        ToolsCommand::Call(arguments) => call(arguments, context),
    }
}

fn call(arguments: CallArguments, context: &mut Context<'_>) -> Outcome {
    let daemon = context.daemon()?;
    let CallArguments {
        name,
        pairs,
        arguments,
        tenant,
    } = arguments;
    let mut arguments = match arguments {
        Some(arguments) => arguments,
        None if pairs.is_empty() => Map::new(),
        None => typed(&name, pairs, &daemon)?,
    };
    if let Some(tenant) = tenant
        && let Some(other) = arguments.insert(WORKSPACE_ID.to_owned(), tenant.clone().into())
        && other != tenant
    {
        let message = format!("`--tenant` and `{WORKSPACE_ID}` name two tenants: expected one of them");
        return Err(unreadable("tool.two_tenants", message));
    }
    let answer = daemon.call(&Call::ToolsCall(CallTool { name, arguments }))?;
    context.ui.json(&answer)?;
    Ok(match is_done(&answer) {
        true => Exit::OK,
        false => Exit::FAILED,
    })
}

/// Whether the tool did what it is there for. A tool of a plugin's may answer that it did not.
fn is_done(answer: &Value) -> bool {
    answer["isError"] != true && answer["resultType"] != "input_required"
}

fn unreadable(code: &str, message: String) -> Failure {
    Failure::unreachable(Problem::new(ProblemKind::BadInput, code, message))
}

/// Values as the schema of the tool wants them. What it says nothing of, and whether a value is one of those it wants, the gate judges.
fn typed(
    name: &str,
    pairs: Vec<(String, String)>,
    daemon: &BlockingClient,
) -> Result<Map<String, Value>, Failure> {
    let tools: Vec<Tool> = read_answer(daemon.call(&Call::ToolsList(Nothing {}))?)?;
    let schema = tools.into_iter().find(|tool| tool.name == name);
    let schema = schema
        .map(|tool| Value::Object(tool.input_schema))
        .unwrap_or_default();
    let read = |(key, text): (String, String)| {
        let value = value(&schema["properties"][&key], &text).map_err(|expected| {
            let message = format!("`{key}={text}`: expected {expected}, as the schema of `{name}` says");
            unreadable("tool.argument", message)
        })?;
        Ok((key, value))
    };
    pairs.into_iter().map(read).collect()
}

/// # Errors
/// If it is no text by the schema, and no JSON either: what the schema expects.
fn value(property: &Value, text: &str) -> Result<Value, String> {
    let types: Vec<&str> = match &property["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if types.contains(&"string") {
        return Ok(text.into());
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        // A schema that names no type may want a text all the same.
        Err(_) if types.is_empty() => Ok(text.into()),
        Err(_) => Err(types.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_what_the_schema_says_it_is() {
        let read = |property: Value, text: &str| value(&property, text);
        assert_eq!(read(json!({ "type": "string" }), "2"), Ok(json!("2")));
        assert_eq!(
            read(json!({ "type": ["string", "null"] }), "true"),
            Ok(json!("true"))
        );
        assert_eq!(read(json!({ "type": "integer" }), "2"), Ok(json!(2)));
        assert_eq!(
            read(json!({ "type": "object" }), "{\"a\":1}"),
            Ok(json!({ "a": 1 }))
        );
        assert_eq!(
            read(json!({ "type": "boolean" }), "perhaps"),
            Err("boolean".to_owned())
        );
        assert_eq!(
            read(json!({ "type": ["integer", "null"] }), "5x"),
            Err("integer or null".to_owned())
        );
        assert_eq!(read(Value::Null, "paused"), Ok(json!("paused")));
    }

    #[test]
    fn a_tool_that_says_it_failed_or_asks_back_did_not_do_it() {
        assert!(is_done(&json!({ "primary_state": "ready" })));
        assert!(is_done(&json!({ "content": [], "isError": false })));
        assert!(!is_done(&json!({ "content": [], "isError": true })));
        assert!(!is_done(&json!({ "resultType": "input_required" })));
    }
}
