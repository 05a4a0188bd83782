//! Making the parts of a host and wiring them to each other.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    announcements::Announcements,
    cannot_start,
    control::{CallersFile, CoordinatorExit},
    cost::{ConfiguredPolicies, CostGuard, StateBrake},
    health::{ActingPlugins, CommandWatch, HeldTickets, ServedTenants, probe_every},
    home_modes::home_modes,
    host_gates::{HostWatcher, Showing},
    hosts::OtherHosts,
    journal::{Accounts, LogJournal, keep_accounts},
    listeners,
    observers::Observers,
    port::Port,
    providers::PluginProviders,
    ticketing::{TenantAgents, ticket_rules},
    ticketing_guards::{ClaimedWork, Money, StopCommands},
    upkeep::{self, Upkeep},
};
use crate::{
    checkpoints::{CheckpointFiles, CheckpointParts, Checkpoints, KeyFile, name_of_machine},
    config::Config,
    control::{CommandBook, ControlParts, Controls, StopGuard},
    coordinator::{Coordinator, Options, SplitMix64},
    cost::{Costs, CostsParts},
    disk::{DiskWatch, Places},
    domain::{Clock, SystemClock, TenantId},
    engine::{
        control::Slas,
        gates::{HOST_BUDGET, Mode, SCHEMA, STORE},
        vocabulary::Vocabulary,
    },
    events::{EventLog, LogParts},
    gates::{EpochHold, Gate, History, KnownEpoch, Run, chain_tail},
    health::{Health, HealthParts},
    identity::Identities,
    membership::{Membership, MembershipParts},
    plugin::{Platform, Registry, ToolGate},
    secrets::{CREDENTIALS_VARIABLE, SecretSurroundings, SecretTable, Secrets},
    service::{ConfigSource, Parts, Problem, ProblemKind, Service, store_place},
    state::{AllGuards, ReasonGuard, States},
    store::{Store, StoreError, StorePlace},
    telemetry::{LoggingHandle, Metrics},
    tenants::Tenants,
    tickets::{Tickets, TicketsParts},
};

/// A host whose parts are made.
pub struct Running {
    pub service: Arc<Service>,
    port: Arc<Port>,
    pub accounts: Accounts,
    pub stop_watching: CancellationToken,
    pub stop_upkeep: CancellationToken,
    /// The run of gates that opened the store. The boot goes on with it.
    run: Mutex<Option<Run>>,
}

impl Running {
    /// Lets plugins call tools. Until then they are told that there are none yet.
    pub fn open_tools(&self, gate: Arc<dyn ToolGate>) {
        let first_time = self.port.tools.set(gate).is_ok();
        debug_assert!(first_time, "the tools are made once");
    }

    /// The run of gates, once.
    pub fn take_run(&self) -> Option<Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Makes the directories of a home that are not there, for its owner alone.
pub fn make_directories(config: &Config) -> Result<(), Problem> {
    let home = config.home();
    let directories = [
        home.root().to_owned(),
        config.plugins_directory(),
        home.data(),
        home.cache(),
        home.run(),
        home.audit(),
    ];
    directories
        .iter()
        .try_for_each(|directory| make_private(directory))
}

fn make_private(directory: &Path) -> Result<(), Problem> {
    if directory.is_dir() {
        return Ok(());
    }
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    // The mode is asked for under the umask; what a umask added is not wanted, what it took away is.
    made.and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o700)))
        .map_err(|error| {
            let message = format!("`{}` cannot be made: {error}", directory.display());
            Problem::new(ProblemKind::Unavailable, "home.directory", message)
                .hint("choose another home with `--home` or `KORA_HOME`")
        })
}

