//! The `kora` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    kora_host::app::main()
}
