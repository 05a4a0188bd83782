//! The words of the system: ids, time, events, states, tenants. Values only: no IO, no async, no clock of its own.

mod billing_period;
mod clock;
mod criticality;
mod event;
mod ids;
mod label;
mod log;
mod money;
mod operational_state;
mod tenant;
mod token_bucket;

pub use billing_period::BillingPeriod;
pub use clock::{Clock, SystemClock, Timestamp};
pub use criticality::Criticality;
pub use event::{Actor, ActorKind, Event, EventType, Hash, InvalidEventType, NewEvent, Payload};
pub use ids::{
    Digest, EntryName, EventId, InvalidName, PluginName, PromptName, ProviderId, RESERVED_FIRST_WORDS,
    ResourceUri, SecretName, TenantId, ToolName,
};
pub use label::{CallerKind, CallerName, Capability, InvalidLabel, is_label};
pub use log::{LogFormat, LogLevel, LogSettings};
pub use money::{InvalidMoney, Money};
pub(crate) use operational_state::wire_enum;
pub use operational_state::{
    ClaimPermission, DegradationReason, OperationalState, PrimaryState, TriggerKind, UnknownWireValue,
};
pub use tenant::{Generation, TenantActor, TenantRecord};
pub use token_bucket::TokenBucket;
