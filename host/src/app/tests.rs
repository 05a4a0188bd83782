//! Hosts in temporary homes, without the command and without plugins that run: boot, steering, reload and end.

mod claims;

use std::{fs, future::poll_fn, io, task::Poll};

use tempfile::TempDir;

pub(crate) use super::parts::Running;
use super::*;
use crate::{
    coordinator::ShutdownReason,
    cost::{Brake, Costs, CostsParts, NewUsage},
    domain::{ClaimPermission, DegradationReason, Money, PrimaryState, SystemClock, TenantId, TriggerKind},
    engine::{
        cost::{Rung, Usage},
        transition::Request,
        vocabulary::Owner,
    },
    events::Writer,
    service::{Principal, api},
    store::EventFilter,
};

/// A home for a host that is made of its parts.
pub(crate) struct TestHome(TempDir);

impl TestHome {
    pub(crate) fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.configure(config);
        fs::write(
            home.0.path().join("prompt.md"),
            "You speak when nobody else does.",
        )
        .unwrap();
        home
    }

    fn configure(&self, config: &str) {
        fs::write(self.0.path().join("kora.toml"), config).unwrap();
    }

    fn source(&self) -> Arc<HomeConfig> {
        Arc::new(HomeConfig::new(&Home::at(self.0.path()), None, None))
    }

    async fn open(&self, only: &[&str]) -> Running {
        let config = self.source().read().unwrap();
        parts::make_directories(&config).unwrap();
        let options = LoggingOptions {
            settings: config.log.clone(),
            clock: Arc::new(SystemClock::new()),
            colour: false,
        };
        let logging = Logging::new(options, io::sink).handle().clone();
        let only = only.iter().map(|&name| name.to_owned()).collect();
        parts::open(config, self.source(), only, logging, CancellationToken::new())
            .await
            .unwrap()
    }

    /// Where its audit is.
    pub(crate) fn audit(&self) -> std::path::PathBuf {
        Home::at(self.0.path()).audit()
    }

    pub(crate) async fn boot(&self) -> Running {
        let running = self.open(&[]).await;
        let service = running.service.clone();
        let booted = boot::boot(&running, service.plugin_turn().await).await;
        assert!(matches!(booted, BootOutcome::Running(_)), "{booted:?}");
        running
    }
}

pub(crate) async fn end(running: Running) {
    let reason = ShutdownReason::Requested("the test ends".to_owned());
    running.service.coordinator.request_shutdown(reason);
    let ending = running.service.coordinator.stopped().await;
    stop(running, &ending).await;
}

const OPERATOR: Principal = Principal::operator(4711);

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn request(id: &str) -> api::StateRequest {
    api::StateRequest {
        tenant: Some(id.to_owned()),
        reason: None,
    }
}

async fn state_of(running: &Running, id: &str) -> String {
    let input = api::MaybeTenant {
        tenant: Some(id.to_owned()),
    };
    let state = running.service.state(&input).await;
    state.map_or_else(|problem| problem.code, |state| state.primary_state)
}

const ACME: &str = "[tenants.acme]\nfallback_prompt = \"prompt.md\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_does_not_stay_for_ever_because_the_store_was_away_when_the_host_was_killed() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    let service = running.service.clone();
    service.pause(&OPERATOR, request("acme")).await.unwrap();
    // What the absence of the store says of every tenant, before a kill keeps its return from being told.
    let (acme, engine) = (tenant("acme"), Writer::host(Owner::Engine));
    let away = DegradationReason::Substrate;
    service
        .states
        .set_degradation(&acme, away, true, "the store is away", &engine)
        .await
        .unwrap();
    assert_eq!(
        service.resume(&OPERATOR, request("acme")).await.unwrap_err().code,
        "state.blocked"
    );
    end(running).await;

    let running = home.boot().await;
    assert_eq!(state_of(&running, "acme").await, "paused");
    running.service.resume(&OPERATOR, request("acme")).await.unwrap();
    assert_eq!(state_of(&running, "acme").await, "ready");
    end(running).await;
}

/// Leaves a tenant alone whose money is spent, as on a host that has no state of it.
struct NoBrake;

#[async_trait::async_trait]
impl Brake for NoBrake {
    async fn halt(&self, _: &TenantId) -> Result<(), String> {
        Ok(())
    }

