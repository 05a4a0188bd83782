//! `cargo xtask schemathesis`: a running host, asked everything that its OpenAPI document allows and much that it does not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::Value;

use crate::{
    artifacts,
    daemon::Daemon,
    home::Home,
    process::{self, AlreadyTold, NotInstalled},
    workspace::repository,
};

/// Known to run against the document; another one is another test.
const PACKAGE: &str = "schemathesis==4.32.5";
/// What must hold of every answer; also that what the document allows is answered, and what it does not is refused.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
     response_schema_conformance,allow_header_conformance,ignored_auth,unsupported_method,missing_required_header,\
     negative_data_rejection,positive_data_acceptance";
/// It does not end by itself.
const STREAM: &str = "/api/events/stream";
/// A host with one tenant, whose callers ask as often as they like.
const CONFIG: &str = "
[http]
listen = \"127.0.0.1:0\"
[webhooks]
listen = \"off\"
[access]
requests_per_second = 0
[tenants.acme]
fallback_prompt = \"prompt.md\"
";
/// The token stands in the environment alone.
const FUZZER_CONFIG: &str = "headers = { Authorization = \"Bearer ${KORA_TOKEN}\" }\n";

/// Hold a running host against its own OpenAPI document
///
/// Installs schemathesis from PyPI into `target/schemathesis` (needs Python 3.10 or newer, and the network the first time), starts a
/// host in a home of its own with one tenant and a caller, and lets schemathesis ask every route but the stream of events. No
/// answer may be a fault of the host's, have a status that the document does not name, or another form than it says; what the document
/// allows is answered, and what it does not is refused.
#[derive(Args)]
pub struct Schemathesis {
    /// The most cases that are made up for each route
    #[arg(long, default_value_t = 200)]
    examples: u32,
    /// Make up the same cases again
    #[arg(long)]
    seed: Option<u64>,
}

impl Schemathesis {
    /// Installs, starts, asks, stops.
    pub fn run(self) -> Result<()> {
        let folder = repository().join("target/schemathesis");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let schemathesis = install(&folder)?;
        let kora = artifacts::build_kora()?;
        let place = tempfile::Builder::new()
            .prefix("kora-schemathesis-")
            .tempdir_in("/tmp")?;
        let home = Home {
            root: place.path().join("home"),
            kora,
        };
        let token = prepare(&home)?;
        let mut host = Daemon::start(&home, &place.path().join("daemon.log"))?;
        let address = host.wait_until("the host runs", || address(&home))?;
        fill(&home)?;
        let held = self.ask(&schemathesis, place.path(), &address, &token)?;
        let log = host.log_end();
        let ended = host.stop()?;
        if !held || !ended.success() {
            eprintln!("the host ended with {ended}{log}");
            return Err(AlreadyTold.into());
        }
        Ok(())
    }

    /// Whether everything held. What schemathesis says goes to the terminal.
    fn ask(&self, schemathesis: &Path, place: &Path, address: &str, token: &str) -> Result<bool> {
        let config = place.join("schemathesis.toml");
        fs::write(&config, FUZZER_CONFIG)?;
        let document = format!("http://{address}/api/openapi.json");
        let base = format!("http://{address}");
        let mut command = Command::new(schemathesis);
        command
            .env("KORA_TOKEN", token)
            .arg("--config-file")
            .arg(&config)
            .args(["run", &document, "--url", &base])
            .args(["--checks", CHECKS, "--exclude-path", STREAM])
            .args(["--max-examples", &self.examples.to_string()])
            .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure"])
            .current_dir(place);
        if let Some(seed) = self.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        eprintln!("$ {}", process::shown(&command));
        let status = command.status().context("cannot run schemathesis")?;
        Ok(status.success())
    }
}

/// Installs it unless it is there, and answers the command.
fn install(folder: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let mark = venv.join("installed");
    if fs::read_to_string(&mark).ok().as_deref() != Some(PACKAGE) {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status();
        if !made.is_ok_and(|status| status.success()) {
            let what = "schemathesis needs `python3` with `venv`: on Debian, `apt-get install python3-venv`";
            return Err(NotInstalled(what.to_owned()).into());
        }
        process::run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", PACKAGE]))?;
        fs::write(&mark, PACKAGE)?;
    }
    Ok(venv.join("bin/schemathesis"))
}

/// Makes the home, and answers the token of its caller.
fn prepare(home: &Home) -> Result<String> {
    fs::create_dir_all(&home.root)?;
    let made = process::output(home.command(&["init", "--json"]).stdin(Stdio::null()))?;
    let made: Value = serde_json::from_str(&made)?;
    let token = made["operator_token"]
        .as_str()
        .context("expected the token of a new home")?
        .to_owned();
    fs::write(home.config_file(), CONFIG)?;
    fs::write(home.root.join("prompt.md"), "You are patient.")?;
    Ok(token)
}

/// Something to be told of.
fn fill(home: &Home) -> Result<()> {
    for title in ["first", "second", "third"] {
        home.quietly(&["tickets", "create", title])?;
    }
    home.quietly(&["state", "pause"])?;
    home.quietly(&["state", "resume"])?;
    home.quietly(&["state", "stop", "--level", "1", "--reason", "a test"])
}

/// Where it listens, once it runs.
fn address(home: &Home) -> Result<Option<String>> {
    let output = home.command(&["status", "--json"]).output()?;
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let address = status["http"].as_str().filter(|_| status["state"] == "running");
    Ok(address.map(str::to_owned))
}