/// Opens the store, checks it, and makes everything else over it. Once `stop` is cancelled a store that could not be opened is not tried
/// again.
pub async fn open(
    config: Config,
    config_source: Arc<dyn ConfigSource>,
    only: Vec<String>,
    logging: LoggingHandle,
    stop: CancellationToken,
) -> Result<Running, Problem> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let watcher = Arc::new(HostWatcher::default());
    let mut run = Run::new(Mode::Boot, HOST_BUDGET, watcher.clone()).until(stop);
    let config = Arc::new(config);
    run.pass(&home_modes(&config)).await;
    let (store, store_place) = open_store(&config, &clock, &mut run).await?;
    let (history, writer) = History::new(store.clone());
    // It ends with the process: boots are noted until the very end.
    tokio::spawn(writer.run());
    let known_epoch = KnownEpoch::at(config.home().known_epoch());
    let log = Arc::new(open_log(&config, &store, &clock)?);
    log.seal_waiting();
    let tasks = TaskTracker::new();
    let (accounts, told) = Accounts::new();
    // It ends with the process: accounts are told until the very end.
    tokio::spawn(keep_accounts(log.clone(), told));

    let metrics = Arc::new(Metrics::new());
    let secrets = Arc::new(Secrets::new(SecretTable::from(&**config), surroundings()));
    let book = CommandBook::new(store.clone(), clock.clone());
    let cost_guard = Arc::new(CostGuard::default());
    let guards = AllGuards::new([
        Arc::new(ReasonGuard) as _,
        Arc::new(StopGuard::new(book.clone())) as _,
        cost_guard.clone() as _,
    ]);
    let states = Arc::new(States::new(log.clone(), clock.clone(), Arc::new(guards)));
    let (observers, changes) = Observers::new(accounts.clone(), metrics.clone());
    let options = Options {
        honour_fatal: config.coordinator.honour_fatal,
        clock: clock.clone(),
        chance: Arc::new(SplitMix64::from_entropy()),
    };
    let (coordinator, handle) = Coordinator::new(options, observers.clone());
    tokio::spawn(coordinator.run());

    let config = Arc::new(ArcSwap::from(config));
    let journal = Arc::new(LogJournal::new(log.clone()));
    let costs = Costs::new(CostsParts {
        store: store.clone(),
        journal: journal.clone(),
        clock: clock.clone(),
        policies: Arc::new(ConfiguredPolicies(config.clone())),
        brake: Arc::new(StateBrake(states.clone())),
    });
    cost_guard.wire(&costs);
    let announced = Arc::new(Announcements::default());
    let port = Arc::new(Port {
        clock: clock.clone(),
        config: config.clone(),
        logging: logging.clone(),
        metrics: metrics.clone(),
        secrets: secrets.clone(),
        store: store.clone(),
        log: log.clone(),
        states: states.clone(),
        costs: costs.clone(),
        tenants: OnceLock::new(),
        identities: OnceLock::new(),
        tickets: OnceLock::new(),
        tools: OnceLock::new(),
        coordinator: handle.clone(),
        announcements: announced.clone(),
    });
    let plugins = Arc::new(Registry::new(port.clone(), observers, tasks.clone()));
    let tenants = Tenants::open(store.clone(), journal.clone(), clock.clone()).await;
    let tenants = tenants.map_err(|error| store_problem(&error))?;
    let providers = Arc::new(PluginProviders {
        registry: plugins.clone(),
        config: config.clone(),
    });
    let identities = Identities::new(store.clone(), journal.clone(), providers, clock.clone());
    let membership = membership(&config.load(), &store, &clock, handle.daemon_session_id());
    watcher.wire(Showing {
        membership: membership.clone(),
        log: log.clone(),
        store: store.clone(),
        states: states.clone(),
        tenants: tenants.clone(),
    });
    let tickets = Tickets::new(TicketsParts {
        store: store.clone(),
        journal: journal.clone(),
        clock: clock.clone(),
        states: states.clone(),
        agents: Arc::new(TenantAgents(tenants.clone())),
        guards: vec![
            Arc::new(StopCommands(book.clone())),
            Arc::new(Money(costs.clone())),
        ],
        purse: Arc::new(costs.clone()),
        rules: ticket_rules(&config.load()),
    });
    let controls = Controls::new(ControlParts {
        book,
        journal: journal.clone(),
        clock: clock.clone(),
        states: states.clone(),
        work: Arc::new(ClaimedWork {
            tickets: tickets.clone(),
            tenants: tenants.clone(),
        }),
        exit: Arc::new(CoordinatorExit(handle.clone())),
        tokens: Arc::new(CallersFile::new(config.load().home().callers_file())),
        elsewhere: Arc::new(OtherHosts(membership.clone())),
        session: handle.daemon_session_id().to_owned(),
        slas: Slas::default(),
    });
    let (checkpoints, disk) = chain_keepers(&config.load(), &store, clock.clone())?;
    wire(&port, &log, &tenants, &identities, &tickets);
    let acting = Arc::new(ActingPlugins {
        config: config.clone(),
        identities: identities.clone(),
        plugins: plugins.clone(),
        coordinator: handle.clone(),
        secrets: secrets.clone(),
    });
    let health = Health::new(HealthParts {
        store: store.clone(),
        journal,
        clock: clock.clone(),
        served: Arc::new(ServedTenants {
            membership: membership.clone(),
            tenants: tenants.clone(),
            states: states.clone(),
        }),
        claims: Arc::new(HeldTickets {
            tickets: tickets.clone(),
            states: states.clone(),
        }),
        credit: Arc::new(costs.clone()),
        acting: acting.clone(),
        credentials: acting,
        watch: Arc::new(CommandWatch {
            controls: controls.clone(),
            clock: clock.clone(),
        }),
        probe_every: probe_every(&config.load().health),
    });

    let service = Arc::new(Service::new(Parts {
        config,
        config_source,
        only,
        platform: Platform::current(),
        store,
        log,
        states,
        controls,
        membership,
        tenants,
        identities,
        tickets,
        costs,
        health,
        plugins,
        coordinator: handle,
        logging,
        metrics,
        checkpoints,
        disk,
        secrets,
        accounts: Arc::new(accounts.clone()),
        tasks,
        boot_id: boot_id(),
        store_place,
        clock,
        history,
        epoch_hold: EpochHold::default(),
        known_epoch,
    }));
    run.reports()
        .iter()
        .for_each(|gate| service.note_gate(gate.clone()));
    listeners::wire(&service);
    let stop_upkeep = CancellationToken::new();
    upkeep::start(&service, Upkeep { announced, changes }, &stop_upkeep);
    Ok(Running {
        port,
        service,
        accounts,
        stop_watching: CancellationToken::new(),
        stop_upkeep,
        run: Mutex::new(Some(run)),
    })
}

