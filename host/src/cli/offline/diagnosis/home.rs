//! The home itself: whose it is, who can look into it, and the two files that an operator writes.

use std::{
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use super::Finding;
use crate::config::{Config, Home};

const CHECK: &str = "home";
const CALLERS: &str = "callers";
const ROOT: u32 = 0;

/// Whether it is there at all.
pub(super) fn look(home: &Home, findings: &mut Vec<Finding>) -> bool {
    let root = home.root();
    match fs::metadata(root) {
        Ok(found) if found.is_dir() => {
            findings.push(ownership(CHECK, root, &found));
            findings.push(callers(&home.callers_file()));
            true
        }
        Ok(_) => {
            let message = format!("expected a directory at `{}`; found a file", root.display());
            findings.push(Finding::fail(
                CHECK,
                message,
                "name another home with `--home DIR`",
            ));
            false
        }
        Err(error) => {
            let message = format!("`{}` cannot be looked at: {error}", root.display());
            let hint = match error.kind() {
                ErrorKind::NotFound => "make it with `kora init`, or name another home with `--home DIR`",
                _ => "run the command as the user that owns it",
            };
            findings.push(Finding::fail(CHECK, message, hint));
            false
        }
    }
}

pub(super) fn configuration(config: &Config) -> Finding {
    let file = config.home().config_file();
    if config.is_from_file() {
        Finding::ok("configuration", format!("`{}` is valid", file.display()))
    } else {
        Finding::warn(
            "configuration",
            format!("`{}` is not there: the defaults apply", file.display()),
            "`kora init` makes one that shows every setting",
        )
    }
}

/// That a path is this user's, and that nobody else can write or read it.
pub(super) fn ownership(check: &'static str, path: &Path, found: &Metadata) -> Finding {
    let (own, owner, mode) = (
        rustix::process::geteuid().as_raw(),
        found.uid(),
        found.permissions().mode() & 0o7777,
    );
    let shown = path.display();
    if owner != own && own != ROOT {
        let message = format!("`{shown}` belongs to uid {owner}; this user is uid {own}");
        return Finding::fail(
            check,
            message,
            "run the command as the user that owns it, or `chown -R` it",
        );
    }
    match mode {
        mode if mode & 0o022 != 0 => Finding::fail(
            check,
            format!("`{shown}` can be written by others (mode {mode:04o})"),
            format!("check its content and run `chmod go-rwx {shown}`"),
        ),
        mode if mode & 0o055 != 0 => Finding::warn(
            check,
            format!("others can look into `{shown}` (mode {mode:04o})"),
            format!("run `chmod go-rwx {shown}`"),
        ),
        _ => Finding::ok(check, format!("`{shown}` is its owner's alone")),
    }
}

fn callers(file: &Path) -> Finding {
    let found = match fs::metadata(file) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::ok(
                CALLERS,
                format!("`{}` is not there: nobody may call with a token", file.display()),
            );
        }
        Err(error) => {
            let message = format!("`{}` cannot be looked at: {error}", file.display());
            return Finding::fail(CALLERS, message, "run the command as the user that owns it");
        }
    };
    let is_toml = fs::read_to_string(file).is_ok_and(|text| text.parse::<toml::Table>().is_ok());
    if is_toml {
        ownership(CALLERS, file, &found)
    } else {
        let message = format!(
            "expected TOML in `{}`; found something else: nobody may call with a token",
            file.display()
        );
        Finding::fail(
            CALLERS,
            message,
            "mend it, or write it anew with `kora init --force`",
        )
    }
}
