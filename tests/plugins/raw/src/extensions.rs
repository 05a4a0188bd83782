//! What is offered, by mode: the right tables, none, or tables of another layout.

use abi_stable::std_types::{
    ROption::{self, RNone, RSome},
    RResult::{RErr, ROk},
    RVec,
};
use kora_plugin_abi::{
    self as abi, AbiError, AbiFuture, AbiResult, Bytes, Extension, OwnedBytes, daemon1, identity1, tool1,
};
use serde_json::{Value, json};

use crate::{
    NOT_UTF8,
    mode::{self, mode},
};

/// The handle of the one provider and of the one daemon. A plugin that guards itself gives handles that nobody can guess.
pub const HANDLE: u64 = 41;

const HUGE_BYTES: usize = 100 * 1024 * 1024;

/// The extension of that id.
pub fn get(id: &str) -> ROption<Extension> {
    static IDENTITY: identity1::Identity = identity1::Identity { snapshot };
    static DAEMON: daemon1::Daemon = daemon1::Daemon {
        startup,
        tick,
        shutdown: startup_or_shutdown,
        probe,
    };
    static TOOL: tool1::Tool = tool1::Tool { call };
    static OTHER_IDENTITY: other_layout::Identity = other_layout::Identity {
        snapshot,
        revision: 7,
    };
    static OTHER_DAEMON: other_layout::Daemon = other_layout::Daemon { startup };
    match (id, mode::at_load()) {
        (_, "no_extensions") => RNone,
        (identity1::ID, "other_layout_identity") => RSome(Extension::of(&OTHER_IDENTITY)),
        (daemon1::ID, "other_layout_daemon") => RSome(Extension::of(&OTHER_DAEMON)),
        (identity1::ID, _) => RSome(Extension::of(&IDENTITY)),
        (daemon1::ID, _) => RSome(Extension::of(&DAEMON)),
        (tool1::ID, _) => RSome(Extension::of(&TOOL)),
        _ => RNone,
    }
}

/// Tables that somebody changed after they were released.
mod other_layout {
    use abi_stable::{
        StableAbi,
        std_types::{RSlice, RVec},
    };
    use kora_plugin_abi::{AbiFuture, AbiResult};

    /// `identity/1` with a field more.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Identity {
        pub snapshot: extern "C" fn(u64, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiResult<RVec<u8>>,
        pub revision: u64,
    }

    /// `daemon/1` with fields less.
    #[repr(C)]
    #[derive(StableAbi, Clone, Copy)]
    pub struct Daemon {
        pub startup: extern "C" fn(u64) -> AbiFuture<()>,
    }
}

extern "C" fn snapshot(provider: u64, tenant: Bytes<'_>, _config: Bytes<'_>) -> AbiResult<OwnedBytes> {
    let tenant = String::from_utf8_lossy(&tenant);
    let whole = json!({
        "agent_name": "Raw",
        "agent_version": "0.1.0",
        "soul_md": "",
        "system_prompt": format!("You are Raw. You serve {tenant}."),
        "metadata": {},
    });
    let bytes = match mode() {
        "unknown_handles" => return RErr(AbiError::new(abi::NO_SUCH_HANDLE, "no entry has this handle")),
        _ if provider != HANDLE => return RErr(AbiError::new(abi::NO_SUCH_HANDLE, "no entry has this handle")),
        "non_utf8_snapshot_error" => {
            return RErr(AbiError {
                code: abi::FAILED,
                message: RVec::from(NOT_UTF8),
                subject: RVec::from(NOT_UTF8),
            });
        }
        "huge_snapshot_error" => return RErr(AbiError::new(abi::FAILED, "x".repeat(HUGE_BYTES))),
        "empty_snapshot" => Vec::new(),
        "non_utf8_snapshot" => NOT_UTF8.to_vec(),
        "garbage_snapshot" => b"{\"agent_name\":".to_vec(),
        "wrong_shape_snapshot" => b"{\"agent_name\": 1}".to_vec(),
        "twice_the_same_key" => br#"{"agent_name":"A","agent_name":"B","agent_version":"1","soul_md":"","system_prompt":"x","metadata":{}}"#.to_vec(),
        "hostile_key" => br#"{"agent\nname\u001b[31m":1,"agent\nname\u001b[31m":1}"#.to_vec(),
        "huge_snapshot" => vec![b' '; HUGE_BYTES],
        "deep_snapshot" => vec![b'['; 100_000],
        _ => whole.to_string().into_bytes(),
    };
    ROk(bytes.into())
}

extern "C" fn startup(entry: u64) -> AbiFuture<()> {
    match mode() {
        "panic_in_poll" => AbiFuture::new(async { panic!("a future that panics when it is polled") }),
        "block_in_startup" => block(),
        "block_in_poll" => AbiFuture::new(async { block() }),
        _ => startup_or_shutdown(entry),
    }
}

/// Never returns the thread that it was called on.
fn block() -> ! {
    loop {
        std::thread::park();
    }
}

extern "C" fn tick(entry: u64, _task: u32) -> AbiFuture<()> {
    if mode() == "non_utf8_tick_error" {
        return AbiFuture::new(async {
            RErr(AbiError {
                code: abi::FAILED,
                message: RVec::from(NOT_UTF8),
                subject: RVec::new(),
            })
        });
    }
    startup_or_shutdown(entry)
}

extern "C" fn startup_or_shutdown(entry: u64) -> AbiFuture<()> {
    AbiFuture::new(async move {
        if entry == HANDLE && mode() != "unknown_handles" {
            ROk(())
        } else {
            RErr(AbiError::new(abi::NO_SUCH_HANDLE, "no entry has this handle"))
        }
    })
}

extern "C" fn probe() -> AbiFuture<()> {
    if mode() == "probe_never_answers" {
        return AbiFuture::new(std::future::pending());
    }
    AbiFuture::new(async { ROk(()) })
}

/// Answers what its argument `answer` names.
extern "C" fn call(_tool: u64, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    let request: Value = serde_json::from_slice(&request).unwrap_or_default();
    let answer = request["arguments"]["answer"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if answer == "block" {
        block();
    }
    AbiFuture::new(async move {
        let bytes = match answer.as_str() {
            "panic_in_poll" => panic!("a tool that panics when it is polled"),
            "unknown_error_code" => {
                return RErr(AbiError::new(9999, "an error of a kind that nobody has heard of"));
            }
            "non_utf8_error" => {
                return RErr(AbiError {
                    code: abi::INVALID,
                    message: RVec::from(NOT_UTF8),
                    subject: RVec::from(NOT_UTF8),
                });
            }
            "empty" => Vec::new(),
            "non_utf8" => NOT_UTF8.to_vec(),
            "garbage" => b"{\"content\":".to_vec(),
            "wrong_shape" => b"{\"content\":[{\"type\":\"text\"}]}".to_vec(),
            "huge" => vec![b' '; HUGE_BYTES],
            "deep" => vec![b'['; 100_000],
            _ => br#"{"content":[],"structuredContent":{"a":1},"more":1}"#.to_vec(),
        };
        ROk(bytes.into())
    })
}
