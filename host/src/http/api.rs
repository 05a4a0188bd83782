//! `/api`: what dashboards and scripts read. Each route is a type of its own that says what it takes and answers; the router and the
//! OpenAPI document are made of the same list.

mod endpoint;
mod events;
mod host;
mod parameters;
mod records;
mod spec;
mod tenant;

pub(super) use endpoint::{Asked, Registered, audited, failed};
pub(super) use events::{ChainEvent, PREFIX, PREFIX_MAX_CHARS};
pub(super) use parameters::Parameters;
pub(super) use spec::{About, Spec};

/// Every route that answers JSON, in the order of the document.
pub(super) fn all() -> Vec<Registered> {
    vec![
        Registered::of::<tenant::OperationalState>(),
        Registered::of::<host::Status>(),
        Registered::of::<host::Plugins>(),
        Registered::of::<host::Identities>(),
        Registered::of::<host::Tenants>(),
        Registered::of::<events::ChainEvents>(),
        Registered::of::<tenant::BootStatus>(),
        Registered::of::<tenant::CostState>(),
        Registered::of::<tenant::HealthRollup>(),
        Registered::of::<tenant::ObservedState>(),
        Registered::of::<records::SeaTickets>(),
        Registered::of::<records::Audit>(),
    ]
}
