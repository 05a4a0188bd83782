//! Tools.

use super::table::Table;
use crate::service::api::Tool;

/// A line each.
pub(in crate::cli) fn tools(tools: &Vec<Tool>) -> String {
    Table::new(["NAME", "KIND", "OF", "CAPABILITY", "TITLE"])
        .rows(tools, |tool| {
            let of = if tool.is_of_tenant { "tenant" } else { "host" };
            [
                tool.name.clone(),
                tool.kind.clone(),
                of.to_owned(),
                tool.required_capability.clone().unwrap_or_default(),
                tool.title.clone(),
            ]
        })
        .to_text("there are no tools")
}
