//! The prompt file that speaks for a tenant for which no provider claims. Missing or empty, nothing speaks: fail closed.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::Map;

use super::{Snapshot, SnapshotError, snapshot::MAX_TEXT_BYTES};
use crate::domain::TenantId;

/// The version that a fallback identity has.
const AGENT_VERSION: &str = "fallback";

/// What speaks for a tenant if no provider does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fallback {
    /// The file with the system prompt.
    pub prompt: Option<PathBuf>,
    /// The agent's name; the tenant's id if absent.
    pub agent_name: Option<String>,
}

/// Why the fallback prompt cannot speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FallbackError {
    /// There is none.
    #[error("no fallback prompt is configured")]
    NotConfigured,
    /// The file cannot be read.
    #[error("the fallback prompt `{}` cannot be read: {cause}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file makes no identity.
    #[error("the fallback prompt `{}` is no identity: {cause}", .path.display())]
    NoIdentity {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: SnapshotError,
    },
}

impl Fallback {
    /// Reads the file, on a thread that may block, and makes the identity.
    ///
    /// # Errors
    /// If there is no file, or it makes no complete identity.
    pub async fn read(&self, tenant: &TenantId) -> Result<Snapshot, FallbackError> {
        let Some(path) = self.prompt.clone() else {
            return Err(FallbackError::NotConfigured);
        };
        let unreadable = |cause: String| FallbackError::Unreadable {
            path: path.clone(),
            cause,
        };
        let from = path.clone();
        let system_prompt = tokio::task::spawn_blocking(move || read_text(&from))
            .await
            .map_err(|error| unreadable(error.to_string()))?
            .map_err(|error| unreadable(error.to_string()))?;
        let agent_name = self.agent_name.clone();
        let snapshot = Snapshot {
            agent_name: agent_name.unwrap_or_else(|| tenant.to_string()),
            agent_version: AGENT_VERSION.to_owned(),
            soul_md: String::new(),
            system_prompt,
            metadata: Map::new(),
        };
        match snapshot.check() {
            Ok(()) => Ok(snapshot),
            Err(cause) => Err(FallbackError::NoIdentity { path, cause }),
        }
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    // One byte more than may be, so that too much is refused as too long and not cut off.
    File::open(path)?
        .take(MAX_TEXT_BYTES as u64 + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}
