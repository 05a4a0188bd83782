//! What a reload changes, and what waits for a restart.

use super::*;

#[test]
fn what_needs_a_restart_stays_in_force_until_then_and_the_rest_applies() {
    let old = sound(
        "log.level = \"info\"\nplugins.directory = \"a\"\nplugins.kora.x = 1\nplugins.kora.gone = true\nplugins.echo.x = 1\n\
         tenants.acme.config.kora.x = 1\ntenants.acme.fallback_prompt = \"a.md\"\ntenants.new.fallback_prompt = \"a.md\"",
    );
    let fresh = sound(
        "log.level = \"debug\"\nplugins.directory = \"b\"\nplugins.disable = [\"echo\"]\nplugins.kora.x = 2\n\
         plugins.kora.enabled = false\nplugins.echo.x = 2\ntenants.acme.config.kora.x = 2\ntenants.acme.plugins = [\"echo\"]\n\
         tenants.acme.fallback_prompt = \"b.md\"\ntenants.new.fallback_prompt = \"b.md\"",
    );
    let now = old.reloaded(fresh.clone(), &kora_for_acme());
    let (kora, echo, acme) = (plugin("kora"), plugin("echo"), tenant("acme"));
    assert_eq!(now.log.level, LogLevel::Debug);
    assert_eq!(now.plugins_directory(), old.plugins_directory());
    assert!(!now.is_plugin_enabled(&kora) && !now.is_plugin_enabled(&echo));
    assert_eq!(
        json!(now.plugin_config(&kora, Some(&acme))),
        json!({"x": 1, "gone": true}),
        "it is loaded and was judged with these"
    );
    assert_eq!(
        json!(now.plugin_config(&echo, None)),
        json!({"x": 2}),
        "it is not loaded"
    );
    assert_eq!(now.tenant(&acme).unwrap().plugins, [echo]);
    assert_eq!(now.fallback_prompt(&acme), old.fallback_prompt(&acme));
    assert_eq!(
        now.fallback_prompt(&tenant("new")),
        fresh.fallback_prompt(&tenant("new")),
        "nobody speaks for it yet"
    );
    let waits: Vec<_> = diff(&now, &fresh, &kora_for_acme())
        .into_iter()
        .map(|change| change.key)
        .collect();
    assert_eq!(
        waits,
        [
            "plugins.directory",
            "plugins.kora.gone",
            "plugins.kora.x",
            "tenants.acme.config.kora.x",
            "tenants.acme.fallback_prompt"
        ],
        "as long as they differ, they are said to wait"
    );
}

#[test]
fn a_tenant_that_is_spelt_otherwise_does_not_make_two() {
    let old = sound("tenants.Acme.config.kora.x = 1");
    let fresh = sound("tenants.acme.config.kora.x = 2");
    let now = old.reloaded(fresh.clone(), &kora_for_acme());
    assert_eq!(now, fresh);
}

/// The plugin `kora` is loaded and speaks for `acme`.
#[test]
fn a_change_says_when_it_applies_and_a_default_written_out_is_none() {
    let old = sound(
        "log.level = \"info\"\nstore.path = \"a.db\"\nplugins.kora.deep.x = 1\nplugins.kora.secrets.t = \"env:A\"",
    );
    let new = sound(
        "log.level = \"debug\"\nlog.format = \"text\"\nplugins.kora.deep.x = 2\nplugins.kora.secrets.t = \"env:B\"",
    );
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let changes: Vec<_> = diff(&old, &new, &kora_for_acme())
        .iter()
        .map(|change| {
            format!(
                "{}: {} -> {} ({:?})",
                change.key,
                shown(&change.old),
                shown(&change.new),
                change.applies
            )
        })
        .collect();
    assert_snapshot!(changes.join("\n"), @r#"
    log.level: "info" -> "debug" (Live)
    plugins.kora.deep.x: 1 -> 2 (NeedsRestart)
    plugins.kora.secrets.t: env -> env (Live)
    store.path: "a.db" -> "data/kora.db" (NeedsRestart)
    "#);
    assert_eq!(diff(&new, &new, &kora_for_acme()), []);
}
