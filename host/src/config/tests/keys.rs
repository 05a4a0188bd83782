//! The table of keys, the sections and the template say the same.

use super::*;

#[test]
fn the_file_that_init_writes_changes_nothing() {
    assert_eq!(*sound(&template()), Sections::default());
    assert_eq!(*sound(""), Sections::default());
}

#[test]
fn every_key_of_the_sections_is_in_the_table_and_the_other_way_round() {
    let config = sound(&whole_template());
    let mut in_sections = BTreeMap::new();
    leaves("", &serde_json::to_value(&*config).unwrap(), &mut in_sections);
    let in_sections: BTreeSet<_> = in_sections.into_keys().collect();
    let in_table: BTreeSet<_> = KEYS.iter().map(|key| named(key.path)).collect();
    assert_eq!(in_sections, in_table);
}

#[test]
fn the_defaults_in_the_table_are_those_of_the_sections() {
    let fixed: String = defaults_where(Key::is_fixed);
    assert_eq!(*sound(&fixed), Sections::default());
    let mut in_sections = BTreeMap::new();
    leaves(
        "",
        &serde_json::to_value(Sections::default()).unwrap(),
        &mut in_sections,
    );
    for key in KEYS.iter().filter(|key| key.is_fixed()) {
        assert_eq!(
            in_sections[key.path].is_null(),
            key.default.is_none(),
            "{}",
            key.path
        );
    }

    let free = sound(&defaults_where(|key| !key.is_fixed()));
    assert_eq!(free.plugin(&plugin("marvin")), Some(&PluginSection::default()));
    assert_eq!(free.tenant(&tenant("acme")), Some(&TenantSection::default()));
}

fn defaults_where(wanted: impl Fn(&Key) -> bool) -> String {
    let line = |key: &Key| Some(format!("{} = {}\n", named(key.path), key.default?));
    KEYS.iter().filter(|key| wanted(key)).filter_map(line).collect()
}

#[test]
fn examples_and_variables_stand_for_values_that_are_accepted() {
    for key in KEYS {
        sound(&format!("{} = {}", named(key.path), key.example));
    }
    for variable in VARIABLES
        .iter()
        .filter(|variable| !variable.key.starts_with("plugins.kora."))
    {
        let key = KEYS.iter().find(|key| key.path == variable.key).unwrap();
        assert_eq!(key.kind, variable.kind);
    }
}

#[test]
fn a_number_beyond_64_bits_is_told_what_was_expected() {
    let told = problems("[cost]\nwarn_percent = 99999999999999999999");
    let expected = "kora.toml:2:16: `cost.warn_percent`: expected a whole number from 1 to 99; found a number that does not fit into 64 bits";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn two_ports_at_one_place_are_refused_wherever_they_are_named() {
    let told = problems("[webhooks]\nlisten = \"127.0.0.1:9119\"");
    let expected =
        "kora.toml:2:1: `http.listen` is `127.0.0.1:9119` and `webhooks.listen` is `127.0.0.1:9119`";
    assert!(told.contains(expected), "{told}");
    assert!(told.contains("2 | listen = \"127.0.0.1:9119\""), "{told}");
    let by_variable = check(
        "[http]\nlisten = \"127.0.0.1:19219\"",
        &[("KORA_WEBHOOKS_LISTEN", "0.0.0.0:19219")],
        &[],
    );
    let told = by_variable.unwrap_err().to_string();
    assert!(
        told.contains("environment variable `KORA_WEBHOOKS_LISTEN`: "),
        "{told}"
    );
    for (http, webhooks) in [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("127.0.0.1:1", "127.0.0.2:1"),
        ("[::1]:1", "0.0.0.0:1"),
        ("off", "off"),
    ] {
        sound(&format!(
            "[http]\nlisten = \"{http}\"\n[webhooks]\nlisten = \"{webhooks}\""
        ));
    }
}
