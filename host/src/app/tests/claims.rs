//! Claims on a whole host: against a stop command that comes between, and after another host ran the tenant.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::{
    app::{journal::LogJournal, ticketing::TenantAgents, ticketing_guards::StopCommands},
    domain::Criticality,
    engine::ticket::{ClaimResult, TicketStatus},
    service::Service,
    state::{ReasonGuard, States},
    tickets::{
        ClaimAnswer, ClaimGuard, ClaimRequest, Refusal, TicketQuery, TicketRules, Tickets, TicketsParts,
    },
};

async fn make(running: &Running, title: &str) {
    let input = api::CreateTicket {
        tenant: Some("acme".to_owned()),
        title: title.to_owned(),
        body: None,
        priority: None,
        criticality: None,
        assign_to: None,
    };
    running.service.create_ticket(&OPERATOR, input).await.unwrap();
}

/// In a word of the contract.
async fn claim(tickets: &Tickets) -> ClaimResult {
    let wish = ClaimRequest {
        ticket: None,
        contract_version: None,
        holder: OPERATOR.actor(),
    };
    match tickets.claim(&tenant("acme"), wish).await.unwrap() {
        ClaimAnswer::Claimed(_) => ClaimResult::Claimed,
        ClaimAnswer::Refused { result, .. } => result,
        ClaimAnswer::NothingDue => panic!("there are tickets"),
    }
}

/// Looks as the host does. Once it has looked for the first time, a command is given and carried out.
struct Overtaken {
    looks: StopCommands,
    service: Arc<Service>,
    by: Mutex<Option<api::Stop>>,
}

#[async_trait]
impl ClaimGuard for Overtaken {
    async fn refuses(&self, tenant: &TenantId, criticality: Criticality) -> Option<Refusal> {
        let seen = self.looks.refuses(tenant, criticality).await;
        let order = self.by.lock().unwrap().take();
        if let Some(order) = order {
            let issued = self.service.stop(&OPERATOR, order).await.unwrap();
            assert_eq!(issued.lifecycle_state, "enforced");
        }
        seen
    }
}

fn overtaken_by(service: &Arc<Service>, level: u8) -> Tickets {
    let order = api::Stop {
        tenant: Some("acme".to_owned()),
        host: false,
        level,
        reason: None,
        expires_in_seconds: None,
        dry_run: false,
        confirm: None,
    };
    let guard = Overtaken {
        looks: StopCommands(service.controls.book().clone()),
        service: service.clone(),
        by: Mutex::new(Some(order)),
    };
    Tickets::new(TicketsParts {
        store: service.store.clone(),
        journal: Arc::new(LogJournal::new(service.log.clone())),
        clock: service.clock.clone(),
        states: service.states.clone(),
        agents: Arc::new(TenantAgents(service.tenants.clone())),
        guards: vec![Arc::new(guard)],
        purse: Arc::new(service.costs.clone()),
        rules: TicketRules::default(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_a_stop_command_overtook_is_taken_back_and_nothing_is_held_against_its_ticket() {
    for level in 1..=3 {
        let home = TestHome::new(ACME);
        let running = home.boot().await;
        let service = running.service.clone();
        make(&running, "one").await;
        make(&running, "another").await;
        let tickets = overtaken_by(&service, level);
        assert_eq!(claim(&tickets).await, ClaimResult::BlockedByControl, "L{level}");

        let acme = tenant("acme");
        assert_eq!(service.tickets.held(&acme).await.unwrap(), [], "L{level}");
        let left = service.tickets.list(&acme, TicketQuery::default()).await.unwrap();
        let left: Vec<_> = left.into_iter().map(|stored| stored.ticket).collect();
        assert!(left.iter().all(|ticket| ticket.status == TicketStatus::Open));
        assert!(
            left.iter()
                .all(|ticket| (ticket.failure_count, ticket.work_attempt_count) == (0, 0))
        );
        let claims: u64 = left.iter().map(|ticket| ticket.claim_count).sum();
        assert_eq!(claims, 1, "no other is claimed in its place");
        assert_eq!(state_of(&running, "acme").await, "paused");

        let reset = api::Reset {
            tenant: Some("acme".to_owned()),
            host: false,
            reason: None,
        };
        service.reset(&OPERATOR, reset).await.unwrap();
        service.resume(&OPERATOR, request("acme")).await.unwrap();
        assert_eq!(claim(&tickets).await, ClaimResult::Claimed, "it used up no turn");
        end(running).await;
    }
}

/// What another host does with the tenant while it has it: a resume is among it.
async fn paused_and_resumed_elsewhere(service: &Service) {
    let elsewhere = States::new(service.log.clone(), service.clock.clone(), Arc::new(ReasonGuard));
    let (acme, operator) = (tenant("acme"), Writer::operator(4711));
    elsewhere.wire_in(&acme).await.unwrap();
    let ready = Request::to(PrimaryState::Ready, TriggerKind::BootPassed, "gates");
    elsewhere
        .transition(&acme, ready, &Writer::host(Owner::Engine))
        .await
        .unwrap();
    elsewhere.pause(&acme, "lunch", &operator).await.unwrap();
    elsewhere.resume(&acme, "back", &operator).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_comes_back_begins_as_slowly_as_where_it_was_resumed_meanwhile() {
    let home = TestHome::new(ACME);
    let running = home.boot().await;
    let service = running.service.clone();
    for title in ["here", "back here", "too soon"] {
        make(&running, title).await;
    }
    assert_eq!(claim(&service.tickets).await, ClaimResult::Claimed);
    let acme = api::OneTenant {
        tenant: "acme".to_owned(),
    };
    service.disable_tenant(&OPERATOR, &acme).await.unwrap();
    paused_and_resumed_elsewhere(&service).await;
    service.enable_tenant(&OPERATOR, &acme).await.unwrap();

    assert_eq!(claim(&service.tickets).await, ClaimResult::Claimed);
    assert_eq!(claim(&service.tickets).await, ClaimResult::BlockedByControl);
    end(running).await;
}
