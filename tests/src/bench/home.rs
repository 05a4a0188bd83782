//! Homes, and the `kora` command running in them.

use std::{
    fs::{self, File, Permissions},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Surroundings;

/// How long a host may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long all of very many tenants may take to boot.
const PATIENCE_WITH_MANY: Duration = Duration::from_secs(180);
/// Between two questions whether it is there: short beside what is measured, long beside what asking costs the host.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(1);

const TENANTS: &str = "[tenants.acme]\nidentity = \"kora\"\n[tenants.globex]\nidentity = \"marvin\"\n";

/// Makes a folder that nobody else can write or read.
pub fn private_folder(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    Ok(path.to_owned())
}

/// A home with two plugins and two tenants, and an empty store.
pub struct Home(PathBuf);

impl Home {
    /// With `more` in its configuration.
    pub fn make(surroundings: &Surroundings, path: &Path, more: &str) -> Result<Self> {
        private_folder(path)?;
        let plugins = private_folder(&path.join("plugins"))?;
        for name in ["kora", "marvin"] {
            let (from, to) = (surroundings.library(name), plugins.join(format!("lib{name}.so")));
            fs::copy(&from, &to).with_context(|| format!("cannot copy `{}`", from.display()))?;
            fs::set_permissions(&to, Permissions::from_mode(0o644))?;
        }
        fs::write(path.join("kora.toml"), format!("{more}\n{TENANTS}"))?;
        Ok(Self(path.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn socket(&self) -> PathBuf {
        kora_host::config::Home::at(&self.0).socket()
    }

    /// Starts the host. It boots meanwhile.
    pub fn start(&self, surroundings: &Surroundings) -> Result<Daemon> {
        let log = File::create(self.0.join("log"))?;
        let child = Command::new(surroundings.kora())
            .arg("daemon")
            .env_clear()
            .env("KORA_HOME", &self.0)
            .env("KORA_HTTP_LISTEN", "127.0.0.1:0")
            .env("KORA_WEBHOOKS_LISTEN", "127.0.0.1:0")
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start `kora daemon`")?;
        Ok(Daemon {
            child,
            home: self.0.clone(),
            socket: self.socket(),
        })
    }
}

/// A running host. Killed when it is dropped: its home goes, too.
pub struct Daemon {
    child: Child,
    home: PathBuf,
    socket: PathBuf,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // An error means that it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers that it runs.
    pub fn wait_until_running(&self) -> Result<()> {
        self.wait(PATIENCE, || {
            let status = self.ask(r#"{"id":1,"method":"status"}"#)?;
            Ok(status["result"]["state"] == "running")
        })
    }

    /// Waits until it answers that this tenant is ready.
    pub fn wait_until_ready(&self, tenant: &str) -> Result<()> {
        let question = format!(r#"{{"id":1,"method":"state.show","params":{{"tenant":"{tenant}"}}}}"#);
        self.wait(PATIENCE, || {
            let state = self.ask(&question)?;
            Ok(state["result"]["primary_state"] == "ready")
        })
    }

    /// Waits until it says that no tenant waits to boot any more.
    pub fn wait_until_all_are_ready(&self) -> Result<()> {
        self.wait_until_running()?;
        self.wait(PATIENCE_WITH_MANY, || {
            // A long answer: not to be asked for in a loop.
            thread::sleep(Duration::from_millis(500));
            let status = self.ask(r#"{"id":1,"method":"status"}"#)?;
            let tenants = status["result"]["tenants"].as_array();
            let is_ready = |tenant: &Value| tenant["primary_state"] == "ready";
            Ok(tenants.is_some_and(|tenants| tenants.iter().all(is_ready)))
        })
    }

    /// Stops it in order.
    pub fn stop(mut self) -> Result<()> {
        let told = Command::new("kill").arg(self.pid().to_string()).status()?;
        let ended = self.child.wait()?;
        ensure!(
            told.success() && ended.success(),
            "expected an orderly end, found {ended}"
        );
        Ok(())
    }

    fn wait(&self, patience: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let began = Instant::now();
        while !is_so().unwrap_or(false) {
            ensure!(
                began.elapsed() < patience,
                "waited {} s in vain for the host; its log:\n{}",
                patience.as_secs(),
                fs::read_to_string(self.home.join("log")).unwrap_or_default()
            );
            thread::sleep(BETWEEN_QUESTIONS);
        }
        Ok(())
    }

    /// The result of a call without parameters.
    pub fn call(&self, method: &str) -> Result<Value> {
        let mut answer = self.ask(&format!(r#"{{"id":1,"method":"{method}","params":{{}}}}"#))?;
        ensure!(
            answer.get("result").is_some(),
            "expected a result of `{method}`, found {answer}"
        );
        Ok(answer["result"].take())
    }

    fn ask(&self, question: &str) -> Result<Value> {
        let mut connection = UnixStream::connect(&self.socket)?;
        connection.write_all(question.as_bytes())?;
        connection.write_all(b"\n")?;
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}
