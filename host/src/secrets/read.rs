//! Reads one secret from its place. Every copy that is made on the way is wiped; a message says what is wrong with the place,
//! never what stands there.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    os::unix::{
        ffi::OsStringExt as _,
        fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::Path,
};

use rustix::fs::OFlags;
use secrecy::{SecretSlice, zeroize::Zeroizing};

use super::{CREDENTIALS_VARIABLE, SecretSurroundings};
use crate::config::SecretSource;

/// The longest secrets are keys and chains of certificates; more is the wrong file.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Who may have access beside the owner: nobody.
const OTHERS: u32 = 0o077;

/// What stands at `source`.
pub(super) fn read(
    source: &SecretSource,
    surroundings: &SecretSurroundings,
) -> Result<SecretSlice<u8>, String> {
    match source {
        SecretSource::Environment(name) => {
            let value = (surroundings.environment)(name).ok_or(
                "the variable that it is configured to be in is not set: set it, and start the host again",
            )?;
            checked(&Zeroizing::new(value.into_vec()))
        }
        SecretSource::File(path) => {
            let (file, mode) = open(path)?;
            if mode & OTHERS != 0 {
                return Err(format!(
                    "expected a file that only its owner can use; found mode {:04o}: `chmod 600` it",
                    mode & 0o7777
                ));
            }
            read_file(file)
        }
        SecretSource::Credential(name) => {
            let directory = surroundings.credentials_directory.as_ref().ok_or_else(|| {
                format!(
                    "the service manager gave no credentials: expected `{CREDENTIALS_VARIABLE}` to be set"
                )
            })?;
            // Its mode shows the mask of an access list; systemd keeps others out of the directory.
            let (file, _) = open(&directory.join(name))?;
            read_file(file)
        }
    }
}

/// Opens a file of the host's own user, or of root, and gives its mode. A link is followed: rotation often swaps one. What is
/// judged is what was opened.
fn open(path: &Path) -> Result<(File, u32), String> {
    let unreadable =
        |error: std::io::Error| format!("expected a file that can be read; found: {}", error.kind());
    // Without waiting, since a pipe that nobody writes to would be waited for here.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("expected a regular file; found something else".to_owned());
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(format!(
            "expected a file of the user {own} or of root; found one of the user {}: `chown` it",
            metadata.uid()
        ));
    }
    Ok((file, metadata.mode()))
}

fn read_file(file: File) -> Result<SecretSlice<u8>, String> {
    /// A secret, the end of its line, and one more to know that there is more.
    const ROOM: usize = MAX_SECRET_BYTES + 3;
    // All the room at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    file.take(ROOM as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("reading failed: {}", error.kind()))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = if line.len() < bytes.len() {
        line.strip_suffix(b"\r").unwrap_or(line)
    } else {
        line
    };
    checked(line)
}

/// A copy of exactly these bytes, if they can be a secret.
fn checked(bytes: &[u8]) -> Result<SecretSlice<u8>, String> {
    if bytes.is_empty() {
        return Err("expected a secret; found nothing".to_owned());
    }
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(format!("expected at most {MAX_SECRET_BYTES} bytes; found more"));
    }
    Ok(SecretSlice::from(Box::<[u8]>::from(bytes)))
}
