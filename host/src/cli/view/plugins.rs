//! Plugins, and what is known of a file.

use super::{
    table::{Table, fields},
    text::{list, one_line, or_nothing, short},
};
use crate::service::api::Plugin;

/// All of them, one a line.
pub(in crate::cli) fn plugins(plugins: &Vec<Plugin>) -> String {
    Table::new(["PLUGIN", "VERSION", "STATE", "DIGEST", "PROVIDES", "NOTE"])
        .rows(plugins, |plugin| {
            [
                plugin.name.clone().unwrap_or_else(|| file_name(&plugin.path)),
                or_nothing(plugin.version.as_deref()),
                plugin.state.clone(),
                plugin.digest.as_deref().map(short).unwrap_or_default(),
                provided(plugin),
                remark(plugin),
            ]
        })
        .to_text("there are no plugins")
}

/// One, with all that is known of it.
pub(in crate::cli) fn plugin(plugin: &Plugin) -> String {
    let mut text = fields([
        ("plugin", or_nothing(plugin.name.as_deref())),
        ("version", or_nothing(plugin.version.as_deref())),
        ("state", plugin.state.clone()),
        ("cause", or_nothing(plugin.cause.as_deref())),
        ("note", or_nothing(plugin.note.as_deref())),
        ("description", or_nothing(plugin.description.as_deref())),
        ("license", or_nothing(plugin.license.as_deref())),
        ("path", plugin.path.clone()),
        ("form", or_nothing(plugin.form.as_deref())),
        ("digest", or_nothing(plugin.digest.as_deref())),
        ("library digest", or_nothing(plugin.library_digest.as_deref())),
        ("target", or_nothing(plugin.target.as_deref())),
        ("needs glibc", or_nothing(plugin.glibc_floor.as_deref())),
        ("identity providers", list(&plugin.identity_providers)),
        ("daemons", list(&plugin.daemons)),
        ("listeners", list(&plugin.listeners)),
        ("tools", list(&plugin.tools)),
        ("prompts", list(&plugin.prompts)),
        ("resources", list(&plugin.resources)),
        ("webhooks", list(&plugin.webhooks)),
        ("out of use", list(&plugin.poisoned)),
        ("provided, absent", list(&plugin.absent)),
        ("extensions", list(&plugin.extensions)),
        ("permissions", list(&plugin.permissions)),
        ("event types", list(&plugin.event_types)),
        ("secrets", list(&plugin.secrets)),
    ]);
    for warning in &plugin.warnings {
        text.push_str(&format!("warning: {}\n", one_line(warning)));
    }
    text
}

fn provided(plugin: &Plugin) -> String {
    let counts = [
        (plugin.identity_providers.len(), "identity", "identities"),
        (plugin.daemons.len(), "daemon", "daemons"),
        (plugin.listeners.len(), "listener", "listeners"),
        (plugin.tools.len(), "tool", "tools"),
        (plugin.prompts.len(), "prompt", "prompts"),
        (plugin.resources.len(), "resource", "resources"),
        (plugin.webhooks.len(), "webhook", "webhooks"),
    ];
    let words: Vec<_> = counts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    words.join(", ")
}

/// The cause goes first: it says what to do.
fn remark(plugin: &Plugin) -> String {
    let remarks = [plugin.cause.as_deref(), plugin.note.as_deref()];
    remarks.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marvin() -> Plugin {
        Plugin {
            name: Some("marvin".to_owned()),
            version: Some("0.1.0".to_owned()),
            state: "running".to_owned(),
            path: "/home/kora/plugins/libmarvin.so".to_owned(),
            form: Some("library".to_owned()),
            digest: Some("ab".repeat(32)),
            identity_providers: vec!["marvin".to_owned()],
            tools: vec!["marvin__say".to_owned(), "marvin__sigh".to_owned()],
            note: Some("update waiting".to_owned()),
            warnings: vec!["`[permissions] network` is declared only".to_owned()],
            ..Plugin::default()
        }
    }

    #[test]
    fn a_file_that_is_no_plugin_is_listed_by_its_name_with_its_cause() {
        let stranger = Plugin {
            state: "refused".to_owned(),
            path: "/home/kora/plugins/notes.so".to_owned(),
            cause: Some("not an ELF file".to_owned()),
            ..Plugin::default()
        };
        insta::assert_snapshot!(plugins(&vec![marvin(), stranger]), @r"
        PLUGIN    VERSION  STATE    DIGEST        PROVIDES             NOTE
        marvin    0.1.0    running  abababababab  1 identity, 2 tools  update waiting
        notes.so  -        refused  -             -                    not an ELF file
        ");
    }

    #[test]
    fn one_plugin_is_shown_whole() {
        insta::assert_snapshot!(plugin(&marvin()), @r"
        plugin              marvin
        version             0.1.0
        state               running
        cause               -
        note                update waiting
        description         -
        license             -
        path                /home/kora/plugins/libmarvin.so
        form                library
        digest              abababababababababababababababababababababababababababababababab
        library digest      -
        target              -
        needs glibc         -
        identity providers  marvin
        daemons             -
        listeners           -
        tools               marvin__say, marvin__sigh
        prompts             -
        resources           -
        webhooks            -
        out of use          -
        provided, absent    -
        extensions          -
        permissions         -
        event types         -
        secrets             -
        warning: `[permissions] network` is declared only
        ");
    }
}
