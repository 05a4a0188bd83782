//! Plugins: from a file in a directory to code that runs.
//!
//! Everything here takes what comes out of a plugin as hostile input. What a plugin may ask of the host goes through
//! [`HostPort`], which `app` implements; this module knows neither the coordinator nor the identities.

mod admission;
mod cache;
mod call;
mod caller;
mod context;
mod directory;
mod elf;
mod extensions;
#[cfg(test)]
pub(crate) mod fixture;
mod gate;
mod instance;
mod library;
mod lifecycle;
mod listeners;
mod manifest;
#[cfg(test)]
mod no_host;
mod offers;
mod package;
mod policy;
mod refusal;
mod registration;
mod registry;
mod services;
mod settings;
mod ticket_call;

pub use admission::{AdmissionContext, Admitted, Examined, admit, choose, examine};
pub use cache::Cache;
pub use call::{CallError, CallErrorKind, off_runtime};
pub use context::{
    Grants, HostPort, MetricKind, Permission, PluginIdentity, PortError, ReportedUsage, Service,
};
pub use directory::{
    Candidate, DirectoryChange, Form, Ignored, Settle, Stamp, Watcher, ignored, scan, scan_settled,
};
pub use elf::{GlibcVersion, LibraryFacts, Platform};
pub use extensions::Extensions;
pub use gate::{Gate, is_host_event_type};
pub use instance::Instance;
pub use library::{LoadError, LoadedLibrary};
pub use lifecycle::PluginState;
pub use listeners::{ListenerHub, Notice};
pub use manifest::{HOST_API, Manifest, Permissions, Provides, Strictness};
pub use offers::{
    CallLogLevel, CallNotice, CompletionArgument, CompletionRequest, LogNotice, Offer, OfferCaller,
    OfferDescriptor, OfferError, OfferGenerations, OfferKind, OfferRequest, Offers, PluginPrompt,
    PluginResource, PluginTool, PluginWebhook, ProgressNotice, ResourceUpdated, Template, ToolGate,
    WebhookAnswer, WebhookRequest, WebhookStatus,
};
pub use package::Limits;
pub use policy::Policy;
pub use refusal::Refusal;
pub use registration::{
    BadRegistration, DaemonRegistration, ListenerRegistration, OverlapPolicy, PromptArgument,
    PromptRegistration, ProviderRegistration, Registration, ResourceRegistration, RestartRegistration,
    TaskRegistration, ToolAnnotations, ToolRegistration, WebhookRegistration,
};
pub use registry::{FileNote, PluginChange, PluginObserver, PluginReport, Registry};
pub use settings::{SettingFault, check as check_settings, setting_faults};
pub use ticket_call::{
    AllocateCall, ClaimCall, ListRequest, RefreshCall, ReleaseCall, ResolveCall, StepCall, TicketCall,
};
