//! A host in a home of its own.

use std::{
    fs::{self, File},
    io::Read as _,
    process::Child,
    time::Instant,
};

use serde_json::Value;

use super::{DEADLINE, Finished, TestHome, eventually};

/// A running host. It is killed at the end of the test, unless it was stopped.
pub struct RunningHost<'a> {
    home: &'a TestHome,
    child: Child,
}

impl<'a> RunningHost<'a> {
    /// Starts `kora daemon` with further arguments. Its log goes to `daemon.log` in the home, one run after another.
    pub fn spawn(home: &'a TestHome, arguments: &[&str]) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.path().join("daemon.log"))
            .unwrap();
        let mut command = home.command(&["daemon", "--log-level", "debug"]);
        let child = command
            .args(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { home, child }
    }

    /// Waits until it has booted.
    ///
    /// # Panics
    /// If it ends instead.
    pub fn wait_until_running(&self) {
        eventually("the host has booted", || {
            assert!(fs::exists(format!("/proc/{}", self.child.id())).unwrap());
            let status = self.home.kora(&["status", "--json"]);
            let status: Value = serde_json::from_str(&status.stdout).ok()?;
            if is_zombie(self.child.id()) {
                panic!("the host has ended:\n{}", self.log());
            }
            (status["state"] == "running").then_some(())
        });
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that hosts of this home have logged.
    pub fn log(&self) -> String {
        let mut text = String::new();
        File::open(self.home.path().join("daemon.log"))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    /// Waits for a line of the log that holds all of these, and answers it.
    pub fn wait_for_log(&self, parts: &[&str]) -> String {
        eventually(&format!("a log line with {parts:?}"), || {
            let log = self.log();
            log.lines()
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_owned)
        })
    }

    /// Waits until the plugin is in this state, and answers how it is listed.
    pub fn wait_for_plugin(&self, name: &str, state: &str) -> Value {
        eventually(&format!("the plugin {name} is {state}\n{}", self.log()), || {
            let plugin = self.plugin(name)?;
            (plugin["state"] == state).then_some(plugin)
        })
    }

    /// How a plugin is listed.
    pub fn plugin(&self, name: &str) -> Option<Value> {
        let list = self.home.json(&["plugins", "list"]);
        let found = list.as_array()?.iter().find(|plugin| plugin["name"] == name)?;
        Some(found.clone())
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(status.unwrap().success());
    }

    /// Kills it as the system would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and answers its exit code.
    pub fn stop(self) -> i32 {
        self.signal("TERM");
        self.exit_code()
    }

    /// Waits for its end and answers its exit code.
    ///
    /// # Panics
    /// If it does not end.
    pub fn exit_code(mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(
                began.elapsed() < DEADLINE,
                "the host does not end:\n{}",
                self.log()
            );
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
    }

    /// Runs the command against it.
    pub fn kora(&self, arguments: &[&str]) -> Finished {
        self.home.kora(arguments)
    }

    /// Runs the command against it and reads what it printed as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.home.json(arguments)
    }
}

impl Drop for RunningHost<'_> {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}
