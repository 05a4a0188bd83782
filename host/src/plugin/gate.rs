//! The gate as the running host keeps it: everything that admission needs to know, in one place that can be shared.

use std::path::{Path, PathBuf};

use super::{
    admission::{self, AdmissionContext, Admitted},
    cache::Cache,
    elf::Platform,
    package::Limits,
    policy::Policy,
    refusal::Refusal,
};
use crate::{domain::EventType, engine::vocabulary::OwnType};

/// What stands between the plugin directory and the host.
pub struct Gate {
    directory: PathBuf,
    cache: Cache,
    policy: Policy,
    limits: Limits,
    platform: Platform,
}

impl Gate {
    /// For this directory, with copies in this cache.
    pub fn new(directory: PathBuf, cache: PathBuf, policy: Policy, platform: Platform) -> Self {
        Self {
            directory,
            cache: Cache::new(cache),
            policy,
            limits: Limits::default(),
            platform,
        }
    }

    /// The plugin directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leads one file through. Blocks.
    ///
    /// # Errors
    /// The first refusal.
    pub fn admit(&self, path: &Path) -> Result<Admitted, Refusal> {
        admission::admit(
            path,
            &AdmissionContext {
                directory: &self.directory,
                cache: &self.cache,
                policy: &self.policy,
                limits: &self.limits,
                platform: &self.platform,
                is_host_event_type: &is_host_event_type,
            },
        )
    }
}

/// Whether an event type is one of the host's own, which no manifest may claim.
pub fn is_host_event_type(event_type: &EventType) -> bool {
    event_type.as_str().parse::<OwnType>().is_ok()
}
