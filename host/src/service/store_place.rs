//! Where the configuration puts the store.

use std::{ffi::OsString, fmt};

use super::{Problem, ProblemKind};
use crate::{
    config::{Config, InvalidSecretSource, InvalidStoreAddress, Sections, StoreAddress},
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
    match &config.store.url {
        Some(StoreAddress::Postgres(url)) => database(url, config, environment),
        _ => Ok(StorePlace::Sqlite(config.store_path())),
    }
}

/// Where another store is than that of this configuration: at `url`, as `[store] url` would say it, with a password from `password`, as
/// `[store] password` would say it. Reads a file, so not for a worker of a runtime.
///
/// # Errors
/// If one of the two has not the form, or the password cannot be read from where it should be.
pub fn other_store_place(
    config: &Config,
    url: &str,
    password: Option<&str>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<StorePlace, Problem> {
    let address = url
        .parse()
        .map_err(|error: InvalidStoreAddress| invalid("store.url", &error))?;
    let password = password.map(str::parse).transpose();
    let password = password.map_err(|error: InvalidSecretSource| invalid("store.password", &error))?;
    match address {
        StoreAddress::Sqlite(path) => Ok(StorePlace::Sqlite(config.home().join(path))),
        StoreAddress::Postgres(url) => {
            let mut sections = Sections::clone(config);
            sections.store.password = password;
            database(&url, &sections, environment)
        }
    }
}

fn database(
    url: &str,
    sections: &Sections,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<StorePlace, Problem> {
    let place = PostgresPlace::parse(url).map_err(|error| invalid("store.url", &error))?;
    let password = store_password(sections, environment);
    let password = password.map_err(|error| invalid("store.password", &error))?;
    Ok(StorePlace::Postgres(match password {
        Some(password) => place.with_password(&password),
        None => place,
    }))
}

fn invalid(code: &str, error: &dyn fmt::Display) -> Problem {
    Problem::new(ProblemKind::BadInput, code, error.to_string())
}
