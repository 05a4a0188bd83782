//! Putting a plugin into the plugin directory: judged before, whole or not at all, and exactly what was judged.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use uuid::Uuid;

use crate::{
    domain::Digest,
    plugin::{Examined, Form, Limits, Platform, Strictness, examine},
    service::{Problem, ProblemKind},
};

/// Readable by a host that runs as another user, writable by nobody but the owner: the gate refuses anything else.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
const DIRECTORY_MODE: u32 = 0o700;

/// Where a plugin was put.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Installed {
    pub path: PathBuf,
    /// A file of that name was there before.
    pub replaced: bool,
}

/// Copies `examined` from where it lies into `directory`.
///
/// # Errors
/// If it changed since it was judged, a folder of that name is there, or the system refuses. The directory is then as it was.
pub(in crate::cli) fn install(examined: &Examined, directory: &Path) -> Result<Installed, Problem> {
    let target = directory.join(file_name(examined));
    make_directory(directory).map_err(|error| refused(directory, &error))?;
    // The leading dot says that it is not there yet: the host looks away from such names.
    let beside = directory.join(format!(".{}.tmp", Uuid::new_v4()));
    let installed = match examined.form {
        Form::Library | Form::Package => install_file(examined, &beside, &target),
        Form::Folder => install_folder(examined, &beside, &target),
    };
    if installed.is_err() {
        // What is left of it is ignored by the host; the first error says what matters.
        let _left = fs::remove_file(&beside).or_else(|_| fs::remove_dir_all(&beside));
    }
    installed
}

/// A package keeps the name that says its version and target, however the file was renamed.
fn file_name(examined: &Examined) -> String {
    let manifest = &examined.manifest;
    match examined.form {
        Form::Library => format!("lib{}.so", manifest.name),
        Form::Folder => manifest.name.to_string(),
        Form::Package => format!(
            "{}-{}-{}.tar.zst",
            manifest.name, manifest.version, examined.facts.target
        ),
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
}

fn install_file(examined: &Examined, beside: &Path, target: &Path) -> Result<Installed, Problem> {
    let failed = |error: io::Error| refused(target, &error);
    copy_file(&examined.path, beside).map_err(failed)?;
    if Digest::of(&fs::read(beside).map_err(failed)?) != examined.digest {
        return Err(changed(&examined.path));
    }
    let replaced = target.exists();
    fs::rename(beside, target).map_err(failed)?;
    sync_directory_of(target).map_err(failed)?;
    Ok(Installed {
        path: target.to_owned(),
        replaced,
    })
}

fn install_folder(examined: &Examined, beside: &Path, target: &Path) -> Result<Installed, Problem> {
    let failed = |error: io::Error| refused(target, &error);
    if target.exists() {
        let message = format!(
            "expected nothing at `{}`; found a folder, which cannot be replaced in one step",
            target.display()
        );
        return Err(
            Problem::new(ProblemKind::Conflict, "plugin.folder_exists", message)
                .hint("remove it first, or install a package, which can be replaced"),
        );
    }
    copy_folder(&examined.path, beside).map_err(failed)?;
    let copy = examine(
        beside,
        Strictness::AtLoad,
        &Limits::default(),
        &Platform::current(),
    );
    if copy.map(|copy| copy.digest) != Ok(examined.digest) {
        return Err(changed(&examined.path));
    }
    fs::rename(beside, target).map_err(failed)?;
    sync_directory_of(target).map_err(failed)?;
    Ok(Installed {
        path: target.to_owned(),
        replaced: false,
    })
}

/// The folder was judged: it holds nothing but regular files and folders, and not many.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&source, &copy)?;
        } else {
            copy_file(&source, &copy)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    if !source.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "expected a regular file"));
    }
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.flush()?;
    // The mode above is narrowed by the umask.
    copy.set_permissions(Permissions::from_mode(FILE_MODE))?;
    copy.sync_all()
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn changed(path: &Path) -> Problem {
    let message = format!(
        "`{}` changed while it was copied: nothing was installed",
        path.display()
    );
    Problem::new(ProblemKind::Conflict, "plugin.changed", message).hint("try again once it stands still")
}

fn refused(path: &Path, error: &io::Error) -> Problem {
    let message = format!("cannot write `{}`: {error}", path.display());
    Problem::new(ProblemKind::Unavailable, "plugin.not_installed", message)
        .hint("run the command as the user that owns the plugin directory")
}
