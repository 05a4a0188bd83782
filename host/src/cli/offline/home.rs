//! Making a home. Nothing that is there is overwritten or removed.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    access::Token,
    config::{Home, template},
    service::{Problem, ProblemKind, tools::own_capabilities},
    socket::MAX_PATH_BYTES,
};

/// A home is its owner's alone: it holds who may call, and what an agent did.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Nobody keeps so many old ones; it bounds the search for a free name.
const MAX_SET_ASIDE: u32 = 1000;

/// What was made. Not `Debug`: it holds a token.
#[derive(Serialize)]
pub(in crate::cli) struct Made {
    /// The directory.
    pub home: String,
    /// What was not there before.
    pub made: Vec<String>,
    /// What was there and is as it was.
    pub kept: Vec<String>,
    /// Where the old files are that were replaced.
    pub set_aside: Vec<String>,
    /// What the operator should look at.
    pub warnings: Vec<String>,
    /// The token, if one was made; it is kept nowhere.
    pub operator_token: Option<String>,
}

/// Makes what is missing of `home`; with `anew`, also its two files, after setting the old ones aside.
///
/// # Errors
/// If the system refuses. What was made until then stays; trying again goes on from there.
pub(in crate::cli) fn make(home: &Home, anew: bool) -> Result<Made, Problem> {
    let mut made = nothing_made(home);
    made.warnings.extend(socket_path_problem(home));
    make_directory(home.root(), &mut made)?;
    for directory in [
        home.plugins(),
        home.data(),
        home.cache(),
        home.audit(),
        home.run(),
    ] {
        make_directory(&directory, &mut made)?;
    }
    if is_free(&home.config_file(), anew, &mut made)? {
        write_new(&home.config_file(), &template(), &mut made)?;
    }
    if is_free(&home.callers_file(), anew, &mut made)? {
        let token =
            Token::new().map_err(|error| refused("read the system's randomness for", home.root(), &error))?;
        write_new(&home.callers_file(), &callers(&token), &mut made)?;
        made.operator_token = Some(token.expose().to_owned());
    }
    Ok(made)
}

/// Makes the directory of the home's data, where it is missing.
///
/// # Errors
/// If the system refuses.
pub(in crate::cli) fn make_data(home: &Home) -> Result<(), Problem> {
    make_directory(&home.data(), &mut nothing_made(home))
}

/// Whether events wait that are in no store yet.
pub(in crate::cli) fn has_spooled(home: &Home) -> bool {
    fs::metadata(home.spool()).is_ok_and(|spool| spool.len() > 0)
}

fn nothing_made(home: &Home) -> Made {
    Made {
        home: shown(home.root()),
        made: Vec::new(),
        kept: Vec::new(),
        set_aside: Vec::new(),
        warnings: Vec::new(),
        operator_token: None,
    }
}

/// What is wrong with the path of the home's socket, if it is longer than the system takes.
pub(in crate::cli) fn socket_path_problem(home: &Home) -> Option<String> {
    let socket = home.socket();
    let found = socket.as_os_str().len();
    (found > MAX_PATH_BYTES).then(|| {
        format!(
            "the control socket would be `{}`, which has {found} bytes: expected at most {MAX_PATH_BYTES}, so no daemon can run in this home",
            socket.display()
        )
    })
}

fn make_directory(path: &Path, made: &mut Made) -> Result<(), Problem> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let mode = found.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                made.warnings.push(format!(
                    "`{0}` has mode {mode:04o}, so that others can look into it: `chmod 700 {0}`",
                    path.display()
                ));
            }
            made.kept.push(shown(path));
            return Ok(());
        }
        Ok(_) => {
            let message = format!(
                "expected a directory or nothing at `{}`; found a file",
                path.display()
            );
            return Err(
                Problem::new(ProblemKind::WrongState, "home.not_a_directory", message)
                    .hint("move that file away, or name another home with `--home DIR`"),
            );
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(refused("look at", path, &error)),
    }
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        // The mode above is narrowed by the umask.
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)))
        .map_err(|error| refused("make", path, &error))?;
    made.made.push(shown(path));
    Ok(())
}

/// Whether there is nothing at `path` now: there was nothing, or it was set aside.
fn is_free(path: &Path, anew: bool, made: &mut Made) -> Result<bool, Problem> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(refused("look at", path, &error)),
        Ok(_) if !anew => {
            made.kept.push(shown(path));
            Ok(false)
        }
        Ok(_) => {
            let aside = set_aside(path).map_err(|error| refused("set aside", path, &error))?;
            made.set_aside.push(shown(&aside));
            Ok(true)
        }
    }
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1..=MAX_SET_ASIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".old-{number}"));
        let aside = PathBuf::from(name);
        // A second name, then the first one away: neither step can overwrite anything.
        match fs::hard_link(path, &aside) {
            Ok(()) => return fs::remove_file(path).map(|()| aside),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!(
        "{MAX_SET_ASIDE} old ones are there already"
    )))
}

