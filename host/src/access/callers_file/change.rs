//! Changing the file so that no change is lost: one at a time, whether a command makes it or the host.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{CallersDocument, CallersFileError};

impl CallersDocument {
    /// Reads the file, changes it and replaces it, while nobody else does; if nothing is changed, the file stays as it is. Blocks until
    /// it is on the disk, and before that while somebody else changes it, which takes no longer than writing a file.
    ///
    /// # Errors
    /// If it cannot be read or written, or what `change` answers; the file is as it was.
    pub fn change<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, CallersFileError>,
    ) -> Result<T, CallersFileError> {
        let path = &followed(path).map_err(|why| CallersFileError::Io {
            path: path.to_owned(),
            doing: "followed to the file that it is a link to",
            why,
        })?;
        // Beside the file and not the file itself, which is replaced. It is let go when it is dropped.
        let _alone = lock(&path.with_extension("lock")).map_err(|why| CallersFileError::Io {
            path: path.to_owned(),
            doing: "locked",
            why,
        })?;
        let mut document = Self::read(path)?;
        let before = document.document.to_string();
        let changed = change(&mut document)?;
        if document.document.to_string() != before {
            document.write()?;
        }
        Ok(changed)
    }
}

/// The file itself, where somebody keeps it elsewhere and left a link: what is replaced is the file, and the link stays.
fn followed(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path),
        _ => Ok(path.to_owned()),
    }
}

fn lock(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;
    use crate::access::{CallerDraft, Tenancy};

    fn draft() -> CallerDraft {
        CallerDraft {
            actor_kind: "script".to_owned(),
            capabilities: BTreeSet::new(),
            actor_id: None,
            tenancy: Tenancy::All,
            allowed_events: BTreeSet::new(),
            requests_per_second: None,
        }
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("callers.toml");
        thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || {
                    let name = format!("caller-{number}").parse().unwrap();
                    CallersDocument::change(path, |document| document.add(&name, &draft())).unwrap();
                });
            }
        });
        let (callers, faults) = CallersDocument::read(&path).unwrap().callers();
        assert_eq!((callers.len(), faults), (16, vec![]));
    }

    #[test]
    fn a_link_stays_one_and_the_file_that_it_leads_to_is_changed() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, kept) = (
            home.path().join("callers.toml"),
            elsewhere.path().join("kept.toml"),
        );
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        let add = |name: &str| {
            let name = name.parse().unwrap();
            CallersDocument::change(&link, |document| document.add(&name, &draft()).map(drop))
        };
        let told = add("pm").unwrap_err().to_string();
        assert!(
            told.contains("followed to the file that it is a link to"),
            "{told}"
        );
        fs::write(&kept, "# Kept elsewhere.\n").unwrap();
        add("pm").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let text = fs::read_to_string(&kept).unwrap();
        assert!(
            text.contains("# Kept elsewhere.") && text.contains("\"pm\""),
            "{text}"
        );
    }

    #[test]
    fn what_is_refused_or_changes_nothing_leaves_the_file_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("callers.toml");
        CallersDocument::change(&path, |_| Ok(())).unwrap();
        assert!(!path.exists());
        CallersDocument::change(&path, |document| document.add(&"pm".parse().unwrap(), &draft())).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = CallersDocument::change(&path, |document| {
            document.revoke("pm")?;
            document.revoke("nobody")
        });
        assert!(
            matches!(refused, Err(CallersFileError::Missing(_))),
            "{refused:?}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
