//! The operational state of each tenant, its history and its listeners.
