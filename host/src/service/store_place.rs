//! Where the configuration puts the store.

use std::ffi::OsString;

use super::{Problem, ProblemKind};
use crate::{
    config::{Config, StoreAddress},
    secrets::store_password,
    store::{StorePlace, postgres::PostgresPlace},
};

/// Where the store of this configuration is, with the password that goes with it. Reads a file, so not for a worker of a runtime.
///
/// # Errors
/// If the password cannot be read from where it should be.
pub fn store_place(
    config: &Config,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<StorePlace, Problem> {
    let Some(StoreAddress::Postgres(url)) = &config.store.url else {
        return Ok(StorePlace::Sqlite(config.store_path()));
    };
    let invalid = |code: &str, message: String| Problem::new(ProblemKind::BadInput, code, message);
    let place = PostgresPlace::parse(url).map_err(|error| invalid("store.url", error.to_string()))?;
    let password = store_password(config, environment);
    let password = password.map_err(|error| invalid("store.password", error.to_string()))?;
    Ok(StorePlace::Postgres(match password {
        Some(password) => place.with_password(&password),
        None => place,
    }))
}