    fn is_halted(&self, _: &TenantId) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_last_money_is_spent_while_it_is_resumed_is_paused_again() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    let service = running.service.clone();
    let acme = tenant("acme");
    let costs = Costs::new(CostsParts {
        store: service.store.clone(),
        journal: Arc::new(journal::LogJournal::new(service.log.clone())),
        clock: service.clock.clone(),
        policies: Arc::new(cost::ConfiguredPolicies(service.config.clone())),
        brake: Arc::new(NoBrake),
    });
    service.pause(&OPERATOR, request("acme")).await.unwrap();
    let operator = OPERATOR;
    let mut resuming = Box::pin(service.resume(&operator, request("acme")));
    // Its guard has looked, and its change is on the way to the chain.
    while state_of(&running, "acme").await != "ready" {
        let polled = poll_fn(|context| Poll::Ready(resuming.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "it ended before anything could be spent");
    }
    let usage = NewUsage {
        usage: Usage {
            route: "slack_dm".to_owned(),
            model: "opus".to_owned(),
            input_tokens: 1,
            output_tokens: 1,
            cost_usd: Money::from_dollars(200),
        },
        id: None,
        source: "operator".to_owned(),
        actor: operator.actor(),
    };
    let recorded = costs.record(&acme, usage).await.unwrap();
    assert_eq!(recorded.rung, Rung::HardStop100);
    resuming.await.unwrap();
    assert_eq!(state_of(&running, "acme").await, "paused");
    end(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_the_stores_absence_took_away_is_given_back_as_it_was() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    let service = running.service.clone();
    let permission = || {
        service
            .states
            .current(&tenant("acme"))
            .unwrap()
            .state
            .claim_permission
    };
    let request =
        Request::stay(TriggerKind::Degradation, "little is left").permission(ClaimPermission::CriticalOnly);
    let engine = Writer::host(Owner::Engine);
    service
        .states
        .transition(&tenant("acme"), request, &engine)
        .await
        .unwrap();
    let taken = service.store_is_away("disk full").await;
    assert_eq!(permission(), ClaimPermission::None);
    service.store_is_back(&taken).await;
    assert_eq!(permission(), ClaimPermission::CriticalOnly);
    end(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_boots_while_the_store_is_away_may_claim_once_it_is_back() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    let service = running.service.clone();
    let acme = tenant("acme");
    service.states.remove_tenant(&acme);
    let round = service.identities.round();
    let begun = service.begin_boots(service.served_seeds(), Some(&round)).await;
    let taken = service.store_is_away("disk full").await;
    service.finish_boots(begun, &service.gate_reports()).await;
    service.store_is_back(&taken).await;

    let now = service.states.current(&acme).unwrap();
    assert_eq!(now.state.primary_state, PrimaryState::Ready);
    assert_eq!(now.state.claim_permission, ClaimPermission::Normal);
    assert_eq!(now.state.reasons_sorted(), [""; 0]);
    end(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_does_what_it_says_and_nothing_else() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    let service = running.service.clone();
    home.configure(&format!(
        "{ACME}[tenants.globex]\nfallback_prompt = \"prompt.md\"\n[plugins]\ndirectory = \"elsewhere\"\n[events]\ntypes = [\"ops.deployed\"]\n"
    ));
    let reloaded = service.reload_config(&OPERATOR).await.unwrap();
    assert_eq!(
        reloaded.applied,
        ["events.types", "tenants.globex", "tenants.globex.fallback_prompt"]
    );
    assert_eq!(reloaded.needs_restart, ["plugins.directory"]);
    assert_eq!(state_of(&running, "globex").await, "ready");
    assert!(service.gate().directory().ends_with("plugins"));
    let append = api::AppendEvent {
        tenant: Some("acme".to_owned()),
        event_type: "ops.deployed".to_owned(),
        payload: "{}".to_owned(),
        idempotency_key: None,
        expected_seq: None,
    };
    service.append_event(&OPERATOR, append).await.unwrap();

    let again = service.reload_config(&OPERATOR).await.unwrap();
    assert_eq!(
        again.needs_restart,
        ["plugins.directory"],
        "it is said until it is done"
    );
    running.accounts.flush().await;
    let filter = EventFilter {
        prefixes: vec!["host.config.reloaded".to_owned()],
        limit: 10,
        ..EventFilter::default()
    };
    let told = service.log.page(&TenantId::host(), filter).await.unwrap();
    assert_eq!(told.len(), 1, "and told once");
    assert_eq!(told[0].actor_id.as_deref(), Some("uid:4711"));
    end(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_refused_changes_nothing() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    home.configure("[log]\nlevel = \"debug\"\n[tenants.globex]\nplugin = [\"x\"]\n");
    let refused = running.service.reload_config(&OPERATOR).await.unwrap_err();
    assert_eq!(refused.code, "config.invalid");
    assert_eq!(state_of(&running, "globex").await, "tenant.unknown");
    assert_eq!(
        running.service.config.load().log.level,
        crate::domain::LogLevel::Info
    );
    end(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_plugins_waits_for_the_end_of_the_boot() {
    let home = TestHome::new(ACME);
    let running = home.open(&[]).await;
    let service = running.service.clone();
    let turn = service.plugin_turn().await;
    let reloading = tokio::spawn({
        let service = service.clone();
        async move { service.reload_config(&OPERATOR).await }
    });
    boot::boot(&running, turn).await;
    reloading.await.unwrap().unwrap();
    end(running).await;
    let refused = service.reload_config(&OPERATOR).await.unwrap_err();
    assert_eq!(refused.code, "host.stopping");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_to_run_alone_that_is_not_there_ends_the_boot() {
    let home = TestHome::new(ACME);
    let running = home.open(&["hartbeat"]).await;
    let service = running.service.clone();
    let booted = boot::boot(&running, service.plugin_turn().await).await;
    let BootOutcome::Stopped(ending) = booted else {
        panic!("it must not run: {booted:?}");
    };
    assert_eq!(ending.exit().code(), 2);
    assert_eq!(
        ending.reason.to_string(),
        "configuration: `--only` names `hartbeat`: expected one of the daemons that can run (there are none)"
    );
    stop(running, &ending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_tenant_comes_and_goes_it_ends_as_it_was_told_last() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    let service = running.service.clone();
    let one = || api::OneTenant {
        tenant: "acme".to_owned(),
    };
    let mut changing = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (enabling, disabling) = (service.clone(), service.clone());
        let (enable, disable) = (one(), one());
        changing.spawn(async move { drop(enabling.enable_tenant(&OPERATOR, &enable).await) });
        changing.spawn(async move { drop(disabling.disable_tenant(&OPERATOR, &disable).await) });
    }
    changing.join_all().await;
    let is_served = service.tenants.is_served(&tenant("acme"));
    assert_eq!(service.states.current(&tenant("acme")).is_some(), is_served);
    assert_eq!(
        service.identities.slots().speaking(&tenant("acme")).is_some(),
        is_served
    );
    service.enable_tenant(&OPERATOR, &one()).await.unwrap();
    assert_eq!(state_of(&running, "acme").await, "ready");
    end(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_a_list_disables_can_be_enabled_by_its_name() {
    let home = TestHome::new(&format!("{ACME}[plugins]\ndisable = [\"echo\"]\n"));
    let running = home.boot().await;
    let input = api::PluginName {
        name: "echo".to_owned(),
    };
    let answer = running
        .service
        .enable_plugin(&OPERATOR, &input)
        .await
        .unwrap_err();
    assert_eq!(
        answer.code, "plugin.no_file",
        "known by name, though no file of it is there"
    );
    assert!(
        running
            .service
            .config
            .load()
            .is_plugin_enabled(&"echo".parse().unwrap())
    );
    let unknown = api::PluginName {
        name: "nobody".to_owned(),
    };
    let answer = running
        .service
        .enable_plugin(&OPERATOR, &unknown)
        .await
        .unwrap_err();
    assert_eq!(answer.code, "plugin.unknown");
    end(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_stopped_while_it_boots_ends_with_nothing_half_done() {
    let home = TestHome::new(ACME);
    let running = home.open(&[]).await;
    let service = running.service.clone();
    service
        .coordinator
        .request_shutdown(ShutdownReason::Signal("SIGINT".to_owned()));
    let booted = boot::boot(&running, service.plugin_turn().await).await;
    let BootOutcome::Stopped(ending) = booted else {
        panic!("it must not run: {booted:?}");
    };
    assert_eq!(ending.exit().code(), 130);
    stop(running, &ending).await;
    let running = home.boot().await;
    assert_eq!(state_of(&running, "acme").await, "ready");
    end(running).await;
}
