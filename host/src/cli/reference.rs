//! The reference page of the command, made from the command's own help, so that neither can say what the other does not.

mod tools;

pub use tools::tools;

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use super::arguments::Cli;

/// The line that the page begins with, so that nobody edits it by hand.
const GENERATED: &str = "<!-- Made from the command's own help. Do not edit. -->";

/// Narrower than a terminal may be, so that the page looks the same wherever it was made.
const WIDTH: usize = 100;

/// The page as Markdown: every command with its long help.
pub fn reference() -> String {
    let mut command = Cli::command().term_width(WIDTH).disable_help_subcommand(true);
    command.build();
    let mut page = format!("{GENERATED}\n\n# The `kora` command\n");
    describe(&mut command, "kora", &mut page);
    page
}

fn describe(command: &mut Command, path: &str, page: &mut String) {
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    // Writing into a String cannot fail.
    let _infallible = write!(page, "\n## `{path}`\n\n```text\n{}\n```\n", lines.join("\n"));
    for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set()) {
        let path = format!("{path} {}", below.get_name());
        describe(below, &path, page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_what_its_exit_codes_mean() {
        let page = reference();
        for part in [
            "## `kora identity swap`",
            "## `kora events verify`",
            "130  interrupted",
            "--expect-generation",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page, reference());
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_argument_says_what_it_is() {
        fn check(command: &Command) {
            assert!(command.get_about().is_some(), "`{}`", command.get_name());
            for argument in command.get_arguments() {
                let name = argument.get_id();
                assert!(
                    argument.get_help().is_some(),
                    "`{}` of `{}`",
                    name,
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
