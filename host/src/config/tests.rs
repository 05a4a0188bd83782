//! The configuration as an operator meets it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::domain::LogLevel;

mod cost;
mod keys;
mod reload;

fn check(text: &str, variables: &[(&str, &str)], flags: &[Flag]) -> Result<Config, ConfigProblems> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    Config::parse(
        Some(text),
        &Inputs {
            home: &Home::at("/srv/kora"),
            environment: &|name| variables.get(name).map(OsString::from),
            flags,
        },
    )
}

fn sound(text: &str) -> Config {
    check(text, &[], &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str) -> String {
    check(text, &[], &[]).unwrap_err().to_string()
}

fn plugin(name: &str) -> PluginName {
    name.parse().unwrap()
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn kora_for_acme() -> AtWork {
    AtWork {
        plugins: ["kora".to_owned()].into(),
        tenants: ["acme".to_owned()].into(),
    }
}

/// The template with every setting taken in.
fn whole_template() -> String {
    let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    template()
        .lines()
        .map(|line| if setting(line) { &line[1..] } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The keys of a value that are no tables, with their values.
fn leaves(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (key, value) in object {
                let dot = if prefix.is_empty() { "" } else { "." };
                leaves(&format!("{prefix}{dot}{key}"), value, into);
            }
        }
        _ => {
            into.insert(prefix.to_owned(), value.clone());
        }
    }
}

fn named(path: &str) -> String {
    path.replace("<plugin>", "marvin")
        .replace("<tenant>", "acme")
        .replace("<secret>", "token")
        .replace("<key>", "some_key")
}

#[test]
fn the_words_of_the_plugins_section_are_no_names_of_plugins() {
    for key in KEYS.iter().filter(|key| key.is_fixed()) {
        if let Some(word) = key.path.strip_prefix("plugins.") {
            assert!(word.parse::<PluginName>().is_err(), "{word}");
        }
    }
    let host_keys: BTreeSet<_> = KEYS
        .iter()
        .filter_map(|key| key.path.strip_prefix("plugins.<plugin>.")?.split('.').next())
        .filter(|word| !word.starts_with('<'))
        .collect();
    assert_eq!(host_keys, HOST_KEYS.into_iter().collect());
}

#[test]
fn the_reference_names_every_key_and_variable() {
    let page = reference();
    for key in KEYS {
        assert!(page.contains(key.meaning), "{}", key.path);
    }
    for variable in VARIABLES {
        assert!(page.contains(variable.name), "{}", variable.name);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_where() {
    let text = r#"
[log]
levle = "debug"
format = "jsn"
plugins = { Marvin = "debug" }

[plugins]
alow = ["marvin"]
disable = ["ok", 3, "No"]
"my-plugin" = {}

[plugins.marvin]
tier = "worker"
temperature = nan

[tenants.acme]
fallback-prompt = "acme.md"
identity = "Marvin!"

[events]
types = ["ops.deployed", "kora.boot.ready", "deployed"]

[coordinator]
startup_timeout_seconds = 0
honour_fatal = "yes"

[stor]
path = "x"
"#;
    assert_snapshot!(problems(text), @r#"
    /srv/kora/kora.toml:3:1: unknown key `log.levle`: expected `level`, `format`, `plugins`
     3 | levle = "debug"
       | ^^^^^
    hint: did you mean `level`?

    /srv/kora/kora.toml:4:10: `log.format`: expected `text`, `json`; found the text `jsn`
     4 | format = "jsn"
       |          ^^^^^
    hint: did you mean `json`?

    /srv/kora/kora.toml:5:13: plugin name `Marvin` is not valid: expected 1 to 32 lower-case letters, digits and `_`, the first a letter
     5 | plugins = { Marvin = "debug" }
       |             ^^^^^^

    /srv/kora/kora.toml:8:1: unknown key `plugins.alow`: expected `directory`, `allow`, `disable`
     8 | alow = ["marvin"]
       | ^^^^
    hint: did you mean `allow`?

    /srv/kora/kora.toml:9:18: `plugins.disable`: expected the name of a plugin; found the number 3
     9 | disable = ["ok", 3, "No"]
       |                  ^

    /srv/kora/kora.toml:9:21: `plugins.disable`: plugin name `No` is not valid: expected 1 to 32 lower-case letters, digits and `_`, the first a letter
     9 | disable = ["ok", 3, "No"]
       |                     ^^^^

    /srv/kora/kora.toml:10:1: plugin name `my-plugin` is not valid: expected 1 to 32 lower-case letters, digits and `_`, the first a letter
     10 | "my-plugin" = {}
        | ^^^^^^^^^^^

    /srv/kora/kora.toml:13:8: `plugins.marvin.tier`: the tier `worker` is not built yet: expected `in-process`
     13 | tier = "worker"
        |        ^^^^^^^^

    /srv/kora/kora.toml:14:15: `plugins.marvin.temperature`: expected numbers that are finite; found `nan` or `inf`
     14 | temperature = nan
        |               ^^^

    /srv/kora/kora.toml:17:1: unknown key `tenants.acme.fallback-prompt`: expected `identity`, `fallback_prompt`, `agent_name`, `plugins`, `config`, `secrets`, `cost`
     17 | fallback-prompt = "acme.md"
        | ^^^^^^^^^^^^^^^
    hint: did you mean `fallback_prompt`?

    /srv/kora/kora.toml:18:12: `tenants.acme.identity`: identity provider `Marvin!` is not valid: expected `plugin/provider`, or the provider's name alone
     18 | identity = "Marvin!"
        |            ^^^^^^^^^

    /srv/kora/kora.toml:21:26: `events.types`: the event type `kora.boot.ready` is not an operator's: the first word `kora` is reserved
     21 | types = ["ops.deployed", "kora.boot.ready", "deployed"]
        |                          ^^^^^^^^^^^^^^^^^
    hint: begin it with a word of your own, such as `ops`

    /srv/kora/kora.toml:21:45: `events.types`: event type `deployed` is not valid: expected at least two words of lower-case letters, digits and `_`, joined by dots, such as `kora.boot.ready`
     21 | types = ["ops.deployed", "kora.boot.ready", "deployed"]
        |                                             ^^^^^^^^^^

    /srv/kora/kora.toml:24:27: `coordinator.startup_timeout_seconds`: expected a whole number of seconds from 1 to 86400; found the number 0
     24 | startup_timeout_seconds = 0
        |                           ^

    /srv/kora/kora.toml:25:16: `coordinator.honour_fatal`: expected `true` or `false`; found the text `yes`
     25 | honour_fatal = "yes"
        |                ^^^^^

    /srv/kora/kora.toml:27:2: unknown key `stor`: expected `default_identity`, `log`, `plugins`, `tenants`, `events`, `cost`, `health`, `coordinator`, `store`, `checkpoints`, `disk`, `tickets`, `http`, `webhooks`, `access`, `audit`
     27 | [stor]
        |  ^^^^
    hint: did you mean `store`?

    16 problems in the configuration; nothing of it was applied
    "#);
}

#[test]
fn text_that_is_not_toml_is_shown_with_its_place() {
    assert_snapshot!(problems("[log]\nlevel = debug\n\n[store\npath = \"x\"\n"), @r"
    /srv/kora/kora.toml:2:9: this is not TOML: string values must be quoted, expected literal string
     2 | level = debug
       |         ^^^^^

    /srv/kora/kora.toml:4:7: this is not TOML: unclosed table, expected `]`
     4 | [store
       |       ^

    2 problems in the configuration; nothing of it was applied
    ");
}

#[test]
fn a_later_layer_wins_and_show_says_which() {
    let variables = [
        ("KORA_LOG_LEVEL", "warn"),
        ("KORA_LOG_FORMAT", "json"),
        ("KORA_SNAPSHOT_INTERVAL_SEC", "60"),
    ];
    let flags = [Flag {
        name: "--log-level",
        key: "log.level",
        value: "trace".to_owned(),
    }];
    let text =
        "[log]\nlevel = \"debug\"\n[plugins.kora]\nsnapshot_interval_seconds = 300\nsoul_md_path = \"s.md\"";
    let config = check(text, &variables, &flags).unwrap();
    assert_eq!(config.log.level, LogLevel::Trace);
    let shown: Vec<_> = config
        .show()
        .into_iter()
        .filter(|shown| shown.key.starts_with("log") || shown.key.contains("kora"))
        .map(|shown| format!("{} = {}  ({})", shown.key, shown.value, shown.origin))
        .collect();
    assert_snapshot!(shown.join("\n"), @r#"
    log.format = "json"  (environment, KORA_LOG_FORMAT)
    log.level = "trace"  (flag, --log-level)
    plugins.kora = {}  (file, line 3)
    plugins.kora.snapshot_interval_seconds = 60  (environment, KORA_SNAPSHOT_INTERVAL_SEC)
    plugins.kora.soul_md_path = "s.md"  (file, line 5)
    "#);
}

#[test]
fn a_wrong_variable_or_flag_is_named() {
    let variables = [
        ("KORA_LOG_LEVEL", "loud"),
        ("KORA_SNAPSHOT_INTERVAL_SEC", "5m"),
        ("KORA_SOUL_MD_PATH", ""),
    ];
    let flags = [Flag {
        name: "--log-format",
        key: "log.format",
        value: "jsom".to_owned(),
    }];
    assert_snapshot!(check("", &variables, &flags).unwrap_err(), @r"
    environment variable `KORA_LOG_LEVEL`: `log.level`: expected `off`, `error`, `warn`, `info`, `debug`, `trace`; found the text `loud`

    environment variable `KORA_SNAPSHOT_INTERVAL_SEC`: `plugins.kora.snapshot_interval_seconds`: expected a whole number of seconds from 1 to 86400; found the text `5m`

    flag `--log-format`: `log.format`: expected `text`, `json`; found the text `jsom`
    hint: did you mean `json`?

    3 problems in the configuration; nothing of it was applied
    ");
}

#[test]
fn what_the_original_called_true_is_true() {
    for (text, expected) in [
        ("true", true),
        ("1", true),
        ("YES", true),
        ("on", true),
        ("off", false),
        ("0", false),
    ] {
        let config = check("", &[("KORA_DISABLE_IDENTITY_PROVIDER", text)], &[]).unwrap();
        let own = config.plugin_config(&plugin("kora"), None);
        assert_eq!(own["disable_identity_provider"], expected, "{text}");
    }
}

#[test]
fn host_keys_are_taken_from_a_plugins_table_and_the_rest_is_its_own() {
    let config = sound(
        "[plugins.kora]\nenabled = false\ndaemons = [\"heartbeat\"]\nsecrets = { token = \"env:T\" }\n\
         tier = \"in-process\"\ninterval = 5\nwhen = 2026-01-02\nnested = { a = [1.5] }",
    );
    let kora = plugin("kora");
    let own = serde_json::to_string(&config.plugin_config(&kora, None)).unwrap();
    assert_eq!(own, r#"{"interval":5,"nested":{"a":[1.5]},"when":"2026-01-02"}"#);
    assert!(!config.is_plugin_enabled(&kora) && config.is_plugin_enabled(&plugin("marvin")));
    assert!(config.is_daemon_chosen(&kora, "heartbeat") && !config.is_daemon_chosen(&kora, "snapshot"));
    assert!(config.is_daemon_chosen(&plugin("marvin"), "any"));
}

#[test]
fn a_tenants_overrides_are_merged_table_by_table_and_lists_are_replaced() {
    let config = sound(
        "[plugins.kora]\na = 1\nlist = [1, 2]\n[plugins.kora.deep]\nkept = true\nchanged = 1\n\
         [tenants.Acme.config.kora]\nlist = [3]\ndeep.changed = 2",
    );
    let merged =
        |id: &str| serde_json::to_string(&config.plugin_config(&plugin("kora"), Some(&tenant(id)))).unwrap();
    assert_eq!(
        merged("acme"),
        r#"{"a":1,"deep":{"changed":2,"kept":true},"list":[3]}"#
    );
    assert_eq!(
        merged("globex"),
        r#"{"a":1,"deep":{"changed":1,"kept":true},"list":[1,2]}"#
    );
}

#[test]
fn an_empty_table_makes_a_tenant() {
    let config = sound("[tenants.acme]");
    assert_eq!(config.tenants.keys().collect::<Vec<_>>(), [&tenant("acme")]);
    let changes = diff(&sound(""), &config, &kora_for_acme());
    assert_eq!(
        (changes[0].key.as_str(), changes[0].applies),
        ("tenants.acme", Applies::Live)
    );
}

#[test]
fn a_tenant_is_found_however_its_id_is_spelt_also_after_a_reload() {
    let old = sound("[tenants.Acme]\nagent_name = \"Marvin\"");
    let fresh = sound("[tenants.Acme]\nagent_name = \"Trillian\"\n[tenants.Beta]\n");
    let now = old.reloaded(fresh, &AtWork::default());
    for (config, name) in [(&old, "Marvin"), (&now, "Trillian")] {
        let section = config.tenant(&tenant("aCME")).unwrap();
        assert_eq!(section.agent_name.as_deref(), Some(name));
    }
    assert!(old.tenant(&tenant("beta")).is_none());
    assert!(now.tenant(&tenant("beta")).is_some());
}

#[test]
fn eight_times_the_tenants_take_about_eight_times_as_long_to_read_and_to_look_up() {
    let text = |count: usize| -> String {
        let tenants = 0..count;
        tenants
            .map(|number| format!("[tenants.t{number:05}]\nidentity = \"kora\"\n"))
            .collect()
    };
    let took = |count: usize| {
        let text = text(count);
        let once = || {
            let began = Instant::now();
            let config = sound(&text);
            assert!(config.tenants.keys().all(|id| config.tenant(id).is_some()));
            began.elapsed()
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    let (few, many) = (took(500), took(4_000));
    // Going through the file, or all tenants, for each tenant would take 64 times as long.
    assert!(many < few * 28, "{few:?}, then {many:?}");
}

#[test]
fn tenants_that_differ_only_in_case_are_refused() {
    let said = problems("[tenants.acme]\n[tenants.ACME]\n");
    assert!(
        said.contains("kora.toml:1:10: the tenants `ACME` and `acme` differ only in case"),
        "{said}"
    );
}

#[test]
fn a_plugin_that_is_both_enabled_and_disabled_is_refused() {
    let said = problems("plugins.disable = [\"kora\"]\nplugins.kora.enabled = true");
    assert!(
        said.contains("kora.toml:2:14: `plugins.kora.enabled` is true, and `plugins.disable` names `kora`"),
        "{said}"
    );
    assert!(!sound("plugins.disable = [\"kora\"]\nplugins.kora.x = 1").is_plugin_enabled(&plugin("kora")));
}

#[test]
fn only_what_is_allowed_is_admitted_unless_nothing_is_said() {
    let digest = Digest::of(b"build");
    let marvin = plugin("marvin");
    assert!(sound("").is_admitted(&marvin, &digest));
    assert!(!sound("plugins.allow = [\"kora\"]").is_admitted(&marvin, &digest));
    assert!(sound(&format!("plugins.allow = [\"kora\", \"{digest}\"]")).is_admitted(&marvin, &digest));
}

#[test]
fn a_secret_written_where_its_source_belongs_is_never_shown() {
    for text in [
        "[plugins.kora.secrets]\ntoken = \"hunter2\"",
        "[plugins.kora]\nsecrets = { token = \"hunter2\" }",
        "[plugins.kora]\nsecrets = \"hunter2\"",
        "[plugins.kora.secrets]\ntoken = hunter2",
        "[plugins.kora]\nsecrets = {\n token = [\"hunter2\"] }",
        "plugins.kora.secrets.token = 'hunter2",
        "[tenants.acme.secrets.kora]\ntoken = { value = \"hunter2\" }",
    ] {
        let error = check(text, &[], &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let config = sound("[plugins.kora.secrets]\ntoken = \"env:HUNTER2\"");
    let shown = format!(
        "{config:?} {:?} {:?}",
        config.show(),
        diff(&sound(""), &config, &kora_for_acme())
    );
    assert!(!shown.contains("HUNTER2"), "{shown}");
}

#[test]
fn a_home_without_a_file_has_the_defaults_and_one_that_cannot_be_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::at(directory.path());
    let load = || {
        Config::load(&Inputs {
            home: &home,
            environment: &|_| None,
            flags: &[],
        })
    };
    assert!(!load().unwrap().is_from_file());

    fs::write(home.config_file(), template()).unwrap();
    assert!(load().unwrap().is_from_file());
    fs::write(home.config_file(), b"# \xff").unwrap();
    assert!(
        load()
            .unwrap_err()
            .to_string()
            .contains("expected UTF-8; found other bytes from byte 2 on")
    );
    fs::write(home.config_file(), "#".repeat(2 * 1024 * 1024)).unwrap();
    assert!(
        load()
            .unwrap_err()
            .to_string()
            .contains("expected at most 1048576 bytes")
    );
    fs::remove_file(home.config_file()).unwrap();
    fs::create_dir(home.config_file()).unwrap();
    assert!(
        load()
            .unwrap_err()
            .to_string()
            .contains("expected a file that can be read")
    );
}

#[test]
fn configured_paths_begin_at_the_home() {
    let config = sound("[plugins]\ndirectory = \"/opt/plugins\"\n[tenants.acme]\nfallback_prompt = \"p.md\"");
    assert_eq!(config.plugins_directory(), Path::new("/opt/plugins"));
    assert_eq!(config.store_path(), Path::new("/srv/kora/data/kora.db"));
    assert_eq!(
        config.fallback_prompt(&tenant("ACME")).unwrap(),
        Path::new("/srv/kora/p.md")
    );
}

proptest::proptest! {
    #[test]
    fn no_text_whatever_breaks_the_reader(
        text in "(\\[?(log|plugins|secrets|tenants|ä|\\.|\"){0,3}\\]?( = )?([0-9]|[\"'\\[{},#\r\n ]|level|kora|nan){0,6}\n?){0,8}"
    ) {
        if let Err(problems) = check(&text, &[], &[]) {
            assert!(problems.iter().count() > 0);
        }
    }
}

#[test]
fn a_store_is_in_a_file_or_in_a_database_and_its_address_holds_no_password() {
    assert_eq!(
        sound("[store]\nurl = \"sqlite:other.db\"").store_path(),
        Path::new("/srv/kora/other.db")
    );
    let absolute: StoreAddress = "sqlite:///var/kora.db".parse().unwrap();
    assert_eq!(String::from(absolute), "sqlite:/var/kora.db");
    let shared = sound("[store]\nurl = \"postgres://kora@localhost/kora\"\npassword = \"file:/etc/kora/p\"");
    assert!(matches!(shared.store.url, Some(StoreAddress::Postgres(_))));
    let refusal = problems("[store]\nurl = \"postgres://kora:hunter2@localhost/kora\"");
    assert!(
        refusal.contains("store.password") && !refusal.contains("hunter2"),
        "{refusal}"
    );
}
