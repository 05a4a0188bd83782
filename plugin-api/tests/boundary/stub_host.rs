//! A host made of tables: a configuration and a log, nothing else.

use std::sync::{Mutex, PoisonError};

use kora_plugin_api::{
    abi::{
        AbiResult, Bytes, Extension, HostRef, Maybe, OwnedBytes,
        abi_stable::{
            StableAbi,
            std_types::{
                ROption::{RNone, RSome},
                RResult::ROk,
            },
        },
        config1, log1, query,
    },
    export,
};

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the plugin is given.
pub fn host() -> HostRef {
    HostRef {
        handle: 7,
        get_service,
    }
}

/// Whether the plugin logged a record that contains `text`.
pub fn logged(text: &str) -> bool {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.iter().any(|record| record.contains(text))
}

/// An extension of the plugin that is linked into this test.
pub fn extension<T: StableAbi + 'static>(id: &str) -> &'static T {
    let found = export::get_extension(id.as_bytes().into());
    // SAFETY: the plugin is part of this executable, and makes its tables with `Extension::of`.
    let found = unsafe { query::<T>(found) };
    found.expect("is offered").expect("has the same layout")
}

extern "C" fn get_service(_handle: u64, id: Bytes<'_>) -> Maybe<Extension> {
    static LOG_TABLE: log1::Log = log1::Log { max_level, emit };
    static CONFIG_TABLE: config1::Config = config1::Config { get, host: info };
    match std::str::from_utf8(id.as_slice()) {
        Ok(log1::ID) => RSome(Extension::of(&LOG_TABLE)),
        Ok(config1::ID) => RSome(Extension::of(&CONFIG_TABLE)),
        _ => RNone,
    }
}

extern "C" fn max_level(_handle: u64) -> u32 {
    3
}

extern "C" fn emit(_handle: u64, _level: u32, _target: Bytes<'_>, message: Bytes<'_>, _fields: Bytes<'_>) {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.push(String::from_utf8_lossy(&message).into_owned());
}

extern "C" fn get(_handle: u64, _tenant: Bytes<'_>) -> AbiResult<OwnedBytes> {
    ROk(OwnedBytes::from(br#"{"greeting":"hello"}"#.as_slice()))
}

extern "C" fn info(_handle: u64) -> AbiResult<OwnedBytes> {
    ROk(OwnedBytes::from(
        br#"{"plugin":"everything","version":"0.1.0","cache_dir":"/c","data_dir":"/d"}"#.as_slice(),
    ))
}