fn write_new(path: &Path, text: &str, made: &mut Made) -> Result<(), Problem> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(|error| refused("make", path, &error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| refused("write", path, &error))?;
    made.made.push(shown(path));
    Ok(())
}

fn callers(token: &Token) -> String {
    let capabilities: String = own_capabilities()
        .iter()
        .map(|name| format!("    \"{name}\",\n"))
        .collect();
    format!(
        "\
# Who may call this host with a token, over HTTP and MCP. The operator of this machine needs none: `kora` talks over a
# socket that only this user can open. `kora callers add|list|revoke|rotate` changes this file, and so may you: it is read again
# whenever it was replaced. Of a token only its SHA-256 stands here.

[[callers]]
name = \"operator\"
kind = \"operator\"
token_hash = \"{}\"
# Who it is in stop commands and events.
actor_id = \"{}\"
# The exact names of the tools that it may use and that change something; those that only show need none.
capabilities = [
{}]
# The tenants that it may act for; \"*\": all, and the host's own affairs.
tenants = [\"*\"]
",
        token.written_hash(),
        uuid::Uuid::now_v7(),
        capabilities
    )
}

fn refused(action: &str, path: &Path, error: &io::Error) -> Problem {
    let message = format!("cannot {action} `{}`: {error}", path.display());
    Problem::new(ProblemKind::Unavailable, "home.refused", message)
        .hint("name a home that this user may write with `--home DIR`")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_in(directory: &tempfile::TempDir) -> Home {
        Home::at(directory.path().join("deep/home"))
    }

    fn made(home: &Home, anew: bool) -> Made {
        make(home, anew).unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_home_is_its_owners_alone_and_keeps_only_the_hash_of_the_token() {
        let directory = tempfile::TempDir::new().unwrap();
        let home = home_in(&directory);
        let token = made(&home, false).operator_token.unwrap();
        let callers = fs::read_to_string(home.callers_file()).unwrap();
        assert_eq!(token.len(), 51);
        assert!(!callers.contains(&token));
        let parsed: toml::Table = callers.parse().unwrap();
        let hash = format!("sha256:{}", crate::domain::Digest::of(token.as_bytes()));
        assert_eq!(parsed["callers"][0]["token_hash"].as_str(), Some(hash.as_str()));
        for path in [home.root(), &home.plugins(), &home.data(), &home.run()] {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        assert_eq!(
            (mode(&home.config_file()), mode(&home.callers_file())),
            (0o600, 0o600)
        );
    }

    #[test]
    fn a_second_time_changes_nothing_and_a_missing_part_is_made() {
        let directory = tempfile::TempDir::new().unwrap();
        let home = home_in(&directory);
        made(&home, false);
        fs::write(home.config_file(), "# mine").unwrap();
        fs::remove_dir(home.audit()).unwrap();
        let again = made(&home, false);
        assert_eq!(again.made, [shown(&home.audit())]);
        assert!(again.operator_token.is_none());
        assert_eq!(fs::read_to_string(home.config_file()).unwrap(), "# mine");
    }

    #[test]
    fn force_keeps_the_old_files_beside_and_touches_no_data() {
        let directory = tempfile::TempDir::new().unwrap();
        let home = home_in(&directory);
        made(&home, false);
        fs::write(home.data().join("kora.db"), "data").unwrap();
        for round in ["first", "second"] {
            fs::write(home.config_file(), round).unwrap();
            let made = made(&home, true);
            assert_eq!(fs::read_to_string(&made.set_aside[0]).unwrap(), round);
            assert!(made.operator_token.is_some());
        }
        assert_eq!(fs::read_to_string(home.data().join("kora.db")).unwrap(), "data");
        assert_eq!(fs::read_to_string(home.config_file()).unwrap(), template());
    }

    #[test]
    fn a_home_so_deep_that_its_socket_cannot_be_is_known() {
        let name = "x".repeat(MAX_PATH_BYTES - "/".len() - "/run/kora.sock".len());
        assert_eq!(socket_path_problem(&Home::at(format!("/{name}"))), None);
        let problem = socket_path_problem(&Home::at(format!("/{name}x"))).unwrap();
        assert!(problem.contains("expected at most"), "{problem}");
    }

    #[test]
    fn a_file_where_a_directory_belongs_is_left_alone() {
        let directory = tempfile::TempDir::new().unwrap();
        let home = Home::at(directory.path().join("home"));
        fs::write(home.root(), "mine").unwrap();
        assert_eq!(make(&home, true).err().unwrap().code, "home.not_a_directory");
        assert_eq!(fs::read_to_string(home.root()).unwrap(), "mine");
    }
}
