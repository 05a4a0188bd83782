//! Certificates and keys, read from PEM files.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};

/// Bits of a mode by which others than the owner may read or write.
const OF_OTHERS: u32 = 0o077;
/// The same where root owns it and lets a group read it.
const OF_OTHERS_BUT_THE_GROUP: u32 = 0o037;

/// Why a file is of no use. Holds nothing of a key.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum FileError {
    /// It cannot be read, or holds something else.
    #[error("expected {what} in the file `{}` of `{option}`, found none: {cause}", .path.display())]
    Unreadable {
        option: &'static str,
        what: &'static str,
        path: PathBuf,
        cause: String,
    },
    /// Others could use the key.
    #[error(
        "expected a key that its owner alone can read (of root's also a group) in the file `{}` of `sslkey`, found the mode {mode:03o}: \
         `chmod 600` it",
        .path.display()
    )]
    KeyOfMany { path: PathBuf, mode: u32 },
    /// This machine trusts nobody.
    #[error(
        "expected certificates of authorities that this machine trusts, found none{}: install them (Debian: `ca-certificates`), or name a \
         file with one in `sslrootcert`",
        if cause.is_empty() { String::new() } else { format!(" ({cause})") }
    )]
    NoAuthorities { cause: String },
}

/// All certificates of a file, at least one.
pub(super) fn certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let unreadable = |cause: String| FileError::Unreadable {
        option,
        what: "certificates in PEM",
        path: path.to_owned(),
        cause,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(words(&error)));
    match found? {
        none if none.is_empty() => Err(unreadable("it has no `BEGIN CERTIFICATE`".to_owned())),
        found => Ok(found),
    }
}

/// The authorities of `sslrootcert`.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, FileError> {
    const OPTION: &str = "sslrootcert";
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(OPTION, path)? {
        authorities
            .add(certificate)
            .map_err(|error| FileError::Unreadable {
                option: OPTION,
                what: "certificates of authorities",
                path: path.to_owned(),
                cause: error.to_string(),
            })?;
    }
    Ok(authorities)
}

/// Those whom this machine trusts.
pub(super) fn authorities_of_platform() -> Result<RootCertStore, FileError> {
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found.certs);
    if authorities.is_empty() {
        let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(FileError::NoAuthorities {
            cause: causes.join("; "),
        });
    }
    Ok(authorities)
}

/// The key of `sslkey`.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let unreadable = |cause: String| FileError::Unreadable {
        option: "sslkey",
        what: "a private key in PEM that no password protects",
        path: path.to_owned(),
        cause,
    };
    let file = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    let others = if file.uid() == 0 {
        OF_OTHERS_BUT_THE_GROUP
    } else {
        OF_OTHERS
    };
    if file.mode() & others != 0 {
        let mode = file.mode() & 0o777;
        return Err(FileError::KeyOfMany {
            path: path.to_owned(),
            mode,
        });
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(words(&error)))
}

fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has none".to_owned(),
        // Says where it breaks off, and may say a line of it: of a key that is nobody's business.
        _ => "it is no whole PEM".to_owned(),
    }
}
