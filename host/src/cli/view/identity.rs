//! Who speaks for whom, and why.

use serde_json::Value;

use super::{
    table::{Table, fields},
    text::{one_line, or_nothing, several_lines, short},
};
use crate::service::api::{Identities, Identity, Swapped, Why};

const FALLBACK: &str = "fallback prompt";

/// Who speaks for each tenant, and who could.
pub(in crate::cli) fn identities(identities: &Identities) -> String {
    let speaking = Table::new(["TENANT", "AGENT", "IDENTITY", "GENERATION", "SNAPSHOT", "NOTE"])
        .rows(&identities.tenants, |identity| {
            [
                identity.tenant.clone(),
                format!("{} {}", identity.agent_name, identity.agent_version)
                    .trim()
                    .to_owned(),
                speaker(identity),
                identity.generation.to_string(),
                short(&identity.snapshot_hash),
                note(identity),
            ]
        })
        .to_text("nobody speaks for any tenant");
    let providers = Table::new(["PROVIDER", "PLUGIN VERSION", "PLUGIN DIGEST"])
        .rows(&identities.providers, |provider| {
            [
                provider.provider.clone(),
                provider.plugin_version.clone(),
                short(&provider.plugin_digest),
            ]
        })
        .to_text("there are no identity providers: install a plugin that has one");
    format!("{speaking}\n{providers}")
}

/// One identity with its texts.
pub(in crate::cli) fn identity(identity: &Identity) -> String {
    let mut text = fields([
        ("tenant", identity.tenant.clone()),
        ("agent", identity.agent_name.clone()),
        ("agent version", identity.agent_version.clone()),
        ("identity", speaker(identity)),
        ("generation", identity.generation.to_string()),
        ("snapshot", identity.snapshot_hash.clone()),
        ("plugin version", or_nothing(identity.plugin_version.as_deref())),
        ("plugin digest", or_nothing(identity.plugin_digest.as_deref())),
        ("note", or_nothing(Some(&note(identity)))),
    ]);
    for (name, title) in [("soul_md", "Soul"), ("system_prompt", "System prompt")] {
        if let Some(body) = text_of(identity, name) {
            text.push_str(&format!("\n{title}:\n\n{}\n", indented(body)));
        }
    }
    if let Some(metadata) = identity
        .snapshot
        .as_ref()
        .and_then(|snapshot| snapshot.get("metadata"))
    {
        text.push_str(&format!("\nMetadata: {}\n", one_line(&metadata.to_string())));
    }
    text
}

/// What a swap or a rollback changed.
pub(in crate::cli) fn swapped(swapped: &Swapped) -> String {
    format!(
        "{} is now {} ({}, generation {}), before: {}; event {} of its chain\n",
        one_line(&swapped.tenant),
        one_line(&swapped.agent_name),
        one_line(&provider(swapped.to.as_deref())),
        swapped.generation,
        // The first identity of a tenant has none before it, and then no hash either.
        match (&swapped.from, &swapped.from_hash) {
            (None, None) => "nobody".to_owned(),
            (from, _) => one_line(&provider(from.as_deref())),
        },
        swapped.seq,
    )
}

/// The links from a tenant to the event that proves its identity.
pub(in crate::cli) fn why(why: &Why) -> String {
    let links = fields([
        ("tenant", why.tenant.clone()),
        ("→ generation", why.generation.to_string()),
        ("→ agent", why.agent_name.clone()),
        ("→ snapshot", why.snapshot_hash.clone()),
        ("→ provider", provider(why.provider.as_deref())),
        ("→ plugin version", or_nothing(why.plugin_version.as_deref())),
        ("→ plugin digest", or_nothing(why.plugin_digest.as_deref())),
        ("→ event", why.event_id.clone()),
        ("  type", or_nothing(why.event_type.as_deref())),
        (
            "  sequence",
            or_nothing(why.seq.map(|seq| seq.to_string()).as_deref()),
        ),
        ("  at", or_nothing(why.occurred_at.as_deref())),
        ("  hash", or_nothing(why.event_hash.as_deref())),
    ]);
    let verdict = match (&why.broken, why.proved) {
        (Some(broken), _) => format!("broken: {}", one_line(broken)),
        (None, true) => "proved: every link was checked and holds".to_owned(),
        (None, false) => "not proved".to_owned(),
    };
    format!("{links}\n{verdict}\n")
}

/// A tenant for whom nobody speaks has no generation either.
fn speaker(identity: &Identity) -> String {
    if identity.generation == 0 {
        "-".to_owned()
    } else {
        provider(identity.provider.as_deref())
    }
}

fn provider(provider: Option<&str>) -> String {
    provider.unwrap_or(FALLBACK).to_owned()
}

