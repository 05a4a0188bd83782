//! For which stop commands the tokens of this home were revoked. Every host on a store revokes those of its own home, once for each
//! command: what `kora callers rotate` gave since is not taken away again, after a restart either.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use uuid::Uuid;

/// How many commands are remembered, the newest: several times what a host looks at in one round, so that none in force is forgotten.
const REMEMBERED: usize = 4096;

/// What was done, in a file beside the callers.
pub struct Revocations {
    path: PathBuf,
    /// Read when it is needed first.
    done: Mutex<Option<Vec<Uuid>>>,
}

impl Revocations {
    /// Those of the callers in this file.
    pub fn beside(callers: &Path) -> Self {
        Self {
            path: callers.with_extension("revoked"),
            done: Mutex::default(),
        }
    }

    /// Revokes for a command unless that was done, and notes that it was. Blocks.
    ///
    /// # Errors
    /// What `revoke` answers, or that it could not be read or noted whether it was done. A crash between the two revokes once more.
    pub fn once(&self, command: Uuid, revoke: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match done.take() {
            Some(known) => known,
            None => self.read().map_err(|error| self.failed("read", &error))?,
        };
        let known = done.insert(known);
        if known.contains(&command) {
            return Ok(());
        }
        revoke()?;
        let mut with_it = known.clone();
        with_it.push(command);
        with_it.drain(..with_it.len().saturating_sub(REMEMBERED));
        self.write(&with_it)
            .map_err(|error| self.failed("written", &error))?;
        *known = with_it;
        Ok(())
    }

    /// A line that names no command is passed over: at worst, tokens are revoked once more.
    fn read(&self) -> io::Result<Vec<Uuid>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, done: &[Uuid]) -> io::Result<()> {
        let new = self.path.with_extension("revoked.new");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        let lines: String = done.iter().map(|command| format!("{command}\n")).collect();
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }

    fn failed(&self, doing: &str, error: &io::Error) -> String {
        let path = self.path.display();
        format!("`{path}`, which says for which commands tokens were revoked, cannot be {doing}: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        /// A run of a host there.
        fn run(&self) -> Revocations {
            Revocations::beside(&self.0.path().join("callers.toml"))
        }
    }

    fn revokes(run: &Revocations, command: Uuid) -> bool {
        let mut is_asked = false;
        let revoke = || {
            is_asked = true;
            Ok(())
        };
        run.once(command, revoke).unwrap();
        is_asked
    }

    #[test]
    fn a_command_revokes_once_in_a_home_whatever_is_restarted() {
        let home = Home::new();
        let [first, second] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let run = home.run();
        assert_eq!(
            [first, first, second].map(|id| revokes(&run, id)),
            [true, false, true]
        );
        let run = home.run();
        assert_eq!([first, second].map(|id| revokes(&run, id)), [false, false]);
        assert!(
            revokes(&Home::new().run(), first),
            "another home has tokens of its own"
        );
    }

    #[test]
    fn what_could_not_be_revoked_or_noted_is_tried_again() {
        let home = Home::new();
        let (run, command) = (home.run(), Uuid::from_u128(1));
        let busy = run.once(command, || Err("the file is busy".to_owned()));
        assert_eq!(busy, Err("the file is busy".to_owned()));
        let path = home.0.path().join("callers.revoked");
        fs::create_dir(&path).unwrap();
        let told = home.run().once(command, || Ok(())).unwrap_err();
        assert!(
            told.contains("callers.revoked") && told.contains("cannot be read"),
            "{told}"
        );
        let told = run.once(command, || Ok(())).unwrap_err();
        assert!(told.contains("cannot be written"), "{told}");
        fs::remove_dir(&path).unwrap();
        assert_eq!([command; 2].map(|id| revokes(&run, id)), [true, false]);
    }

    #[test]
    fn the_oldest_are_forgotten_and_what_names_no_command_is_passed_over() {
        let home = Home::new();
        let lines: Vec<_> = (1..=REMEMBERED as u128)
            .map(|n| Uuid::from_u128(n).to_string())
            .collect();
        let text = format!("no command\n{}\n", lines.join("\n"));
        fs::write(home.0.path().join("callers.revoked"), text).unwrap();
        let run = home.run();
        assert!(!revokes(&run, Uuid::from_u128(1)));
        assert!(revokes(&run, Uuid::from_u128(u128::MAX)));
        let run = home.run();
        assert!(!revokes(&run, Uuid::from_u128(u128::MAX)) && !revokes(&run, Uuid::from_u128(2)));
        assert!(revokes(&run, Uuid::from_u128(1)));
    }
}
