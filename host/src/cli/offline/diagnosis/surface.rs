//! What is open to callers: where it listens, who may reach it, and whether anybody who may call can do anything.

use std::net::SocketAddr;

use super::Finding;
use crate::{
    access::{CallersDocument, Tenancy},
    config::{Config, Listen},
};

const HTTP: &str = "http";
const WEBHOOKS: &str = "webhooks";
const CALLERS: &str = "callers";

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    findings.push(listening(
        HTTP,
        "http.listen",
        "MCP and the HTTP interface",
        config.http.listen,
    ));
    if let Listen::At(address) = config.webhooks.listen
        && !address.ip().is_loopback()
    {
        findings.push(open_beyond(WEBHOOKS, "webhooks.listen", "webhooks", address));
    }
    findings.extend(without_tenants(config));
}

fn listening(check: &'static str, key: &str, what: &str, listen: Listen) -> Finding {
    match listen {
        Listen::Off => Finding::ok(
            check,
            format!("`{key}` is `off`: {what} are reached by `kora mcp serve` and `kora tools` alone"),
        ),
        Listen::At(address) if !address.ip().is_loopback() => open_beyond(check, key, what, address),
        Listen::At(address) if address.port() == 0 => Finding::ok(
            check,
            format!(
                "{what} are on a free port of {}: `kora status` says which",
                address.ip()
            ),
        ),
        Listen::At(address) => Finding::ok(
            check,
            format!("{what} are on `http://{address}`, for this machine alone"),
        ),
    }
}

fn open_beyond(check: &'static str, key: &str, what: &str, address: SocketAddr) -> Finding {
    Finding::warn(
        check,
        format!("`{key}` is `{address}`: {what} can be reached from other machines, without encryption"),
        "listen on `127.0.0.1`, and let a proxy with TLS on this machine pass requests on",
    )
}

/// Callers who are in force and could do nothing: most likely, something was forgotten.
fn without_tenants(config: &Config) -> Vec<Finding> {
    // One that cannot be read is told of where the home is looked at.
    let Ok(document) = CallersDocument::read(&config.home().callers_file()) else {
        return Vec::new();
    };
    let (callers, _) = document.callers();
    let is_without = |tenancy: &Tenancy| matches!(tenancy, Tenancy::Only(tenants) if tenants.is_empty());
    let found = callers.iter().filter(|caller| is_without(caller.tenancy()));
    let mut findings: Vec<_> = found
        .map(|caller| {
            let name = caller.name();
            Finding::warn(
                CALLERS,
                format!("the caller `{name}` has no tenant: no tool of a tenant's does anything for it"),
                format!(
                    "write `tenants = [\"…\"]` into its entry in `{}`",
                    config.home().callers_file().display()
                ),
            )
        })
        .collect();
    findings.extend(document.revoked().into_iter().map(|name| {
        Finding::warn(
            CALLERS,
            format!("the token of `{name}` was revoked by a stop command"),
            format!("`kora callers rotate {name}` makes another, `kora callers revoke {name}` removes it"),
        )
    }));
    findings
}
