//! The command under test: the same as `kora`, built where Cargo tells the tests its path.

fn main() -> std::process::ExitCode {
    kora_host::app::main()
}
