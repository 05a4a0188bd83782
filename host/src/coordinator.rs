//! The coordinator: daemon entries, their order, start, ticks, restart and stop.
