//! The end of the host: everything stops, in the reverse order of starting, within a time that is bounded as a whole.

use std::time::Duration;

use super::{
    Action, Model, OperationError,
    operation::{Kind, Operation},
};
use crate::coordinator::{
    actor::{Key, Order},
    ending::{Ending, HostState, ShutdownReason},
    entry_state::EntryState,
};

/// What all shutdowns together may take. Service managers kill after 90 s by default; the store must be closed before.
const SHUTDOWN_BUDGET: Duration = Duration::from_secs(60);

impl Model {
    /// Interrupts whatever goes on. Once begun, nothing changes it.
    pub(super) fn begin_shutdown(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let unnamed = || ShutdownReason::Requested("no reason given".to_owned());
        let ending = Ending {
            reason: self.reason.get_or_init(unnamed).clone(),
            while_booting: self.host == HostState::Booting,
        };
        for operation in std::mem::take(&mut self.operations) {
            match (operation.kind, operation.id) {
                (Kind::Boot, id) => self.boot_interrupted = id,
                (_, Some(id)) => self.answer(id, Err(OperationError::ShuttingDown(ending.reason.clone()))),
                (_, None) => {}
            }
        }
        self.ending = Some(ending);
        self.change_host(HostState::ShuttingDown);
        self.actions.push(Action::ArmShutdownBudget(SHUTDOWN_BUDGET));
        let everything = self.order.clone();
        self.operations
            .push(Operation::stopping(None, Kind::Shutdown, everything));
    }

    /// Calls nobody any more. What was not shut down by now ends with the process.
    pub(super) fn cut_off(&mut self) {
        if self.host != HostState::ShuttingDown {
            return;
        }
        let alive = |key: &&Key| self.is_alive(**key);
        let keys: Vec<Key> = self.order.iter().rev().filter(alive).copied().collect();
        for key in keys {
            let Some(record) = self.records.get_mut(&key) else {
                continue;
            };
            record.alive = false;
            if record.state != EntryState::Stopping {
                self.change(key, EntryState::Stopping, None);
            }
            let detail = format!("cut off: the {SHUTDOWN_BUDGET:?} for all shutdowns are used up");
            self.change(key, EntryState::Stopped, Some(detail));
            self.tell(key, Order::End);
        }
    }

    pub(super) fn finish_shutdown(&mut self) {
        for key in self.order.clone() {
            self.tell(key, Order::End);
        }
        self.change_host(HostState::Stopped);
        if let (Some(id), Some(ending)) = (self.boot_interrupted.take(), self.ending.clone()) {
            self.answer(id, Err(OperationError::Stopped(ending)));
        }
    }
}
