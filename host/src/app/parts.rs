//! Making the parts of a host and wiring them to each other.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    sync::{Arc, OnceLock},
    time::Instant,
};

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    announcements::Announcements,
    cannot_start,
    control::{CoordinatorExit, NoWork},
    cost::{ConfiguredPolicies, CostGuard, StateBrake},
    journal::{Accounts, LogJournal, keep_accounts},
    listeners,
    observers::Observers,
    port::Port,
    providers::PluginProviders,
    ticketing::{TenantAgents, ticket_rules},
    upkeep::{self, Upkeep},
};
use crate::{
    config::Config,
    control::{CommandBook, ControlParts, Controls, StopGuard},
    coordinator::{Coordinator, Options, SplitMix64},
    cost::{Costs, CostsParts},
    domain::{Clock, SystemClock, TenantId},
    engine::{
        control::Slas,
        transition::{GateClass, GateOutcome, GateReport},
        vocabulary::Vocabulary,
    },
    events::{EventLog, LogParts},
    identity::Identities,
    plugin::{Platform, Registry},
    secrets::{CREDENTIALS_VARIABLE, SecretSurroundings, SecretTable, Secrets},
    service::{ConfigSource, Parts, Problem, ProblemKind, Service, store_place},
    state::{AllGuards, ReasonGuard, States},
    store::{Store, StoreError, StorePlace},
    telemetry::{LoggingHandle, Metrics},
    tenants::Tenants,
    tickets::{Tickets, TicketsParts},
};

/// How many records at the end of each chain are checked before the host goes on: what a crash can have hurt.
const TAIL_RECORDS: u64 = 100;

/// A host whose parts are made.
pub struct Running {
    pub service: Arc<Service>,
    pub accounts: Accounts,
    pub stop_watching: CancellationToken,
    pub stop_upkeep: CancellationToken,
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

/// Opens the store, checks it, and makes everything else over it.
pub async fn open(
    config: Config,
    config_source: Arc<dyn ConfigSource>,
    only: Vec<String>,
    logging: LoggingHandle,
) -> Result<Running, Problem> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (store, store_place, gates) = open_store(&config, &clock).await?;
    let log = Arc::new(open_log(&config, &store, &clock)?);
    let tasks = TaskTracker::new();
    let (accounts, told) = Accounts::new();
    // It ends with the process: accounts are told until the very end.
    tokio::spawn(keep_accounts(log.clone(), told));

    let metrics = Arc::new(Metrics::new());
    let secrets = Arc::new(Secrets::new(SecretTable::from(&*config), surroundings()));
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

    let config = Arc::new(ArcSwap::from_pointee(config));
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
        coordinator: handle.clone(),
        announcements: announced.clone(),
    });
    let plugins = Arc::new(Registry::new(port.clone(), observers, tasks.clone()));
    let tenants = Tenants::open(store.clone(), journal.clone(), clock.clone()).await;
    let tenants = tenants.map_err(|error| store_problem(&error))?;
    let controls = Controls::new(ControlParts {
        book,
        journal: journal.clone(),
        clock: clock.clone(),
        states: states.clone(),
        work: Arc::new(NoWork),
        exit: Arc::new(CoordinatorExit(handle.clone())),
        session: handle.daemon_session_id().to_owned(),
        slas: Slas::default(),
    });
    let providers = Arc::new(PluginProviders {
        registry: plugins.clone(),
        config: config.clone(),
    });
    let identities = Identities::new(store.clone(), journal.clone(), providers, clock.clone());
    let tickets = Tickets::new(TicketsParts {
        store: store.clone(),
        journal,
        clock,
        states: states.clone(),
        agents: Arc::new(TenantAgents(tenants.clone())),
        guards: Vec::new(),
        rules: ticket_rules(&config.load()),
    });
    wire(&port, &log, &tenants, &identities, &tickets);

    let service = Arc::new(Service::new(Parts {
        config,
        config_source,
        only,
        platform: Platform::current(),
        store,
        log,
        states,
        controls,
        tenants,
        identities,
        tickets,
        costs,
        plugins,
        coordinator: handle,
        logging,
        metrics,
        secrets,
        accounts: Arc::new(accounts.clone()),
        tasks,
        boot_id: boot_id(),
        store_place,
    }));
    gates.into_iter().for_each(|gate| service.note_gate(gate));
    listeners::wire(&service);
    let stop_upkeep = CancellationToken::new();
    upkeep::start(&service, Upkeep { announced, changes }, &stop_upkeep);
    Ok(Running {
        service,
        accounts,
        stop_watching: CancellationToken::new(),
        stop_upkeep,
    })
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

async fn open_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn Store>, String, Vec<GateReport>), Problem> {
    let place = store_place(config, &|name| std::env::var_os(name))?;
    if let StorePlace::Sqlite(path) = &place
        && let Some(directory) = path.parent()
    {
        make_private(directory)?;
    }
    let began = Instant::now();
    let shown = place.to_string();
    let opened = place.open(clock.clone()).await;
    let store = opened.map_err(|error| store_problem(&error))?;
    let opened = passed("store", began, format!("{shown} is open"));
    let schema = passed(
        "schema",
        began,
        "the schema is the one of this release".to_owned(),
    );
    let began = Instant::now();
    match store.check_tails(TAIL_RECORDS).await {
        Ok(None) => {
            let chains = store.heads().await.map_err(|error| store_problem(&error))?.len();
            let tail = passed(
                "chain_tail",
                began,
                match chains {
                    1 => "the end of the one chain is sound".to_owned(),
                    _ => format!("the ends of {chains} chains are sound"),
                },
            );
            Ok((store, shown, vec![opened, schema, tail]))
        }
        Ok(Some(fault)) => Err(Problem::new(ProblemKind::Internal, "store.chain_broken", fault)
            .hint("`kora events verify` names the first bad record of each chain")
            .hint(
                "the host does not write after a record that it cannot vouch for: put a backup in its place",
            )),
        Err(error) => Err(store_problem(&error)),
    }
}

/// A gate of the host that passed. One that fails ends the host before anybody could ask for it.
pub fn passed(gate_id: &str, began: Instant, detail: String) -> GateReport {
    GateReport {
        gate_id: gate_id.to_owned(),
        gate_class: GateClass::Invariant,
        outcome: GateOutcome::Pass,
        attempts: 1,
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        detail,
    }
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
        spool_path: config.home().data().join("spool.jsonl"),
    })
    .map_err(|error| cannot_start("spool", &error))
}

pub fn store_problem(error: &StoreError) -> Problem {
    let code = match error {
        StoreError::Held { .. } => "store.held",
        StoreError::SchemaTooNew { .. } => "store.schema_too_new",
        StoreError::Damaged(_) => "store.damaged",
        StoreError::Closed | StoreError::Unavailable(_) => "store.unavailable",
    };
    Problem::new(ProblemKind::Unavailable, code, error.to_string())
}

fn surroundings() -> SecretSurroundings {
    SecretSurroundings {
        environment: Box::new(|name| std::env::var_os(name)),
        credentials_directory: std::env::var_os(CREDENTIALS_VARIABLE).map(Into::into),
    }
}

fn boot_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("boot_{}", &random[..8])
}
