//! Tenants and who acts in them.

use super::{
    daemon::not_started,
    table::{Table, fields},
    text::or_nothing,
};
use crate::service::api::Tenant;

/// All of them, one a line.
pub(in crate::cli) fn tenants(tenants: &Vec<Tenant>) -> String {
    Table::new([
        "TENANT",
        "ACTIVE",
        "STATE",
        "AGENT",
        "IDENTITY",
        "GENERATION",
        "ORIGIN",
    ])
    .rows(tenants, |tenant| {
        [
            tenant.tenant.clone(),
            yes_or_no(tenant.active),
            state(tenant),
            or_nothing(tenant.agent_name.as_deref()),
            provider(tenant),
            tenant
                .generation
                .map(|number| number.to_string())
                .unwrap_or_default(),
            tenant.origin.clone(),
        ]
    })
    .to_text("there are no tenants: add one with `kora tenants add TENANT`")
        + &tenants.iter().map(why).collect::<String>()
}

fn why(tenant: &Tenant) -> String {
    not_started(&tenant.tenant, tenant.failed_gate.as_ref())
}

/// One, with its actors.
pub(in crate::cli) fn tenant(tenant: &Tenant) -> String {
    let head = fields([
        ("tenant", tenant.tenant.clone()),
        ("active", yes_or_no(tenant.active)),
        ("state", state(tenant)),
        ("agent", or_nothing(tenant.agent_name.as_deref())),
        ("identity", or_nothing(Some(&provider(tenant)))),
        ("origin", tenant.origin.clone()),
        ("created", tenant.created_at.clone()),
    ]);
    let actors = Table::new(["ACTOR", "KIND", "NAME", "ACTIVE", "CANONICAL"])
        .rows(&tenant.actors, |actor| {
            [
                actor.actor_id.clone(),
                actor.kind.clone(),
                actor.name.clone(),
                yes_or_no(actor.active),
                yes_or_no(actor.canonical),
            ]
        })
        .to_text("it has no actors");
    format!("{head}{}\n{actors}", why(tenant))
}

/// Another host's tenant has none here.
fn state(tenant: &Tenant) -> String {
    match &tenant.held_by {
        Some(host) => format!("held by {host}"),
        None => or_nothing(tenant.primary_state.as_deref()),
    }
}

/// A generation without a provider is the fallback prompt's.
fn provider(tenant: &Tenant) -> String {
    match (&tenant.provider, tenant.generation) {
        (Some(provider), _) => provider.clone(),
        (None, Some(_)) => "fallback prompt".to_owned(),
        (None, None) => String::new(),
    }
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::api::Actor;

    fn acme() -> Tenant {
        Tenant {
            tenant: "acme".to_owned(),
            active: true,
            origin: "configuration".to_owned(),
            created_at: "2026-11-20T10:00:00Z".to_owned(),
            actors: vec![Actor {
                actor_id: "0198".to_owned(),
                kind: "kora".to_owned(),
                name: "Kora".to_owned(),
                active: true,
                canonical: true,
            }],
            primary_state: Some("ready".to_owned()),
            agent_name: Some("Kora".to_owned()),
            provider: Some("kora/kora".to_owned()),
            generation: Some(3),
            failed_gate: None,
            held_by: None,
        }
    }

    #[test]
    fn tenants_are_listed_with_who_speaks_for_them() {
        let fallback = Tenant {
            tenant: "globex".to_owned(),
            provider: None,
            agent_name: None,
            generation: Some(1),
            active: false,
            primary_state: None,
            ..acme()
        };
        insta::assert_snapshot!(tenants(&vec![acme(), fallback]), @r"
        TENANT  ACTIVE  STATE  AGENT  IDENTITY         GENERATION  ORIGIN
        acme    yes     ready  Kora   kora/kora        3           configuration
        globex  no      -      -      fallback prompt  1           configuration
        ");
    }

    #[test]
    fn one_tenant_is_shown_with_its_actors() {
        insta::assert_snapshot!(tenant(&acme()), @r"
        tenant    acme
        active    yes
        state     ready
        agent     Kora
        identity  kora/kora
        origin    configuration
        created   2026-11-20T10:00:00Z

        ACTOR  KIND  NAME  ACTIVE  CANONICAL
        0198   kora  Kora  yes     yes
        ");
    }
}
