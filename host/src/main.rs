//! The `kora` command.

use std::process::ExitCode;

/// Requests over HTTP and the records of the log are made of many small pieces, which the system's allocator takes half as long again to hand
/// out. A plugin has its own: each side frees what it allocated.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kora_host::app::main()
}
