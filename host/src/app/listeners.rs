//! Events and state changes, on their way to the listeners of plugins.

use std::sync::Arc;

use async_trait::async_trait;

use super::{cost::RampNotes, wire};
use crate::{
    events::{AppendedEvent, Heard},
    plugin::{Notice, Registry},
    service::Service,
    state::{Listener, Transition},
    tickets::StateWatch,
};

const PLUGINS: &str = "plugins";
const TICKETS: &str = "tickets";
const RAMP: &str = "cost_ramp";

/// Tells plugins of everything from now on.
pub fn wire(service: &Arc<Service>) {
    let told = Arc::new(StateNotices {
        plugins: service.plugins.clone(),
    });
    service
        .states
        .listen(RAMP, Arc::new(RampNotes(service.costs.clone())));
    service.states.listen(PLUGINS, told);
    service
        .states
        .listen(TICKETS, Arc::new(StateWatch(service.tickets.clone())));
    let (plugins, metrics) = (service.plugins.clone(), service.metrics.clone());
    let mut subscription = service.log.subscribe();
    let forward = async move {
        while let Some(heard) = subscription.next().await {
            match heard {
                Heard::Event(appended) => {
                    let bytes = appended.event.payload.as_str().len();
                    metrics.host.appended(u64::try_from(bytes).unwrap_or(u64::MAX));
                    if plugins.wants_event(appended.event.event_type.as_str()) {
                        plugins.tell(&event_notice(&appended));
                    }
                }
                // Each host tells its own plugins what it appended itself.
                Heard::Elsewhere(_) => {}
                Heard::Missed(missed) => {
                    tracing::warn!(
                        missed,
                        "plugins missed events: more were appended than could be told"
                    );
                }
            }
        }
    };
    // It ends with the log, which outlives the tasks that are waited for.
    tokio::spawn(forward);
}

fn event_notice(appended: &AppendedEvent) -> Notice {
    Notice::Event {
        tenant: appended.event.tenant.clone(),
        event_type: appended.event.event_type.as_str().into(),
        json: wire::appended(appended).to_string().into_bytes().into(),
    }
}

struct StateNotices {
    plugins: Arc<Registry>,
}

#[async_trait]
impl Listener for StateNotices {
    async fn changed(&self, transition: Arc<Transition>) -> Result<(), String> {
        self.plugins.tell(&Notice::State {
            tenant: transition.tenant.clone(),
            json: wire::transition(&transition).to_string().into_bytes().into(),
        });
        Ok(())
    }
}
