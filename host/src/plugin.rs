//! Plugins: from a file in a directory to code that runs.
//!
//! Everything here takes what comes out of a plugin as hostile input. What a plugin may ask of the host goes through
//! [`HostPort`], which `app` implements; this module knows neither the coordinator nor the identities.

mod call;
mod context;
mod extensions;
mod library;
mod lifecycle;
mod listeners;
mod registration;
mod services;

pub use call::{CallError, CallErrorKind, off_runtime};
pub use context::{Grants, HostPort, MetricKind, Permission, PluginIdentity, PortError, Service};
pub use extensions::Extensions;
pub use library::{LoadError, LoadedLibrary};
pub use lifecycle::PluginState;
pub use listeners::{ListenerHub, Notice};
pub use registration::{
    BadRegistration, DaemonRegistration, ListenerRegistration, OverlapPolicy, ProviderRegistration,
    Registration, RestartRegistration, TaskRegistration,
};
