//! `cargo xtask conformance`: the official conformance suite of the Model Context Protocol, and official clients, against a running
//! host. What the suite expects of a server under names of its own comes from the plugin `conformance`, so that what is proved is how
//! plugins are reached.

mod clients;
mod installed;
mod proxy;
mod report;
mod stage;

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use self::{
    installed::{Node, Python},
    proxy::Proxy,
    report::Report,
    stage::Stage,
};
use crate::workspace::repository;

/// The sets of requirements, each as of a revision.
const REQUIREMENTS: [&str; 2] = ["2026-07-28", "2025-11-25"];

/// What fails and is to: `docs/mcp.md` says why. A set and a scenario.
const EXPLAINED: [(&str, &str); 8] = [
    ("2025-11-25", "logging-set-level"),
    ("2025-11-25", "tools-call-with-logging"),
    ("2025-11-25", "tools-call-sampling"),
    ("2025-11-25", "tools-call-elicitation"),
    ("2025-11-25", "elicitation-sep1034-defaults"),
    ("2025-11-25", "elicitation-sep1330-enums"),
    ("2025-11-25", "resources-subscribe"),
    ("2025-11-25", "resources-unsubscribe"),
];

/// Run the official conformance suite and official clients of MCP against a host
///
/// Installs them with npm and pip into `target/conformance` (Node 22 too: the suite needs it), builds `kora` and the plugin
/// `conformance`, and starts a host in a home of its own behind a small proxy that adds the token. Fails if a scenario fails that
/// `docs/mcp.md` does not explain.
#[derive(Args)]
pub struct Conformance {
    /// Only this set of requirements; may be given twice
    #[arg(long, value_name = "REVISION")]
    requirements: Vec<String>,
    /// The clients alone: the Inspector's command line, and the official Python client
    #[arg(long, conflicts_with = "requirements")]
    clients: bool,
    /// The suite alone
    #[arg(long, conflicts_with = "clients")]
    suite: bool,
}

impl Conformance {
    /// Installs, starts, runs and tells.
    pub fn run(self) -> Result<()> {
        let node = Node::installed()?;
        let stage = Stage::set()?;
        let mut failed = Vec::new();
        if !self.clients {
            let wanted = match self.requirements.as_slice() {
                [] => REQUIREMENTS.map(str::to_owned).to_vec(),
                some => some.to_vec(),
            };
            for set in &wanted {
                failed.extend(run_suite(&node, &stage, set)?);
            }
        }
        if !self.suite && self.requirements.is_empty() {
            failed.extend(clients::run(&node, &Python::installed()?, &stage)?);
        }
        stage.end()?;
        ensure!(failed.is_empty(), "these failed: {}", failed.join(", "));
        Ok(())
    }
}

/// Runs one set of requirements, and answers what failed and is not explained, or is and did not fail.
fn run_suite(node: &Node, stage: &Stage, set: &str) -> Result<Vec<String>> {
    let out = repository().join("target/conformance/results").join(set);
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove `{}`", out.display()))?;
    }
    let proxy = Proxy::start(stage.address(), stage.token())?;
    let url = format!("http://{}/mcp", proxy.address());
    let output = node
        .command("conformance")
        .args(["server", "--url", &url, "--requirements", set, "-o"])
        .arg(&out)
        .output()
        .context("cannot run the conformance suite")?;
    let report = Report::read(&String::from_utf8_lossy(&output.stdout), &out)?;
    println!("{report}");
    let explained: Vec<&str> = EXPLAINED
        .iter()
        .filter(|(of, _)| *of == set)
        .map(|(_, scenario)| *scenario)
        .collect();
    Ok(report.surprises(&explained, set))
}

/// Runs a client, says how it ended, and answers its name if it failed.
fn ended_well(what: &str, command: &mut Command) -> Result<Option<String>> {
    let output = command.output().with_context(|| format!("cannot run {what}"))?;
    if output.status.success() {
        println!("✓ {what}");
        return Ok(None);
    }
    println!(
        "✗ {what}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Some(what.to_owned()))
}
