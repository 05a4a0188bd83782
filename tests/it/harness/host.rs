//! A host in a home of its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Instant,
};

use serde_json::Value;

use super::{DEADLINE, Finished, TestHome, eventually};

/// A running host. It is killed at the end of the test, unless it was stopped; the end of its log is shown if the test failed.
pub struct RunningHost<'a> {
    home: &'a TestHome,
    child: Child,
    log: PathBuf,
}

/// How much of a log says why a test failed.
const SHOWN_LINES: usize = 60;

impl<'a> RunningHost<'a> {
    /// Starts `kora daemon` with further arguments. Its log goes to a file beside the home, one run after another.
    pub fn spawn(home: &'a TestHome, arguments: &[&str]) -> Self {
        Self::spawn_command(home, home.command(&["daemon", "--log-level", "debug"]), arguments)
    }

    /// The same with another build of the command.
    pub fn spawn_of(home: &'a TestHome, executable: &Path) -> Self {
        let command = home.command_of(executable, &["daemon", "--log-level", "debug"]);
        Self::spawn_command(home, command, &[])
    }

    /// The same of a command that starts one.
    pub fn spawn_command(home: &'a TestHome, mut command: Command, arguments: &[&str]) -> Self {
        let path = home.beside("daemon.log");
        let log = File::options().create(true).append(true).open(&path).unwrap();
        command
            .args(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self {
            home,
            child: command.spawn().unwrap(),
            log: path,
        }
    }

    /// Waits until it has booted.
    ///
    /// # Panics
    /// If it ends instead.
    #[track_caller]
    pub fn wait_until_running(&self) {
        self.wait_for_state("running");
    }

    /// Waits until the host is in this state.
    ///
    /// # Panics
    /// If it ends instead.
    #[track_caller]
    pub fn wait_for_state(&self, state: &str) {
        eventually(&format!("the host is {state}"), || {
            assert!(!self.has_ended(), "the host has ended");
            let status: Value = serde_json::from_str(&self.kora(&["status", "--json"]).stdout).ok()?;
            (status["state"] == state).then_some(())
        });
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it lies there as a zombie: the tests have not asked for its exit code yet.
    fn has_ended(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
    }

    /// Everything that hosts of this home have logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for a line of the log that holds all of these, and answers it.
    #[track_caller]
    pub fn wait_for_log(&self, parts: &[&str]) -> String {
        eventually(&format!("a log line with {parts:?}"), || {
            let log = self.log();
            log.lines()
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_owned)
        })
    }

    /// Waits until the plugin is in this state, and answers how it is listed.
    #[track_caller]
    pub fn wait_for_plugin(&self, name: &str, state: &str) -> Value {
        eventually(&format!("the plugin {name} is {state}"), || {
            self.plugin(name).filter(|plugin| plugin["state"] == state)
        })
    }

    /// The same, until the cause that is shown holds this text, in one line.
    #[track_caller]
    pub fn wait_for_cause(&self, name: &str, state: &str, text: &str) -> String {
        let cause = eventually(&format!("the plugin {name} is {state}: {text}"), || {
            let plugin = self.plugin(name).filter(|plugin| plugin["state"] == state)?;
            let cause = plugin["cause"].as_str()?.to_owned();
            cause.contains(text).then_some(cause)
        });
        assert!(!cause.contains(char::is_control), "expected one line: {cause:?}");
        cause
    }

    /// Waits until a file in the plugin directory is refused, and answers how it is listed.
    #[track_caller]
    pub fn wait_for_refusal(&self, file: &str) -> Value {
        eventually(&format!("{file} is refused"), || {
            let plugins = self.json(&["plugins", "list"]);
            let found = plugins.as_array()?.iter().find(|plugin| {
                let path = plugin["path"].as_str().unwrap_or_default();
                path.ends_with(&format!("/{file}")) && plugin["state"] == "refused"
            });
            found.cloned()
        })
    }

    /// How a plugin is listed.
    #[track_caller]
    pub fn plugin(&self, name: &str) -> Option<Value> {
        let list = self.json(&["plugins", "list"]);
        let found = list.as_array()?.iter().find(|plugin| plugin["name"] == name)?;
        Some(found.clone())
    }

    /// How a daemon entry is shown, as `plugin/name`.
    #[track_caller]
    pub fn daemon(&self, id: &str) -> Option<Value> {
        let status = self.json(&["status"]);
        let is_it = |daemon: &&Value| {
            format!(
                "{}/{}",
                daemon["plugin"].as_str().unwrap(),
                daemon["name"].as_str().unwrap()
            ) == id
        };
        status["daemons"].as_array()?.iter().find(is_it).cloned()
    }

    /// Waits until a daemon entry is in this state, and answers how it is shown.
    #[track_caller]
    pub fn wait_for_daemon(&self, id: &str, state: &str) -> Value {
        eventually(&format!("the daemon {id} is {state}"), || {
            self.daemon(id).filter(|daemon| daemon["state"] == state)
        })
    }

    /// The events of a chain, oldest first.
    #[track_caller]
    pub fn events(&self, tenant: &str) -> Vec<Value> {
        let events = self.json(&[
            "events", "tail", "--tenant", tenant, "--after", "0", "--limit", "1000",
        ]);
        let Value::Array(events) = events else {
            panic!("expected a list: {events}")
        };
        events
    }

    /// The payloads of the events of one type, oldest first.
    #[track_caller]
    pub fn payloads(&self, tenant: &str, event_type: &str) -> Vec<Value> {
        let events = self.events(tenant).into_iter();
        let wanted = events.filter(|event| event["event_type"] == event_type);
        wanted.map(|event| payload(&event)).collect()
    }

    /// That the fault of one plugin is nobody else's: the host runs, `marvin` can be asked and speaks, and the chain goes on and
    /// proves it.
    #[track_caller]
    pub fn assert_that_others_go_on(&self, tenant: &str) {
        let before = self.json(&["identity", "show", tenant])["generation"]
            .as_u64()
            .unwrap();
        let swapped = self.json(&["identity", "swap", tenant, "marvin/marvin"]);
        assert_eq!(swapped["agent_name"], "Marvin", "{swapped}");
        assert_eq!(swapped["generation"], before + 1, "{swapped}");
        let why = self.json(&["identity", "why", tenant]);
        assert_eq!(
            (&why["proved"], &why["seq"]),
            (&Value::Bool(true), &swapped["seq"]),
            "{why}"
        );
        assert_eq!(self.json(&["status"])["state"], "running");
        assert_eq!(self.plugin("marvin").unwrap()["state"], "running");
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
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
    #[track_caller]
    pub fn stop(self) -> i32 {
        self.signal("TERM");
        self.exit_code()
    }

    /// Waits for its end and answers its exit code.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn exit_code(mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < DEADLINE, "the host does not end");
            std::thread::park_timeout(super::PAUSE);
        }
    }

    /// Runs the command against it.
    pub fn kora(&self, arguments: &[&str]) -> Finished {
        self.home.kora(arguments)
    }

    /// Runs the command against it and reads what it printed as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.home.json(arguments)
    }

    /// Runs the command against it, which is to be refused, and answers the problem.
    #[track_caller]
    pub fn problem(&self, arguments: &[&str]) -> Value {
        self.home.problem(arguments)
    }
}

/// The payload of an event, which is stored as text.
pub fn payload(event: &Value) -> Value {
    serde_json::from_str(event["payload"].as_str().unwrap()).unwrap()
}

impl Drop for RunningHost<'_> {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
            eprintln!("the end of the host's log:\n{end}");
        }
    }
}
