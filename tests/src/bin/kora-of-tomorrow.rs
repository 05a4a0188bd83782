//! The command of a later release: built with `next`, apart from everything else, by the tests that need it.

fn main() -> std::process::ExitCode {
    kora_host::app::main()
}
