//! Faults in hooks: a mode `<fault>_in_<hook>`, such as `panic_in_tick`.
//!
//! | fault | what happens |
//! |---|---|
//! | `error` | an error is returned |
//! | `credential` | the error that a secret is missing is returned |
//! | `panic` | a panic |
//! | `payload` | a panic whose payload panics again when it is dropped |
//! | `hang` | an `await` that never ends; in a synchronous hook, a thread that sleeps for ever |
//! | `spin` | a loop that never yields: the thread is lost |

use std::{
    future::pending,
    sync::atomic::{AtomicU32, Ordering},
};

use kora_plugin_api::{PluginError, Result, tracing};

use crate::settings::Settings;

/// Modes that are not a fault in a hook.
const OTHER_MODES: [&str; 30] = [
    "none",
    "absent",
    "services_in_register",
    "unprovided_provider",
    "unprovided_daemon",
    "unprovided_listener",
    "duplicate_provider",
    "duplicate_daemon",
    "duplicate_listener",
    "duplicate_task",
    "register_twice_and_go_on",
    "zero_interval",
    "endless_interval",
    "after_itself",
    "requires_nobody",
    "no_claim",
    "huge_prompt",
    "empty_prompt",
    "empty_name",
    "deep_metadata",
    "huge_metadata",
    "foreign_event",
    "foreign_tenant",
    "no_permission",
    "kv_over_quota",
    "log_flood",
    "bad_metrics",
    "bad_events",
    "tickets",
    "tools",
];

/// Where a fault can strike, named after the hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Register,
    Snapshot,
    Factory,
    Startup,
    Tick,
    Shutdown,
    OnEvent,
    OnState,
    Drop,
}

impl Hook {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "register" => Self::Register,
            "snapshot" => Self::Snapshot,
            "factory" => Self::Factory,
            "startup" => Self::Startup,
            "tick" => Self::Tick,
            "shutdown" => Self::Shutdown,
            "on_event" => Self::OnEvent,
            "on_state" => Self::OnState,
            "drop" => Self::Drop,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Error,
    Credential,
    Panic,
    Payload,
    Hang,
    Spin,
}

impl Fault {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "error" => Self::Error,
            "credential" => Self::Credential,
            "panic" => Self::Panic,
            "payload" => Self::Payload,
            "hang" => Self::Hang,
            "spin" => Self::Spin,
            _ => return None,
        })
    }

    fn commit(self, hook: Hook) -> Result {
        match self {
            Self::Error => Err(PluginError::new(format!("misbehaves on purpose in {hook:?}"))),
            Self::Credential => Err(PluginError::missing_credential("misbehave_token")),
            Self::Panic => panic!("misbehaves on purpose in {hook:?}"),
            Self::Payload => std::panic::panic_any(PanicsWhenDropped),
            Self::Hang => loop {
                std::thread::park();
            },
            Self::Spin => loop {
                std::hint::spin_loop();
            },
        }
    }
}

/// A panic's payload that panics again.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the payload of a panic panics when it is dropped");
    }
}

/// Which fault strikes where, and how often still.
pub struct Misbehaviour {
    planned: Option<(Fault, Hook)>,
    left: AtomicU32,
}

impl Misbehaviour {
    /// What the settings say.
    ///
    /// # Errors
    /// If there is no such mode: a test that misspells one must not pass.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let mode = settings.mode.as_str();
        let planned = mode
            .split_once("_in_")
            .and_then(|(fault, hook)| Fault::parse(fault).zip(Hook::parse(hook)));
        if planned.is_none() && !OTHER_MODES.contains(&mode) {
            return Err(PluginError::new(format!("`{mode}` is no mode")));
        }
        Ok(Self {
            planned,
            left: AtomicU32::new(settings.times.unwrap_or(u32::MAX)),
        })
    }

    /// Commits the fault if one is planned for `hook`.
    ///
    /// # Errors
    /// If that is the fault.
    pub fn strike(&self, hook: Hook) -> Result {
        self.due(hook).map_or(Ok(()), |fault| fault.commit(hook))
    }

    /// As [`strike`](Self::strike), in a hook that can wait.
    ///
    /// # Errors
    /// If that is the fault.
    pub async fn strike_waiting(&self, hook: Hook) -> Result {
        match self.due(hook) {
            Some(Fault::Hang) => pending().await,
            Some(fault) => fault.commit(hook),
            None => Ok(()),
        }
    }

    fn due(&self, hook: Hook) -> Option<Fault> {
        let (fault, planned) = self.planned?;
        if planned != hook {
            return None;
        }
        self.left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
            .ok()?;
        tracing::info!(?fault, ?hook, "misbehaving");
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misbehaviour(mode: &str, times: Option<u32>) -> Result<Misbehaviour> {
        Misbehaviour::from_settings(&Settings {
            mode: mode.to_owned(),
            times,
            ..Settings::default()
        })
    }

    #[test]
    fn a_fault_strikes_in_its_hook_alone_and_as_often_as_it_was_told() {
        let fault = misbehaviour("error_in_tick", Some(2)).expect("is a mode");
        assert!(fault.strike(Hook::Startup).is_ok());
        assert!(fault.strike(Hook::Tick).is_err());
        assert!(fault.strike(Hook::Tick).is_err());
        assert!(fault.strike(Hook::Tick).is_ok());
    }

    #[test]
    fn a_misspelt_mode_is_refused() {
        for mode in ["panik_in_tick", "panic_in_tik", "_in_", "huge_promt"] {
            assert!(misbehaviour(mode, None).is_err(), "{mode}");
        }
        for mode in ["none", "huge_prompt", "services_in_register"] {
            assert!(misbehaviour(mode, None).is_ok(), "{mode}");
        }
    }
}
