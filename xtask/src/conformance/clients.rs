//! Official clients: the Inspector's command line, which judges schemas strictly, and the Python client in both of its modes.

use anyhow::Result;

use super::{
    ended_well,
    installed::{Node, Python},
    stage::Stage,
};

/// A tool that needs no capability and takes nothing.
const TOOL: &str = "kora__get_operational_state";
/// Lists everything and calls a tool, by the revision that the mode comes to.
const PYTHON: &str = include_str!("clients/client.py");
const MODES: [&str; 2] = ["auto", "legacy"];

/// Runs them, and answers which failed.
pub fn run(node: &Node, python: &Python, stage: &Stage) -> Result<Vec<String>> {
    let url = format!("http://{}/mcp", stage.address());
    let token = format!("Authorization: Bearer {}", stage.token());
    let mut failed = Vec::new();
    let calls: [&[&str]; 4] = [
        &["--method", "tools/list", "--strict"],
        &["--method", "tools/call", "--tool-name", TOOL],
        &["--method", "prompts/list"],
        &["--method", "resources/list"],
    ];
    for call in calls {
        let mut inspector = node.command("mcp-inspector");
        inspector.args(["--cli", &url, "--transport", "http"]).args(call);
        inspector.args(["--header", &token]);
        failed.extend(ended_well(
            &format!("the Inspector: {}", call.join(" ")),
            &mut inspector,
        )?);
    }
    for mode in MODES {
        let mut client = python.command();
        client
            .args(["-c", PYTHON, &url, mode])
            .env("TOKEN", stage.token());
        failed.extend(ended_well(&format!("the Python client: {mode}"), &mut client)?);
    }
    Ok(failed)
}
