//! The composition root: makes every part, wires the ports, boots, runs until something ends it, and stops in order.

mod announcements;
mod boot;
mod boot_check;
mod callers_gate;
mod chain_care;
mod control;
mod cost;
mod health;
mod home_modes;
mod host_gates;
mod hosts;
mod journal;
mod listeners;
mod observers;
mod parts;
mod plugin_directory;
mod port;
mod port_cost;
mod providers;
mod revocations;
mod rim;
mod signals;
mod surface;
#[cfg(test)]
pub(crate) mod tests;
mod ticketing;
mod ticketing_guards;
mod upkeep;
mod wire;

use std::{
    pin::pin,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    cli::{self, App, BootOptions, BootReport, DaemonEnd, DaemonOptions},
    config::{Config, ConfigProblems, Flag, Home, Inputs, set_plugin_enabled},
    coordinator::{BootOutcome, Ending, Exit, ShutdownReason},
    domain::{LogFormat, LogLevel, PluginName},
    service::{ConfigSource, Problem, ProblemKind},
    socket::ControlSocket,
    telemetry::{Logging, LoggingHandle, LoggingOptions},
};
use journal::Account;
use parts::Running;

/// Runs the `kora` command that the process was started with. Blocks until it is done.
pub fn main() -> ExitCode {
    cli::main(&Kora)
}

/// The host as the command runs it.
pub struct Kora;

impl App for Kora {
    fn run_daemon(&self, options: DaemonOptions) -> DaemonEnd {
        match run_daemon(options) {
            Ok(ending) => daemon_end(&ending),
            Err(problem) => DaemonEnd::CannotStart(problem),
        }
    }

    fn check_boot(&self, options: BootOptions) -> Result<BootReport, Problem> {
        boot_check::check_boot(options)
    }
}

fn daemon_end(ending: &Ending) -> DaemonEnd {
    let problem = |kind, code: &str| Problem::new(kind, code, ending.reason.to_string());
    match ending.exit() {
        Exit::Clean => DaemonEnd::Stopped,
        Exit::Interrupted => DaemonEnd::Interrupted,
        Exit::StartupFailure => {
            DaemonEnd::StartupFailed(problem(ProblemKind::WrongState, "boot.startup_failure"))
        }
        Exit::Configuration => DaemonEnd::CannotStart(problem(ProblemKind::BadInput, "boot.configuration")),
    }
}

/// The whole life of a host. An error means that it could not begin to boot.
fn run_daemon(options: DaemonOptions) -> Result<Ending, Problem> {
    let source = Arc::new(HomeConfig::new(
        &options.home,
        options.log_level,
        options.log_format,
    ));
    let config = source.read().map_err(config_problem)?;
    parts::make_directories(&config)?;
    let logging = install_logging(&config, options.colour)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("kora")
        .build()
        .map_err(|error| cannot_start("host.runtime", &error))?;
    let ended = runtime.block_on(run(config, source, options.only, logging));
    // Threads that a plugin never gave back would be waited for.
    runtime.shutdown_timeout(RUNTIME_GRACE);
    ended
}

/// What still runs on the runtime when everything was stopped is of no use to anybody.
const RUNTIME_GRACE: Duration = Duration::from_millis(500);

async fn run(
    config: Config,
    source: Arc<dyn ConfigSource>,
    only: Vec<String>,
    logging: LoggingHandle,
) -> Result<Ending, Problem> {
    // First of all: opening a store takes its time, and a signal must not end the process in the midst of it.
    let mut kept = signals::keep().map_err(|error| cannot_start("signals", &error))?;
    let socket_path = config.home().socket();
    let no_more_tries = CancellationToken::new();
    let mut opening = pin!(parts::open(config, source, only, logging, no_more_tries.clone()));
    let (opened, told) = tokio::select! {
        opened = &mut opening => (opened, None),
        name = kept.told_to_stop() => {
            no_more_tries.cancel();
            (opening.await, Some(name))
        }
    };
    let running = match (opened, told) {
        (Err(problem), Some(name)) => {
            tracing::info!(reason = name, %problem, "[kora.daemon] stopped before the store was open");
            let reason = ShutdownReason::Signal(name.to_owned());
            return Ok(Ending {
                reason,
                while_booting: true,
            });
        }
        (opened, _) => opened?,
    };
    let service = running.service.clone();
    // Before anybody can ask: what would change plugins waits for the end of the boot.
    let turn = service.plugin_turn().await;
    let socket = ControlSocket::bind(&socket_path)
        .await
        .map_err(|error| cannot_start("socket", &error))?;
    let stop_serving = CancellationToken::new();
    let surface = surface::open(&running).await?;
    let rim = rim::Rim::new(service.clone(), &surface);
    let serving = tokio::spawn(socket.serve(Arc::new(rim), stop_serving.clone()));
    let signals = signals::listen(kept, &service);
    if let Some(name) = told {
        signals::stop(&service, name);
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), socket = %socket_path.display(), "[kora.daemon] booting");

    let booted = boot::boot(&running, turn).await;
    if matches!(booted, BootOutcome::Running(_)) {
        running.accounts.tell(Account::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            daemon_session_id: service.coordinator.daemon_session_id().to_owned(),
        });
        tracing::info!(tenants = service.tenants.list().len(), "[kora.daemon] running");
    }
    let ending = service.coordinator.stopped().await;
    signals.abort();
    // First, so that nobody asks for anything more of what ends now.
    stop_serving.cancel();
    let audit = surface.close(&service).await;
    drop(serving.await);
    if tokio::time::timeout(STOP_DEADLINE, stop(running, &ending))
        .await
        .is_err()
    {
        let seconds = STOP_DEADLINE.as_secs();
        tracing::error!(
            seconds,
            "what is left did not end in time; the next start takes up what was cut off"
        );
    }
    // Last of all: what was still under way is audited too.
    audit.end().await;
    tracing::info!(reason = %ending.reason, exit = ending.exit().code(), "[kora.daemon] stopped");
    Ok(ending)
}

