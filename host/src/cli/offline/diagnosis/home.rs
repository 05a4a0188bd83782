//! The home itself: whose it is, who can look into it, and the two files that an operator writes.

use std::{
    fs::{self, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::Finding;
use crate::{
    access::CallersDocument,
    cli::offline::home::socket_path_problem,
    config::{Config, Home},
};

const CHECK: &str = "home";
const CALLERS: &str = "callers";
const ROOT: u32 = 0;

/// Whether it is there at all.
pub(super) fn look(home: &Home, findings: &mut Vec<Finding>) -> bool {
    let root = home.root();
    match fs::metadata(root) {
        Ok(found) if found.is_dir() => {
            findings.push(ownership(CHECK, root, &found));
            findings.extend(unwritable(home));
            findings.extend(socket_path_problem(home).map(|problem| {
                Finding::fail(
                    CHECK,
                    problem,
                    "name a home with a shorter path with `--home DIR`",
                )
            }));
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

/// Where a host could not write. It is really tried: to root, and on a medium that is mounted for reading, modes say nothing.
fn unwritable(home: &Home) -> Vec<Finding> {
    let directories = [
        home.root().to_owned(),
        home.data(),
        home.cache(),
        home.run(),
        home.audit(),
    ];
    let finding = |directory: &PathBuf| not_writable(CHECK, directory);
    directories.iter().filter_map(finding).collect()
}

/// That a directory which is there cannot be written; one that is not is made by the host.
pub(super) fn not_writable(check: &'static str, directory: &Path) -> Option<Finding> {
    let error = write_to(directory).err()?;
    (error.kind() != ErrorKind::NotFound || directory.exists()).then(|| {
        Finding::fail(
            check,
            format!("`{}` cannot be written: {error}", directory.display()),
            "run the command as the user that owns it, on a medium that is mounted for writing",
        )
    })
}

fn write_to(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".kora-doctor-{}.tmp", uuid::Uuid::new_v4()));
    fs::File::create_new(&probe)?;
    fs::remove_file(&probe)
}

pub(super) fn configuration(config: &Config) -> Finding {
    let file = config.home().config_file();
    if config.is_from_file() {
        Finding::ok("configuration", format!("`{}` is valid", file.display()))
    } else {
        Finding::fail(
            "configuration",
            format!(
                "`{}` is not there, so this is no home and no daemon starts in it",
                file.display()
            ),
            format!(
                "`kora init --home {}` makes it one",
                config.home().root().display()
            ),
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
    let mend = "mend it, or write it anew with `kora init --force`";
    match CallersDocument::read(file) {
        Ok(document) => match document.callers().1.first() {
            None => ownership(CALLERS, file, &found),
            Some(fault) => {
                let message = format!(
                    "the caller `{}` in `{}` is left out: {}",
                    fault.name,
                    file.display(),
                    fault.why
                );
                Finding::warn(CALLERS, message, mend)
            }
        },
        Err(error) => Finding::fail(CALLERS, format!("{error}: nobody may call with a token"), mend),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_where_even_root_cannot_write_is_found_and_a_probe_leaves_nothing() {
        assert!(not_writable(CHECK, Path::new("/proc")).is_some());
        let directory = tempfile::TempDir::new().unwrap();
        write_to(directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
