//! Which mode is configured, asked of `config/1` by hand; and which one is to be had before anything can be asked.

use std::sync::OnceLock;

use kora_plugin_abi::{HostRef, config1, query};
use serde_json::Value;

static MODE: OnceLock<String> = OnceLock::new();

/// The mode; `none` until it was [learnt](learn).
pub fn mode() -> &'static str {
    MODE.get().map_or("none", String::as_str)
}

/// The mode from the moment on at which the library is loaded: what a line `# at load: MODE` of the manifest says, which a test
/// puts there.
pub fn at_load() -> &'static str {
    // The compiler knows only the manifest that it has seen.
    let manifest: &'static [u8] = std::hint::black_box(&crate::MANIFEST);
    std::str::from_utf8(manifest)
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("# at load: ")))
        .map_or("none", str::trim)
}

/// Asks the host.
pub fn learn(host: HostRef) {
    MODE.get_or_init(|| configured(host).unwrap_or_else(|| "none".to_owned()));
}

/// The table of `config/1`.
pub fn config_table(host: HostRef) -> Option<&'static config1::Config> {
    // SAFETY: the host's tables are statics of the process's own executable, made with `Extension::of`.
    unsafe { query::<config1::Config>((host.get_service)(host.handle, config1::ID.as_bytes().into())) }?.ok()
}

fn configured(host: HostRef) -> Option<String> {
    let bytes = (config_table(host)?.get)(host.handle, b"".as_slice().into())
        .into_result()
        .ok()?;
    let config: Value = serde_json::from_slice(&bytes).ok()?;
    Some(config.get("mode")?.as_str()?.to_owned())
}