/// How long everything but the daemons may take to end. A disk that hangs must not keep the process for ever; with what the
/// daemons and the calls under way may take, this ends before service managers kill.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Everything in the reverse order of its making; the entries have stopped already.
async fn stop(running: Running, ending: &Ending) {
    let service = running.service;
    running.stop_watching.cancel();
    service.note_all_stopped();
    service.plugins.retire_all().await;
    service.tickets.join().await;
    service.tenants.join().await;
    service.identities.join().await;
    service.controls.join().await;
    service.controls.exited().await;
    service.costs.join().await;
    service.states.close().await;
    // Whatever of the tenants ran here has ended: another host may run them.
    service.membership.leave().await;
    running.accounts.tell(Account::Stopping {
        reason: ending.reason.to_string(),
    });
    running.accounts.flush().await;
    if tokio::time::timeout(HISTORY_GRACE, service.history.flush())
        .await
        .is_err()
    {
        tracing::warn!("boots are left out of the history: the store does not take them");
    }
    chain_care::sign_last(&service).await;
    running.stop_upkeep.cancel();
    service.tasks.close();
    if tokio::time::timeout(TASKS_GRACE, service.tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            tasks = service.tasks.len(),
            "tasks did not end in time and are left behind"
        );
    }
    service.store.close().await;
}

/// The history of boots is worth a moment, not the end of the host.
const HISTORY_GRACE: Duration = Duration::from_secs(2);
/// A listener of a plugin that hangs must not keep the host from ending.
const TASKS_GRACE: Duration = Duration::from_secs(2);

/// `kora.toml` in the home, under the environment and the command's flags.
struct HomeConfig {
    home: Home,
    flags: Vec<Flag>,
    /// Held while the file is changed.
    writing: Mutex<()>,
}

impl HomeConfig {
    fn new(home: &Home, level: Option<LogLevel>, format: Option<LogFormat>) -> Self {
        let level = level.map(|level| Flag {
            name: "--log-level",
            key: "log.level",
            value: level.to_string(),
        });
        let format = format.map(|format| Flag {
            name: "--log-format",
            key: "log.format",
            value: format.to_string(),
        });
        Self {
            home: home.clone(),
            flags: level.into_iter().chain(format).collect(),
            writing: Mutex::default(),
        }
    }

    fn with_inputs<T>(&self, read: impl FnOnce(&Inputs<'_>) -> T) -> T {
        read(&Inputs {
            home: &self.home,
            environment: &|name| std::env::var_os(name),
            flags: &self.flags,
        })
    }
}

impl ConfigSource for HomeConfig {
    fn read(&self) -> Result<Config, ConfigProblems> {
        self.with_inputs(Config::load)
    }

    fn set_plugin_enabled(&self, plugin: &PluginName, enabled: bool) -> Result<(), String> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        set_plugin_enabled(&self.home.config_file(), plugin, enabled)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

fn install_logging(config: &Config, colour: bool) -> Result<LoggingHandle, Problem> {
    let clock = Arc::new(crate::domain::SystemClock::new());
    Logging::install(LoggingOptions {
        settings: config.log.clone(),
        clock,
        colour,
    })
    .map_err(|error| cannot_start("logging", &error))
}

fn config_problem(problems: ConfigProblems) -> Problem {
    Problem::new(ProblemKind::BadInput, "config.invalid", problems.to_string())
        .hint("`kora config check` shows the same; nothing was started")
}

fn cannot_start(code: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::Unavailable, code, error.to_string())
}
