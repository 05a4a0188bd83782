//! The reference page of the tools, made from what `tools/list` shows of them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::service::tools::{ToolSpec, own_specs};

const HEAD: &str = "<!-- Made from the tools' own schemas. Do not edit. -->

# The host's tools

As `tools/list` shows them; [MCP](../mcp.md) says how they are called, what refuses them, and what is noted of it. A tool that needs a
capability needs the one of its own name. Every tool that is about a tenant takes `workspace_id` as well, which a caller of exactly
one tenant may leave out. Unknown arguments are refused unless it is said that they are ignored.
";

/// The page as Markdown.
pub fn tools() -> String {
    let specs = own_specs();
    let mut page = HEAD.to_owned();
    page.push_str("\n| tool | capability | about a tenant | what it does |\n|---|---|---|---|\n");
    for spec in &specs {
        let yes = |is: bool| if is { "yes" } else { "no" };
        // Writing into a String cannot fail.
        let _infallible = writeln!(
            page,
            "| [`{name}`](#{name}) | {} | {} | {} |",
            yes(spec.required_capability.is_some()),
            yes(spec.is_of_tenant),
            spec.title,
            name = spec.name,
        );
    }
    for spec in &specs {
        describe(spec, &mut page);
    }
    page
}

fn describe(spec: &ToolSpec, page: &mut String) {
    let mut notes = Vec::new();
    if let Some(capability) = &spec.required_capability {
        notes.push(format!("Needs the capability `{capability}`."));
    }
    if spec.dev_only {
        notes.push("Refused unless `access.deploy_env` is `dev` or `stg`.".to_owned());
    }
    if !spec.input_schema.contains_key("additionalProperties") {
        notes.push("Unknown arguments are ignored.".to_owned());
    }
    let _infallible = write!(
        page,
        "\n## `{}`\n\n{}\n",
        spec.name,
        wrapped(&format!("{} {}", spec.description, notes.join(" ")))
    );
    let mut takes = properties(&spec.input_schema);
    takes.retain(|property| property.name != "workspace_id");
    table("takes", &takes, page);
    if let Some(schema) = &spec.output_schema {
        table("answers", &properties(schema), page);
    }
}

struct Property<'a> {
    name: &'a str,
    form: String,
    is_required: bool,
    description: &'a str,
}

fn properties<'a>(schema: &'a Map<String, Value>) -> Vec<Property<'a>> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let all = schema.get("properties").and_then(Value::as_object);
    let property = |(name, schema): (&'a String, &'a Value)| Property {
        name,
        form: form(schema),
        is_required: required.contains(&name.as_str()),
        description: schema["description"].as_str().unwrap_or_default(),
    };
    all.into_iter().flatten().map(property).collect()
}

fn table(head: &str, properties: &[Property<'_>], page: &mut String) {
    if properties.is_empty() {
        return;
    }
    let _infallible = write!(page, "\n| {head} | form | |\n|---|---|---|\n");
    for property in properties {
        let optional = match head {
            "takes" if !property.is_required => ", optional",
            _ => "",
        };
        let description = property.description.replace('\n', " ");
        let _infallible = writeln!(
            page,
            "| `{}` | {}{optional} | {description} |",
            property.name, property.form
        );
    }
}

/// What a value looks like, in a word or two.
fn form(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        return format!("`{}`", words.join("`, `"));
    }
    if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let mut forms: Vec<_> = choices.iter().map(form_of_choice).collect();
        forms.dedup();
        return forms.join(" or ");
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => "object".to_owned(),
    };
    let range = match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (Some(least), Some(most)) => format!(" {least} to {most}"),
        _ => String::new(),
    };
    match schema["default"].as_u64() {
        Some(default) => format!("{kind}{range} ({default})"),
        None => format!("{kind}{range}"),
    }
}

/// A choice among words is told by its word.
fn form_of_choice(schema: &Value) -> String {
    match schema["const"].as_str() {
        Some(word) => format!("`{word}`"),
        None => form(schema),
    }
}

/// At most this many characters on a line of text.
const WIDTH: usize = 120;

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map_or(0, |line| line.len());
        if line > 0 && line + 1 + word.len() > WIDTH {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_tool_with_what_it_takes_and_answers() {
        let page = tools();
        for spec in own_specs() {
            assert!(page.contains(&format!("## `{}`", spec.name)), "{}", spec.name);
        }
        for part in [
            "| `limit` | integer 1 to 200 (50), optional |",
            "capability `kora__request_pause`.",
            "| `provider_unavailable` | boolean |",
            "`slack`, `email`",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
