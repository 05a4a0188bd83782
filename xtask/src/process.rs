//! Running other programs: announced on stderr as a user would type them, with an error that names what failed.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

/// Runs it to its end, with the input and output of this process.
///
/// # Errors
/// If it cannot be run, or does not end well. What it says of that stands above.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed: {status}");
    Ok(())
}

/// A failure of which everything has been said: nothing is added to what stands above.
#[derive(Debug)]
pub struct AlreadyTold;

impl std::fmt::Display for AlreadyTold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it failed; what it says is above")
    }
}

impl std::error::Error for AlreadyTold {}

/// Something that this machine lacks: what, and how to get it.
#[derive(Debug)]
pub struct NotInstalled(pub String);

impl std::fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotInstalled {}

/// What it prints to stdout; stderr goes where that of this process goes.
///
/// # Errors
/// If it cannot be run, does not end well, or prints something that is no text.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(
        output.status.success(),
        "`{shown}` failed: {}; what it says is above",
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("expected text of `{shown}`, found other bytes"))
}

/// Whether a subcommand of cargo is installed, such as `nextest`.
pub fn has_cargo_command(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.extend(cargo_bin());
    places
        .iter()
        .any(|place| place.join(format!("cargo-{name}")).is_file())
}

/// Where cargo looks beside `PATH`.
fn cargo_bin() -> Option<std::path::PathBuf> {
    crate::workspace::cargo_home().ok().map(|home| home.join("bin"))
}

/// The command line as a shell would take it.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let mut command = Command::new("/somewhere/cargo");
        command.args(["test", "it's", "", "a b"]);
        assert_eq!(shown(&command), r"cargo test 'it'\''s' '' 'a b'");
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("fails");
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed: exit status: 3");
        let error = output(&mut Command::new("no-such-program")).expect_err("fails");
        assert_eq!(error.to_string(), "cannot run `no-such-program`");
    }
}
