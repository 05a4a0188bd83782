//! A tool as `tools/list` shows it.

use rmcp::model::{MetaObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use crate::service::tools::ToolSpec;

/// Whether the tool needs a capability, and whether it is for development alone: keys of the original, kept in `_meta` where the
/// protocol has no place of its own for them.
fn hints(spec: &ToolSpec) -> [(&'static str, bool); 2] {
    [
        ("requires_cap_gate", spec.required_capability.is_some()),
        ("dev_only", spec.dev_only),
    ]
}

/// As the protocol shows it.
pub(super) fn tool(spec: &ToolSpec) -> Tool {
    let mut tool = Tool::new(
        spec.name.clone(),
        spec.description.clone(),
        spec.input_schema.clone(),
    );
    let hint = spec.annotations;
    tool.title = Some(spec.title.to_string());
    tool.output_schema.clone_from(&spec.output_schema);
    tool.annotations = Some(
        ToolAnnotations::with_title(spec.title.to_string())
            .read_only(hint.read_only)
            .destructive(hint.destructive)
            .idempotent(hint.idempotent)
            .open_world(hint.open_world),
    );
    let mut meta = MetaObject::new();
    for (key, value) in hints(spec) {
        meta.insert(key.to_owned(), value.into());
    }
    tool.meta = Some(meta);
    tool
}

/// As the original showed it: the same, with its keys at the top.
pub(super) fn bare_tool(spec: &ToolSpec) -> Value {
    let mut shown = serde_json::to_value(tool(spec)).unwrap_or_else(|_| json!({}));
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("_meta");
        for (key, value) in hints(spec) {
            shown.insert(key.to_owned(), value.into());
        }
    }
    shown
}
