//! A host in a home of its own, with the plugin `conformance` and a caller that may call its tools.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read as _,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{
    artifacts,
    daemon::Daemon,
    home::{Home, as_argument, dev_packages},
    socket,
    workspace::repository,
};

const PLUGIN: &str = "conformance";
const MANIFEST: &str = "tests/plugins/conformance/plugin.toml";
/// The suite asks as fast as it can, so there is no limit to how often. Whoever speaks is a prompt: no plugin is needed for that.
const CONFIGURATION: &str = "
[tenants.acme]
fallback_prompt = \"prompt.md\"
plugins = [\"conformance\"]

[access]
requests_per_second = 0
";

/// The host, its address and the caller's token.
pub struct Stage {
    daemon: Daemon,
    address: SocketAddr,
    token: String,
    _folder: TempDir,
}

impl Stage {
    /// Builds what is needed and starts it.
    ///
    /// # Errors
    /// If something cannot be built, or the host does not run with the plugin.
    pub fn set() -> Result<Self> {
        let kora = artifacts::build_kora()?;
        let packages = dev_packages(&[PLUGIN])?;
        // A short path: that of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("kora-mcp-").tempdir_in("/tmp")?;
        let home = Home {
            root: folder.path().join("home"),
            kora,
        };
        home.make()?;
        fs::write(home.config_file(), CONFIGURATION)?;
        fs::write(home.root.join("prompt.md"), "You are patient.\n")?;
        let token = add_caller(&home.root)?;
        for package in &packages {
            home.quietly(&["plugins", "install", as_argument(package)?])?;
        }
        let anywhere = OsStr::new("127.0.0.1:0");
        let log = folder.path().join("daemon.log");
        let variables = [("KORA_HTTP_LISTEN", anywhere), ("KORA_WEBHOOKS_LISTEN", anywhere)];
        let mut daemon = Daemon::start_with(&home, &log, &variables)?;
        let address = daemon.wait_until("it runs with the plugin", || Ok(address_if_ready(&home)))?;
        Ok(Self {
            daemon,
            address,
            token,
            _folder: folder,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The caller's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Stops the host.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn end(self) -> Result<()> {
        let status = self.daemon.stop()?;
        ensure!(status.success(), "expected the host to end well, found {status}");
        Ok(())
    }
}

/// The address, once the host has booted and the plugin runs.
fn address_if_ready(home: &Home) -> Option<SocketAddr> {
    let status = socket::ask(&home.socket(), "status", json!({})).ok()?;
    let plugins = socket::ask(&home.socket(), "plugins.list", json!({})).ok()?;
    let runs = |plugin: &serde_json::Value| plugin["name"] == PLUGIN && plugin["state"] == "running";
    let is_ready = status["state"] == "running" && plugins.as_array()?.iter().any(runs);
    is_ready.then_some(())?;
    status["http"].as_str()?.parse().ok()
}

/// A caller that may call every tool of the plugin. Its token is like those that the host makes.
fn add_caller(home: &Path) -> Result<String> {
    let mut random = [0_u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let token = format!("koratok_{}", hex(&random));
    let manifest = fs::read_to_string(repository().join(MANIFEST))
        .with_context(|| format!("cannot read `{MANIFEST}`"))?;
    let manifest: toml::Table = manifest.parse()?;
    let tools = manifest["provides"]["tools"].as_array();
    let tools: Vec<_> = tools
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .collect();
    let text = format!(
        "[[callers]]\nname = \"suite\"\nkind = \"suite\"\ntoken_hash = \"sha256:{}\"\ntenants = [\"acme\"]\ncapabilities = {tools:?}\n",
        hex(&Sha256::digest(token.as_bytes())),
    );
    let path = home.join("callers.toml");
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(token)
}
