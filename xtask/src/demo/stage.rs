//! Where the tour takes place: a temporary home, the command in it, the host, and the transcript on stdout.

use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    daemon::Daemon,
    home::{Home, TENANTS},
    process::quoted,
};

/// The stage. Its folder is removed with it, and the host is killed that still runs.
pub struct Stage {
    // Before the folder: it writes its log there.
    daemon: Option<Daemon>,
    /// The home, in the folder.
    pub home: Home,
    folder: TempDir,
    began: Instant,
}

impl Stage {
    /// An empty stage.
    ///
    /// # Errors
    /// If the system gives no temporary folder.
    pub fn new(kora: PathBuf) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("kora-demo-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let home = Home {
            root: folder.path().join("home"),
            kora,
        };
        println!("$ export KORA_HOME={}", quoted(&home.root.display().to_string()));
        Ok(Self {
            daemon: None,
            home,
            folder,
            began: Instant::now(),
        })
    }

    /// What the next steps show.
    pub fn heading(&self, text: &str) {
        println!("\n# {text}\n");
    }

    /// What was found, where no command says it.
    pub fn remark(&self, text: &str) {
        println!("→ {text}\n");
    }

    /// Something that a user would type that is not `kora`, and is done here by other means.
    pub fn typed(&self, line: &str) {
        println!("$ {line}");
    }

    /// Runs the command to its end, with what it prints, and answers that of stdout.
    ///
    /// # Errors
    /// If it does not end with 0.
    pub fn kora(&self, arguments: &[&str]) -> Result<String> {
        self.typed(&command_line(arguments));
        let output = self.output(arguments)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown = [&text, &*String::from_utf8_lossy(&output.stderr)].concat();
        println!("{}\n", shown.trim_end());
        ensure!(
            output.status.success(),
            "expected `{}` to end well, found {}{}",
            command_line(arguments),
            output.status,
            self.log_end()
        );
        Ok(text)
    }

    /// What the command answers to programs; not in the transcript.
    ///
    /// # Errors
    /// If it does not end with 0, or prints something else.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.output(&[arguments, &["--json"]].concat())?;
        ensure!(
            output.status.success(),
            "expected `{}` to end well, found {}: {}{}",
            command_line(arguments),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.log_end()
        );
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "expected JSON of `{}`, found something else",
                command_line(arguments)
            )
        })
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.home.command(arguments);
        command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run `{}`", self.home.kora.display()))
    }

    /// Writes the tenants into the configuration.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add_tenants(&self) -> Result<()> {
        self.typed("cat >> $KORA_HOME/kora.toml <<END");
        println!("{}\nEND\n", TENANTS.trim());
        self.home.add_tenants()
    }

    /// Starts the host and waits until it has booted.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(&mut self) -> Result<()> {
        self.typed("kora daemon &");
        let began = Instant::now();
        let mut daemon = Daemon::start(&self.home, &self.folder.path().join("daemon.log"))?;
        let home = self.home.clone();
        let is_running = || {
            let output = home
                .command(&["status", "--json"])
                .stderr(Stdio::null())
                .output()?;
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            Ok((status["state"] == "running").then_some(()))
        };
        daemon.wait_until("it has booted", is_running)?;
        self.daemon = Some(daemon);
        self.remark(&format!(
            "it runs, {:.1} s after it was started",
            began.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// Puts a file into the plugin directory and waits until the host lists that plugin as running. Answers how long that took.
    ///
    /// # Errors
    /// If it does not come.
    pub fn drop_plugin(&mut self, file: &Path, name: &str) -> Result<Duration> {
        let target = self.home.plugins().join(file.file_name().unwrap_or_default());
        let shown = quoted(&file.file_name().unwrap_or_default().to_string_lossy());
        self.typed(&format!("cp {shown} $KORA_HOME/plugins/"));
        fs::copy(file, &target).with_context(|| format!("cannot write `{}`", target.display()))?;
        let began = Instant::now();
        let mut daemon = self
            .daemon
            .take()
            .context("expected a running host, found none")?;
        let is_listed = || Ok((self.plugin_state(name)?.as_deref() == Some("running")).then_some(()));
        daemon.wait_until(&format!("the plugin `{name}` runs"), is_listed)?;
        self.daemon = Some(daemon);
        Ok(began.elapsed())
    }

    fn plugin_state(&self, name: &str) -> Result<Option<String>> {
        let plugins = self.json(&["plugins", "list"])?;
        let plugin = plugins
            .as_array()
            .and_then(|plugins| plugins.iter().find(|plugin| plugin["name"] == name));
        Ok(plugin
            .and_then(|plugin| plugin["state"].as_str())
            .map(str::to_owned))
    }

    /// Kills the host as the system would.
    ///
    /// # Errors
    /// If it had ended by itself.
    pub fn kill(&mut self) -> Result<()> {
        let daemon = self
            .daemon
            .take()
            .context("expected a running host, found none")?;
        self.typed(&format!("kill -9 {}", daemon.pid()));
        daemon.kill()?;
        println!();
        Ok(())
    }

    /// Asks the host to stop.
    ///
    /// # Errors
    /// If it does not end with 0.
    pub fn stop(&mut self) -> Result<()> {
        let daemon = self
            .daemon
            .take()
            .context("expected a running host, found none")?;
        self.typed(&format!("kill {}; wait; echo $?", daemon.pid()));
        let status = daemon.stop()?;
        let Some(code) = status.code() else {
            bail!(
                "expected the host to end by itself, found {status}{}",
                self.log_end()
            )
        };
        println!("{code}\n");
        expect("the exit code of the host", code, 0)
    }

    fn log_end(&self) -> String {
        self.daemon.as_ref().map(Daemon::log_end).unwrap_or_default()
    }

    /// The last line.
    pub fn end(self) {
        println!("All as expected, in {:.1} s.", self.began.elapsed().as_secs_f64());
    }
}

fn command_line(arguments: &[&str]) -> String {
    let words = arguments.iter().map(|word| quoted(word));
    std::iter::once("kora".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Fails unless what was found is what was expected.
///
/// # Errors
/// If it is not.
pub fn expect<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<()> {
    ensure!(
        found == expected,
        "{what}: expected {expected:?}, found {found:?}"
    );
    Ok(())
}
