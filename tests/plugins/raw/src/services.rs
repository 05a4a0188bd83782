//! Calls of host services with arguments that the SDK would never pass. What the host answered is told in the log, as
//! `refused: …` or `ANSWERED: …`.

use kora_plugin_abi::{HostRef, log1, query};

use crate::{
    NOT_UTF8,
    mode::{config_table, mode},
};

const INFO: u32 = 3;

/// Does so during `register`, if that is the mode.
pub fn trespass(host: HostRef) {
    match mode() {
        "guessed_handle" => {
            for guess in [
                0,
                1,
                host.handle.wrapping_add(1),
                host.handle.wrapping_sub(1),
                u64::MAX,
            ] {
                ask_for_configuration(host, guess, b"");
            }
        }
        "non_utf8_tenant" => ask_for_configuration(host, host.handle, NOT_UTF8),
        "non_utf8_service" => {
            let given = (host.get_service)(host.handle, NOT_UTF8.into()).is_some();
            tell(host, given, "a service whose id is not UTF-8");
        }
        "non_utf8_log" => emit(host, INFO, NOT_UTF8, NOT_UTF8, NOT_UTF8),
        "bad_log" => {
            emit(host, 77, b"raw", b"a level that is none", b"{}");
            emit(host, INFO, b"raw", b"fields that are no object", b"[1]");
            emit(host, INFO, &vec![b't'; 1 << 20], &vec![b'm'; 10 << 20], b"{}");
        }
        _ => {}
    }
}

fn ask_for_configuration(host: HostRef, handle: u64, tenant: &[u8]) {
    let Some(table) = config_table(host) else { return };
    let answered = (table.get)(handle, tenant.into()).is_ok();
    tell(
        host,
        answered,
        "the configuration, with a handle or a tenant that is not ours",
    );
}

fn tell(host: HostRef, answered: bool, what: &str) {
    let outcome = if answered { "ANSWERED" } else { "refused" };
    emit(host, INFO, b"raw", format!("{outcome}: {what}").as_bytes(), b"{}");
}

fn emit(host: HostRef, level: u32, target: &[u8], message: &[u8], fields: &[u8]) {
    // SAFETY: the host's tables are statics of the process's own executable, made with `Extension::of`.
    let found = unsafe { query::<log1::Log>((host.get_service)(host.handle, log1::ID.as_bytes().into())) };
    if let Some(Ok(log)) = found {
        (log.emit)(host.handle, level, target.into(), message.into(), fields.into());
    }
}