/// A store whose chains others may move is one that others may have open.
fn membership(config: &Config, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>, session: &str) -> Membership {
    let home = config.home();
    Membership::new(MembershipParts {
        store: store.clone(),
        clock: clock.clone(),
        is_shared: store.moves_elsewhere().is_some(),
        name: format!("{}:{}", name_of_machine(), home.root().display()),
        session: session.to_owned(),
        remembered: home.member_file(),
    })
}

/// Who signs the chains, and who watches the room that is left for them.
fn chain_keepers(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<Checkpoints>, Arc<DiskWatch>), Problem> {
    let home = config.home();
    let key = KeyFile::at(home.checkpoint_key()).read_or_make(&name_of_machine());
    let key = key.map_err(|error| {
        cannot_start("checkpoint.key", &error)
            .hint("the host does not sign with a key that others may have: see `docs/event-log.md`")
    })?;
    let checkpoints = Checkpoints::new(CheckpointParts {
        store: store.clone(),
        clock: clock.clone(),
        key,
        files: CheckpointFiles::at(home.checkpoints()),
    });
    let places = Places {
        home: home.root().to_owned(),
        store: config.store.is_file().then(|| config.store_path()),
    };
    let disk = DiskWatch::new(places, store.clone(), clock);
    Ok((Arc::new(checkpoints), Arc::new(disk)))
}

/// The parts that need each other.
fn wire(port: &Port, log: &EventLog, tenants: &Tenants, identities: &Identities, tickets: &Tickets) {
    let first_time = port.tenants.set(tenants.clone()).is_ok()
        && port.identities.set(identities.clone()).is_ok()
        && port.tickets.set(tickets.clone()).is_ok();
    debug_assert!(first_time, "a port is wired once");
    let identities = identities.clone();
    log.set_generation_of(move |tenant: &TenantId| identities.slots().generation(tenant));
}

/// What came of the last attempt to open the store.
type Opened = Arc<Mutex<Option<Result<Arc<dyn Store>, StoreError>>>>;

