//! That nobody but root and the user of this host can write a file, nor put another in its place.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use crate::plugin::refusal::{Refusal, shown_path};

const WRITABLE_BY_GROUP_AND_OTHERS: u32 = 0o022;
const ROOT: u32 = 0;

/// Follows `path` and checks it and each folder from `directory` down. Returns where it leads.
///
/// # Errors
/// If it leads out of the directory, and for a level that others can write or that belongs to a stranger.
pub fn check_path(directory: &Path, path: &Path) -> Result<PathBuf, Refusal> {
    let root = canonical(directory)?;
    let file = canonical(path)?;
    let below = file.strip_prefix(&root).map_err(|_| Refusal::NotAPlugin {
        path: shown_path(path),
        found: "a link that leaves the plugin directory".to_owned(),
    })?;
    let mut level = root;
    check(&level, &look(&level)?)?;
    for name in below.components() {
        level.push(name);
        check(&level, &look(&level)?)?;
    }
    Ok(level)
}

/// Opens a regular file without following a link in its last part, and without waiting if it is a pipe.
///
/// # Errors
/// If it cannot be opened, or is anything else.
pub fn open_regular(path: &Path) -> Result<(File, Metadata), Refusal> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)
        .and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = opened.map_err(|error| Refusal::unreadable(path, &error))?;
    if !metadata.is_file() {
        return Err(Refusal::NotAPlugin {
            path: shown_path(path),
            found: "something that is no regular file".to_owned(),
        });
    }
    Ok((file, metadata))
}

/// Checks one level that was looked at.
fn check(path: &Path, metadata: &Metadata) -> Result<(), Refusal> {
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != ROOT && metadata.uid() != own {
        return Err(Refusal::ForeignOwner {
            path: shown_path(path),
            expected_uid: own,
            found_uid: metadata.uid(),
        });
    }
    if metadata.mode() & WRITABLE_BY_GROUP_AND_OTHERS != 0 {
        return Err(Refusal::WritableByOthers {
            path: shown_path(path),
            mode: metadata.mode() & 0o7777,
        });
    }
    Ok(())
}

fn canonical(path: &Path) -> Result<PathBuf, Refusal> {
    path.canonicalize()
        .map_err(|error| Refusal::unreadable(path, &error))
}

fn look(path: &Path) -> Result<Metadata, Refusal> {
    let looked: io::Result<Metadata> = path.symlink_metadata();
    looked.map_err(|error| Refusal::unreadable(path, &error))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt as _, chown, symlink},
    };

    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        /// A plugin directory with `folder/file` in it.
        fn new() -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir_all(home.path("plugins/folder")).unwrap();
            std::fs::write(home.path("plugins/folder/file"), "x").unwrap();
            for (path, mode) in [
                ("plugins", 0o755),
                ("plugins/folder", 0o755),
                ("plugins/folder/file", 0o644),
            ] {
                home.chmod(path, mode);
            }
            home
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(below)
        }

        fn chmod(&self, below: &str, mode: u32) {
            std::fs::set_permissions(self.path(below), Permissions::from_mode(mode)).unwrap();
        }

        fn check(&self, below: &str) -> Result<PathBuf, Refusal> {
            check_path(&self.path("plugins"), &self.path(below))
        }
    }

    const LEVELS: [&str; 3] = ["plugins", "plugins/folder", "plugins/folder/file"];

    #[test]
    fn what_only_the_own_user_can_write_is_accepted() {
        let home = Home::new();
        assert_eq!(
            home.check("plugins/folder/file").unwrap(),
            home.path("plugins/folder/file")
        );
    }

    #[test]
    fn what_group_or_others_can_write_is_refused_at_every_level() {
        for level in LEVELS {
            for bit in [0o020, 0o002] {
                let home = Home::new();
                home.chmod(level, 0o700 | bit);
                let refusal = home.check("plugins/folder/file").unwrap_err();
                assert_eq!(refusal.kind(), "writable_by_others");
                let line = refusal.to_string();
                assert!(
                    line.contains(&format!("`{}`", home.path(level).display())),
                    "{line}"
                );
                assert!(line.contains(&format!("found {:04o}", 0o700 | bit)), "{line}");
            }
        }
    }

    #[test]
    fn what_belongs_to_a_stranger_is_refused_at_every_level() {
        const STRANGER: u32 = 4242;
        if !rustix::process::geteuid().is_root() {
            // Only root can give a file away; the check itself is the same.
            return;
        }
        for level in LEVELS {
            let home = Home::new();
            chown(home.path(level), Some(STRANGER), None).unwrap();
            let refusal = home.check("plugins/folder/file").unwrap_err();
            assert_eq!(refusal.kind(), "foreign_owner");
            assert!(refusal.to_string().contains("found uid 4242"), "{refusal}");
        }
    }

    #[test]
    fn a_link_that_leaves_the_directory_is_refused_and_one_within_is_followed() {
        let home = Home::new();
        std::fs::write(home.path("outside"), "x").unwrap();
        symlink(home.path("outside"), home.path("plugins/out")).unwrap();
        symlink("folder/file", home.path("plugins/in")).unwrap();
        assert!(
            home.check("plugins/out")
                .unwrap_err()
                .to_string()
                .contains("leaves the plugin directory")
        );
        assert_eq!(
            home.check("plugins/in").unwrap(),
            home.path("plugins/folder/file")
        );
        home.chmod("plugins/folder", 0o777);
        assert_eq!(home.check("plugins/in").unwrap_err().kind(), "writable_by_others");
    }

    #[test]
    fn only_a_regular_file_is_opened_and_a_pipe_does_not_make_it_wait() {
        let home = Home::new();
        assert!(open_regular(&home.path("plugins/folder/file")).is_ok());
        assert_eq!(
            open_regular(&home.path("plugins/folder")).unwrap_err().kind(),
            "not_a_plugin"
        );
        let pipe = home.path("plugins/pipe");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(open_regular(&pipe).unwrap_err().kind(), "not_a_plugin");
        symlink("file", home.path("plugins/folder/link")).unwrap();
        assert_eq!(
            open_regular(&home.path("plugins/folder/link"))
                .unwrap_err()
                .kind(),
            "unreadable"
        );
    }
}
