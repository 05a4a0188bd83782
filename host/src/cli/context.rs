//! What every command is given: the home, the way to the daemon, the output, and the process's surroundings.

use std::{
    ffi::OsString,
    io::Read,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{
    arguments::Globals,
    failure::{Exit, Failure, Outcome},
    offline,
    port::App,
    ui::Ui,
};
use crate::{
    config::{Config, ConfigProblems, Flag, Home, HomeInputs, Inputs},
    service::{Problem, ProblemKind, api::Call},
    socket::{BlockingClient, read_answer},
    store::Inspector,
};

/// The process's surroundings, so that tests can have others.
pub(super) struct Surroundings<'a> {
    /// Looks a variable up.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    pub user_directory: Option<PathBuf>,
    pub current_directory: PathBuf,
    pub input: &'a mut dyn Read,
    pub input_is_terminal: bool,
    pub err_is_terminal: bool,
}

pub(super) struct Context<'a> {
    pub home: Home,
    pub globals: Globals,
    pub app: &'a dyn App,
    pub ui: Ui<'a>,
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    pub current_directory: &'a Path,
    pub input: &'a mut dyn Read,
    /// Somebody sits there who can be asked.
    pub input_is_terminal: bool,
}

/// The code with which a client says that nobody runs.
const NOT_RUNNING: &str = "daemon.not_running";

impl Context<'_> {
    /// Asks the daemon and shows its answer: as it came with `--json`, else as `render` shows it.
    pub fn ask<T: DeserializeOwned>(&mut self, call: &Call, render: impl FnOnce(&T) -> String) -> Outcome {
        let answer = self.daemon()?.call(call)?;
        if self.ui.json {
            self.ui.json(&answer)?;
        } else {
            self.ui.data(&render(&read_answer(answer)?))?;
        }
        Ok(Exit::OK)
    }

    /// The daemon of this home.
    pub fn daemon(&self) -> Result<BlockingClient, Failure> {
        BlockingClient::connect(&self.home.socket())
            .map_err(|problem| Failure::unreachable(self.with_home_hint(problem)))
    }

    /// The daemon of this home, if one runs.
    pub fn daemon_if_running(&self) -> Result<Option<BlockingClient>, Failure> {
        match BlockingClient::connect(&self.home.socket()) {
            Ok(daemon) => Ok(Some(daemon)),
            Err(problem) if problem.code == NOT_RUNNING => Ok(None),
            Err(problem) => Err(Failure::unreachable(problem)),
        }
    }

    /// The configuration as the file, the environment and the flags of this command make it.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(self.load_config().map_err(|problems| invalid_config(&problems))?)
    }

    pub fn load_config(&self) -> Result<Config, ConfigProblems> {
        Config::load(&Inputs {
            home: &self.home,
            environment: self.environment,
            flags: &self.globals.flags(),
        })
    }

    /// `path` as the user means it.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.current_directory.join(path)
    }

    /// Where there is no home, how to make one in the place of how to start a daemon.
    pub fn with_home_hint(&self, problem: Problem) -> Problem {
        if problem.code == NOT_RUNNING && !self.home.config_file().exists() {
            // Starting one, which the client hints at, would not help.
            let hints = vec![self.no_home()];
            return Problem { hints, ..problem };
        }
        problem
    }

    /// That there is a home where one is named: a slip in its name must not make another one.
    ///
    /// # Errors
    /// If there is no `kora.toml` in it.
    pub fn require_home(&self) -> Result<(), Failure> {
        // One that cannot be looked at is there; reading it says why it cannot be read.
        if self.home.config_file().try_exists().unwrap_or(true) {
            return Ok(());
        }
        Err(Failure::unreachable(Problem::new(
            ProblemKind::NotFound,
            "home.none",
            self.no_home(),
        )))
    }

    /// The store of this home, for reading.
    ///
    /// # Errors
    /// If there is none, because there is no home or no daemon ran yet, or it cannot be read.
    pub fn store(&self, config: &Config) -> Result<Box<dyn Inspector>, Failure> {
        if config.store.is_file() && !config.store_path().exists() {
            self.require_home()?;
        }
        offline::store::open(config, self.environment).map_err(Failure::unreachable)
    }

    fn no_home(&self) -> String {
        let root = self.home.root().display();
        format!("`{root}` is no home: it has no `kora.toml`; `kora init --home {root}` makes it one")
    }
}

impl Globals {
    /// Those that stand for keys of the configuration.
    pub fn flags(&self) -> Vec<Flag> {
        let flag = |name, key, value: Option<&str>| {
            value.map(|value| Flag {
                name,
                key,
                value: value.to_owned(),
            })
        };
        let level = self.log_level.map(crate::domain::LogLevel::as_str);
        let format = self.log_format.map(crate::domain::LogFormat::as_str);
        [
            flag("--log-level", "log.level", level),
            flag("--log-format", "log.format", format),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// # Errors
/// If nothing says where the home is.
pub(super) fn find_home(globals: &Globals, surroundings: &Surroundings<'_>) -> Result<Home, Problem> {
    Home::resolve(&HomeInputs {
        flag: globals.home.as_deref(),
        environment: surroundings.environment,
        user_directory: surroundings.user_directory.as_deref(),
        current_directory: &surroundings.current_directory,
    })
    .map_err(|error| {
        Problem::new(ProblemKind::BadInput, "home.unknown", error.to_string())
            .hint("name one with `--home DIR`")
    })
}

pub(super) fn invalid_config(problems: &ConfigProblems) -> Problem {
    Problem::new(ProblemKind::BadInput, "config.invalid", problems.to_string())
}
