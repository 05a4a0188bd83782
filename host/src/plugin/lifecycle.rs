//! The states of a plugin and the one table of what may follow what. Every edge is an event in the host's chain.
//!
//! `Probed`, `Quarantined` and `Retired` have their place here; what leads into them (the probe in a child process, the
//! quarantine by digest, reload) is not built yet.

use crate::domain::wire_enum;

wire_enum! {
    /// Where a plugin is between a file and running code.
    PluginState, "plugin state" {
        /// A file was found.
        Discovered = "discovered",
        /// Its manifest, target, digest and the policy allow it; its copy lies in the cache.
        Verified = "verified",
        /// A child process loaded it and lived.
        Probed = "probed",
        /// It is loaded, and the layouts fit.
        Loaded = "loaded",
        /// What it registers is valid and what its manifest says.
        Registered = "registered",
        /// Its daemon entries start.
        Starting = "starting",
        /// It runs.
        Running = "running",
        /// It runs, but one of its entries does not.
        Degraded = "degraded",
        /// Its daemon entries stop.
        Stopping = "stopping",
        /// Its daemon entries have stopped; its code stays mapped.
        Stopped = "stopped",
        /// A later generation took its place.
        Retired = "retired",
        /// It was not admitted.
        Refused = "refused",
        /// It crashed its probe or used up its budget, and is kept out by its digest.
        Quarantined = "quarantined",
        /// Its thread does not come back. It is never called again.
        Wedged = "wedged",
        /// It was loaded and could not be used.
        Failed = "failed",
    }
}

impl PluginState {
    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        self.successors().contains(&next)
    }

    /// What may follow.
    pub const fn successors(self) -> &'static [Self] {
        use PluginState::{
            Degraded, Discovered, Failed, Loaded, Probed, Quarantined, Refused, Registered, Retired, Running,
            Starting, Stopped, Stopping, Verified, Wedged,
        };
        match self {
            Discovered => &[Verified, Refused, Quarantined],
            Verified => &[Probed, Loaded, Refused, Quarantined, Wedged],
            Probed => &[Loaded, Refused, Wedged],
            Loaded => &[Registered, Refused, Failed, Wedged],
            Registered => &[Starting, Stopping, Failed, Wedged],
            Starting => &[Running, Degraded, Stopping, Failed, Wedged],
            Running => &[Degraded, Stopping, Wedged, Quarantined],
            Degraded => &[Running, Stopping, Failed, Wedged, Quarantined],
            // A restart goes from stopping straight to starting.
            Stopping => &[Starting, Stopped, Failed, Wedged],
            // A provider is asked in whichever state its plugin's daemons are, and may be the one that never comes back.
            Stopped => &[Starting, Failed, Retired, Wedged],
            Failed => &[Starting, Stopping, Retired, Quarantined, Wedged],
            Wedged => &[Retired],
            Refused => &[Discovered],
            Quarantined => &[Discovered],
            Retired => &[],
        }
    }

    /// Whether its daemon entries were stopped on purpose.
    pub const fn is_stopped(self) -> bool {
        matches!(self, Self::Stopping | Self::Stopped)
    }

    /// Whether it is what its entries make of it. Otherwise somebody starts or stops all of them and says how that ended.
    pub const fn follows_its_entries(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Degraded)
    }

    /// Whether the host's services answer it. Its threads are there whatever its state is; one that was stopped, or does not come
    /// back, reads and changes nothing any more.
    pub const fn acts(self) -> bool {
        self.hears() || matches!(self, Self::Stopping)
    }

    /// Whether its listeners are told. One that was stopped, or whose start was taken back, hears nothing.
    pub const fn hears(self) -> bool {
        matches!(
            self,
            Self::Registered | Self::Starting | Self::Running | Self::Degraded
        )
    }

    /// Whether its code may be called: its identities asked, its entries run.
    pub const fn is_usable(self) -> bool {
        matches!(
            self,
            Self::Registered
                | Self::Starting
                | Self::Running
                | Self::Degraded
                | Self::Stopping
                | Self::Stopped
                | Self::Failed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_never_loaded_before_it_is_verified() {
        for state in PluginState::ALL {
            if state.may_become(PluginState::Loaded) {
                assert!(
                    matches!(state, PluginState::Verified | PluginState::Probed),
                    "{state}"
                );
            }
        }
    }

    #[test]
    fn nothing_runs_that_was_not_registered() {
        for state in PluginState::ALL
            .iter()
            .filter(|s| s.may_become(PluginState::Starting))
        {
            assert!(
                matches!(
                    state,
                    PluginState::Registered
                        | PluginState::Stopping
                        | PluginState::Stopped
                        | PluginState::Failed
                ),
                "{state}"
            );
        }
    }

    #[test]
    fn what_was_stopped_or_does_not_come_back_neither_hears_nor_acts() {
        use PluginState::{Failed, Refused, Stopped, Stopping, Wedged};
        for state in [Stopped, Failed, Wedged, Refused] {
            assert!(!state.hears() && !state.acts(), "{state}");
        }
        assert!(
            !Stopping.hears() && Stopping.acts(),
            "a shutdown may have something to write"
        );
    }

    #[test]
    fn a_wedged_plugin_never_runs_again() {
        assert!(!PluginState::Wedged.is_usable());
        assert_eq!(PluginState::Wedged.successors(), [PluginState::Retired]);
    }

    #[test]
    fn whatever_may_be_called_may_turn_out_not_to_come_back() {
        for state in PluginState::ALL.iter().filter(|state| state.is_usable()) {
            assert!(state.may_become(PluginState::Wedged), "{state}");
        }
    }

    #[test]
    fn a_plugin_can_be_stopped_whenever_it_may_run() {
        for state in PluginState::ALL
            .iter()
            .filter(|state| state.is_usable() && !state.is_stopped())
        {
            assert!(state.may_become(PluginState::Stopping), "{state}");
        }
    }
}
