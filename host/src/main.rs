//! The `kora` command.
use kora_host::cli::App as _;
fn main() {
    let home = kora_host::config::Home::at(std::env::var_os("KORA_HOME").unwrap());
    let end = kora_host::app::Kora.run_daemon(kora_host::cli::DaemonOptions {
        home,
        only: vec![],
        log_level: None,
        log_format: None,
        colour: false,
    });
    println!("{end:?}");
}
