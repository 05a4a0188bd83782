//! A plugin behind the real exported functions, with a host that is made of tables: what crosses, and what happens to entries
//! whose hooks panic, hang or are cancelled.
//!
//! A library registers once in its life, so all tests of this file share one registration and use an entry each.

mod everything;
mod offers;
mod stub_host;

use std::{
    sync::{LazyLock, atomic::Ordering},
    time::Duration,
};

use kora_plugin_api::{
    Host,
    abi::{self, AbiError, AbiResult, daemon1, identity1, listener1},
    export,
    serde_json::{Value, from_slice, json},
};

use crate::everything::{ENTERED, Everything, MADE};

/// What was registered, and the tables of the plugin.
struct Registered {
    document: Value,
    identity: &'static identity1::Identity,
    daemon: &'static daemon1::Daemon,
    listener: &'static listener1::Listener,
}

static REGISTERED: LazyLock<Registered> = LazyLock::new(|| {
    let answer = export::register::<Everything>(stub_host::host())
        .into_result()
        .expect("registers");
    Registered {
        document: from_slice(&answer).expect("is JSON"),
        identity: stub_host::extension(identity1::ID),
        daemon: stub_host::extension(daemon1::ID),
        listener: stub_host::extension(listener1::ID),
    }
});

fn handle(kind: &str, name: &str) -> u64 {
    let entries = REGISTERED.document[kind].as_array().expect("is a list");
    let entry = entries
        .iter()
        .find(|entry| entry["name"] == name)
        .expect("is registered");
    entry["handle"].as_u64().expect("is a handle")
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), future)
            .await
            .expect("ends")
    })
}

fn startup(name: &str) -> Result<(), AbiError> {
    run((REGISTERED.daemon.startup)(handle("daemons", name))).into_result()
}

fn shutdown(name: &str) -> Result<(), AbiError> {
    run((REGISTERED.daemon.shutdown)(handle("daemons", name))).into_result()
}

fn snapshot(provider: &str, tenant: &[u8], config: &[u8]) -> AbiResult<abi::OwnedBytes> {
    (REGISTERED.identity.snapshot)(
        handle("identity_providers", provider),
        tenant.into(),
        config.into(),
    )
}

fn code<T: std::fmt::Debug>(result: Result<T, AbiError>) -> u32 {
    result.expect_err("fails").code
}

fn message(error: &AbiError) -> String {
    String::from_utf8_lossy(&error.message).into_owned()
}

#[test]
fn what_is_registered_is_described_whole() {
    let daemons = REGISTERED.document["daemons"].as_array().expect("is a list");
    let mut hangs = daemons
        .iter()
        .find(|daemon| daemon["name"] == "hangs")
        .expect("is there")
        .clone();
    hangs.as_object_mut().expect("is an object").remove("handle");
    let expected = json!({
        "name": "hangs",
        "tasks": [{"name": "hangs.tick", "every_ms": 60_000, "jitter_ms": 5_000, "overlap": "skip"}],
        "fatal_on_startup_failure": false,
        "startup_timeout_ms": null,
        "tick_timeout_ms": null,
        "shutdown_timeout_ms": null,
        "after": [],
        "requires": [],
        "restart": {"max_restarts": 5, "window_ms": 600_000, "backoff_min_ms": 1_000, "backoff_max_ms": 60_000},
    });
    assert_eq!(hangs, expected);
    let ears = &REGISTERED.document["listeners"][0];
    assert_eq!(
        (&ears["event_prefixes"], &ears["states"]),
        (&json!(["kora"]), &json!(true))
    );
}

