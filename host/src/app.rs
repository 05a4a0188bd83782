//! The composition root: makes every part, wires the ports, boots, runs until something ends it, and stops in order.

mod accounts;
mod boot;
mod boot_check;
mod journal;
mod listeners;
mod operator;
mod parts;
mod plugin_directory;
mod port;
mod providers;
mod signals;
mod upkeep;
mod wire;

pub use boot_check::check_boot;
pub use operator::run_daemon;