/// Opens the store, and looks at the end of the host's own chain, before anything builds upon it.
async fn open_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
    run: &mut Run,
) -> Result<(Arc<dyn Store>, String), Problem> {
    let place = store_place(config, &|name| std::env::var_os(name))?;
    if let StorePlace::Sqlite(path) = &place
        && let Some(directory) = path.parent()
    {
        make_private(directory)?;
    }
    let (shown, hint) = (place.to_string(), place.when_unreachable());
    let is_file = config.store.is_file();
    let opened = Opened::default();
    let passed = run.pass(&store_gate(place, clock.clone(), opened.clone())).await
        && run.pass(&schema_gate(opened.clone())).await;
    let opened = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    let store: Arc<dyn Store> = match opened {
        Some(Ok(store)) if passed => store,
        Some(Err(error @ StoreError::Unavailable(_))) if !is_file => {
            return Err(store_problem(&error).hint(hint));
        }
        Some(Err(error)) => return Err(store_problem(&error)),
        _ => return Err(cannot_start("store.unavailable", &last_detail(run)).hint(hint)),
    };
    if !run.pass(&chain_tail(&store, &TenantId::host())).await {
        let fault = last_detail(run);
        return Err(Problem::new(ProblemKind::Internal, "store.chain_broken", fault)
            .hint("`kora events verify` names the first bad record of each chain")
            .hint(
                "the host does not write after a record that it cannot vouch for: put a backup in its place",
            ));
    }
    Ok((store, shown))
}

fn last_detail(run: &Run) -> String {
    let last = run.reports().last();
    last.map_or_else(String::new, |report| report.detail.clone())
}

/// The store can be reached. Whether what is there can be read is the next gate's.
fn store_gate(place: StorePlace, clock: Arc<dyn Clock>, opened: Opened) -> Gate {
    Gate::new(STORE, move || {
        let (place, clock, opened) = (place.clone(), clock.clone(), opened.clone());
        async move {
            let shown = place.to_string();
            let result = place.open(clock).await;
            let failed = result.as_ref().err().cloned();
            *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            match failed {
                Some(
                    error @ (StoreError::Unavailable(_)
                    | StoreError::NotWritable { .. }
                    | StoreError::Held { .. }
                    | StoreError::Closed),
                ) => Err(error.into()),
                Some(StoreError::SchemaTooNew { .. } | StoreError::Damaged(_)) => {
                    Ok(format!("{shown} is there"))
                }
                None => Ok(format!("{shown} is open")),
            }
        }
    })
}

fn schema_gate(opened: Opened) -> Gate {
    Gate::new(SCHEMA, move || {
        let opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = match &*opened {
            Some(Err(error)) => Err(error.clone().into()),
            _ => Ok("the schema is the one of this release".to_owned()),
        };
        async { checked }
    })
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {one}{ending}")
}

fn open_log(config: &Config, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Result<EventLog, Problem> {
    let vocabulary = Vocabulary::new(&config.events.types)
        .map_err(|error| Problem::new(ProblemKind::BadInput, "events.types", error.to_string()))?;
    EventLog::open(LogParts {
        store: store.clone(),
        clock: clock.clone(),
        vocabulary,
        spool_path: config.home().spool(),
    })
    .map_err(|error| cannot_start("spool", &error))
}

pub fn store_problem(error: &StoreError) -> Problem {
    let code = match error {
        StoreError::Held { .. } => "store.held",
        StoreError::SchemaTooNew { .. } => "store.schema_too_new",
        StoreError::Damaged(_) => "store.damaged",
        StoreError::NotWritable { .. } => "store.not_writable",
        StoreError::Closed | StoreError::Unavailable(_) => "store.unavailable",
    };
    Problem::new(ProblemKind::Unavailable, code, error.to_string())
}

pub fn surroundings() -> SecretSurroundings {
    SecretSurroundings {
        environment: Box::new(|name| std::env::var_os(name)),
        credentials_directory: std::env::var_os(CREDENTIALS_VARIABLE).map(Into::into),
    }
}

fn boot_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("boot_{}", &random[..8])
}
