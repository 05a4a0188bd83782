//! A whole database as rows, and a database built of rows: see [`store::transfer`](crate::store::transfer).

mod build;
mod hold;
mod put;
mod rows;

use tokio::runtime::Runtime;

pub(super) use self::hold::HOSTS_LOCK;
pub(in crate::store) use self::{build::DatabaseTarget, hold::DatabaseHold};
use super::{
    PostgresPlace,
    fault::store_error,
    rows as stored_rows, scan, schema,
    session::{Role, Session},
};
use crate::store::{
    Collection, StoreError, StorePlace,
    transfer::{Each, Origin, Source, TransferError},
};

/// All of a database, of one moment.
pub(in crate::store) struct DatabaseSource {
    place: PostgresPlace,
    origin: Origin,
    /// In a transaction that reads. Dropped before what carries it.
    session: Session,
    runtime: Runtime,
}

impl DatabaseSource {
    /// The store in the database at `place`. Hosts may go on meanwhile.
    pub(in crate::store) fn open(place: PostgresPlace) -> Result<Self, TransferError> {
        let runtime = runtime().map_err(|cause| failed(&place, cause))?;
        let opened = runtime.block_on(async {
            let version = schema::version(&Session::bare(&place).await?.client).await?;
            if version == 0 {
                let message = "there is no store in it yet: the first `kora daemon` makes it".to_owned();
                return Err(StoreError::Unavailable(message));
            }
            let session = Session::open(&place, Role::Auditor).await?;
            let begun = session.client.batch_execute(scan::ONE_MOMENT).await;
            begun.map_err(|error| store_error(&error))?;
            let origin = origin(&session, version).await?;
            Ok((session, origin))
        });
        let (session, origin) = opened.map_err(|cause| failed(&place, cause))?;
        Ok(Self {
            place,
            origin,
            session,
            runtime,
        })
    }
}

impl Source for DatabaseSource {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn rows(&mut self, each: Each<'_>) -> Result<(), TransferError> {
        self.runtime
            .block_on(rows::all(&self.session.client, &self.place, each))
    }
}

async fn origin(session: &Session, schema: u32) -> Result<Origin, StoreError> {
    let query = format!(
        "SELECT {} FROM documents WHERE collection = $1",
        stored_rows::DOCUMENT_COLUMNS
    );
    let epoch = if rows::has_table(&session.client, "documents").await? {
        let name = Collection::Epochs.as_str();
        let found = session.client.query_opt(&query, &[&name]).await;
        let found = found.map_err(|error| store_error(&error))?;
        found.as_ref().map(stored_rows::document).transpose()?
    } else {
        None
    };
    Ok(Origin {
        backend: "postgres".to_owned(),
        schema,
        epoch,
    })
}

/// For one connection. What it carries goes on only while somebody waits for an answer.
fn runtime() -> Result<Runtime, StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| StoreError::Unavailable(format!("cannot start a runtime: {error}")))
}

fn failed(place: &PostgresPlace, cause: StoreError) -> TransferError {
    TransferError::store(&StorePlace::Postgres(place.clone()), cause)
}