fn note(identity: &Identity) -> String {
    let missing = identity
        .provider_missing
        .then(|| "the provider is not there; its last snapshot speaks".to_owned());
    let held = identity
        .held_by_rollback
        .then(|| "held by a rollback, though the provider says something else".to_owned());
    let drift = identity
        .drift
        .as_ref()
        .map(|configured| format!("the configuration names `{configured}`"));
    let notes = [identity.fault.clone(), missing, held, drift];
    notes.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn text_of<'a>(identity: &'a Identity, name: &str) -> Option<&'a str> {
    identity.snapshot.as_ref()?.get(name).and_then(Value::as_str)
}

fn indented(text: &str) -> String {
    let lines = several_lines(text.trim_end());
    lines
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::api::Provider;

    fn acme() -> Identity {
        Identity {
            tenant: "acme".to_owned(),
            generation: 2,
            provider: Some("marvin/marvin".to_owned()),
            agent_name: "Marvin".to_owned(),
            agent_version: "1.0".to_owned(),
            snapshot_hash: "0123456789abcdef".to_owned(),
            plugin_version: Some("0.1.0".to_owned()),
            plugin_digest: Some("fedcba9876543210".to_owned()),
            drift: Some("kora".to_owned()),
            provider_missing: false,
            fault: None,
            held_by_rollback: false,
            snapshot: Some(
                json!({"soul_md": "# Marvin\n\nBrain.", "system_prompt": "You are Marvin\u{7}", "metadata": {"a": 1}}),
            ),
        }
    }

    #[test]
    fn who_speaks_is_listed_beside_who_could() {
        let all = Identities {
            tenants: vec![acme()],
            providers: vec![Provider {
                provider: "kora/kora".to_owned(),
                plugin_version: "0.1.0".to_owned(),
                plugin_digest: "aabbccddeeff00".to_owned(),
            }],
        };
        insta::assert_snapshot!(identities(&all), @r"
        TENANT  AGENT       IDENTITY       GENERATION  SNAPSHOT      NOTE
        acme    Marvin 1.0  marvin/marvin  2           0123456789ab  the configuration names `kora`

        PROVIDER   PLUGIN VERSION  PLUGIN DIGEST
        kora/kora  0.1.0           aabbccddeeff
        ");
    }

    #[test]
    fn an_identity_is_shown_with_its_texts_made_harmless() {
        insta::assert_snapshot!(identity(&acme()), @r#"
        tenant          acme
        agent           Marvin
        agent version   1.0
        identity        marvin/marvin
        generation      2
        snapshot        0123456789abcdef
        plugin version  0.1.0
        plugin digest   fedcba9876543210
        note            the configuration names `kora`

        Soul:

          # Marvin

          Brain.

        System prompt:

          You are Marvin\u{7}

        Metadata: {"a":1}
        "#);
    }

    #[test]
    fn a_swap_says_who_speaks_now_and_who_did() {
        let done = Swapped {
            tenant: "acme".to_owned(),
            generation: 3,
            from: Some("kora/kora".to_owned()),
            to: None,
            from_hash: Some("a".to_owned()),
            to_hash: "b".to_owned(),
            agent_name: "acme".to_owned(),
            event_id: "e".to_owned(),
            seq: 17,
        };
        insta::assert_snapshot!(
            swapped(&done),
            @"acme is now acme (fallback prompt, generation 3), before: kora/kora; event 17 of its chain"
        );
    }

    #[test]
    fn why_ends_with_its_verdict() {
        let mut proof = Why {
            tenant: "acme".to_owned(),
            generation: 2,
            agent_name: "Marvin".to_owned(),
            provider: Some("marvin/marvin".to_owned()),
            snapshot_hash: "01".to_owned(),
            plugin_version: Some("0.1.0".to_owned()),
            plugin_digest: Some("02".to_owned()),
            event_id: "03".to_owned(),
            event_type: Some("kora.identity.swapped".to_owned()),
            seq: Some(9),
            occurred_at: Some("2026-11-20T10:00:00Z".to_owned()),
            event_hash: Some("04".to_owned()),
            proved: true,
            broken: None,
        };
        insta::assert_snapshot!(why(&proof), @r"
        tenant            acme
        → generation      2
        → agent           Marvin
        → snapshot        01
        → provider        marvin/marvin
        → plugin version  0.1.0
        → plugin digest   02
        → event           03
          type            kora.identity.swapped
          sequence        9
          at              2026-11-20T10:00:00Z
          hash            04

        proved: every link was checked and holds
        ");
        proof.broken = Some("the event is not there".to_owned());
        assert!(why(&proof).ends_with("\nbroken: the event is not there\n"));
    }
}