#[test]
fn a_snapshot_crosses_as_json_and_no_claim_as_null() {
    let snapshot_of = |config: &[u8]| -> Value {
        from_slice(&snapshot("plain", b"acme", config).into_result().expect("answers")).expect("is JSON")
    };
    let expected = json!({
        "agent_name": "Plain", "agent_version": "1", "soul_md": "", "system_prompt": "You serve acme.", "metadata": {},
    });
    assert_eq!(snapshot_of(b"{}"), expected);
    assert_eq!(snapshot_of(br#"{"disabled":true}"#), Value::Null);
}

#[test]
fn arguments_that_are_not_what_they_should_be_are_refused() {
    assert_eq!(
        code(snapshot("plain", b"\xff", b"{}").into_result()),
        abi::INVALID
    );
    assert_eq!(code(snapshot("plain", b"acme", b"[]").into_result()), abi::FAILED);
    let stranger = (REGISTERED.identity.snapshot)(0, b"acme".as_slice().into(), b"{}".as_slice().into());
    assert_eq!(code(stranger.into_result()), abi::NO_SUCH_HANDLE);
    assert_eq!(
        code(run((REGISTERED.daemon.startup)(0)).into_result()),
        abi::NO_SUCH_HANDLE
    );
    let task = run((REGISTERED.daemon.tick)(handle("daemons", "hangs"), 7)).into_result();
    assert_eq!(code(task), abi::NO_SUCH_HANDLE);
}

#[test]
fn a_provider_that_panicked_is_out_of_use_and_its_neighbour_is_not() {
    assert!(snapshot("fragile", b"good", b"{}").is_ok());
    assert_eq!(
        code(snapshot("fragile", b"bad", b"{}").into_result()),
        abi::PANICKED
    );
    assert_eq!(
        code(snapshot("fragile", b"good", b"{}").into_result()),
        abi::POISONED
    );
    assert!(snapshot("plain", b"acme", b"{}").is_ok());
}

#[test]
fn a_daemon_that_panicked_is_made_anew_by_the_next_start() {
    let error = startup("panics").expect_err("the first one panics");
    assert_eq!(error.code, abi::PANICKED);
    assert_eq!(message(&error), "panicked: the first one panics");
    assert_eq!(code(shutdown("panics")), abi::POISONED);
    assert!(
        stub_host::logged("the first one panics"),
        "the panic hook tells the host"
    );
    startup("panics").expect("the second one starts");
    assert_eq!(MADE.load(Ordering::SeqCst), 2);
    shutdown("panics").expect("ends");
}

#[test]
fn work_whose_future_was_dropped_has_ended_before_shutdown_begins() {
    startup("hangs").expect("starts");
    run(async {
        let tick = (REGISTERED.daemon.tick)(handle("daemons", "hangs"), 0);
        ENTERED.notified().await;
        drop(tick);
    });
    shutdown("hangs").expect("ends");
    let after = run((REGISTERED.daemon.tick)(handle("daemons", "hangs"), 0)).into_result();
    assert_eq!(message(&after.expect_err("is shut down")), "it is not started");
}

#[test]
fn a_missing_credential_crosses_with_its_name() {
    let error = startup("poor").expect_err("has no token");
    assert_eq!(
        (error.code, &error.subject[..]),
        (abi::MISSING_CREDENTIAL, b"token".as_slice())
    );
}

#[test]
fn a_drop_that_panics_stays_inside() {
    startup("last_words").expect("starts");
    shutdown("last_words").expect("ends");
    assert!(stub_host::logged("panics when it is dropped"));
}

#[test]
fn blocking_work_runs_beside_the_plugins_thread() {
    startup("neighbour").expect("computes elsewhere");
    run((REGISTERED.daemon.probe)())
        .into_result()
        .expect("the thread answers");
}

#[test]
fn a_listener_that_panicked_is_out_of_use() {
    let hear = |event_type: &str| {
        let event = json!({
            "tenant": "acme", "seq": 1, "event_id": "", "event_type": event_type, "occurred_at_us": 0,
            "source": "", "payload": "{}", "this_hash": "", "a_field_of_a_later_host": 1,
        });
        let event = event.to_string();
        run((REGISTERED.listener.on_event)(
            handle("listeners", "ears"),
            event.as_bytes().into(),
        ))
        .into_result()
    };
    hear("kora.good").expect("is heard");
    assert_eq!(code(hear("kora.bad")), abi::PANICKED);
    assert_eq!(code(hear("kora.good")), abi::POISONED);
}

#[test]
fn a_service_that_the_host_does_not_give_is_an_error_that_says_what_to_check() {
    LazyLock::force(&REGISTERED);
    let error = Host::default()
        .tenants()
        .expect_err("the stub gives no `tenants/1`");
    assert!(
        error.to_string().contains("`tenants/1`") && error.to_string().contains("manifest"),
        "{error}"
    );
}

#[test]
fn a_library_registers_once() {
    LazyLock::force(&REGISTERED);
    let again = export::register::<Everything>(stub_host::host()).into_result();
    assert_eq!(
        message(&again.expect_err("has registered")),
        "this library registered before"
    );
}
