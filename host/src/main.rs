//! The `kora` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    kora_host::cli::main_with(&kora_host::app::Kora)
}
