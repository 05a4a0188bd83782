//! The reference page and the file that `kora init` writes, both made from the table of keys.

use super::{Applies, HOME_VARIABLE, KEYS, Key, VARIABLES};

/// The line that every generated page begins with, so that nobody edits one by hand.
const GENERATED: &str = "<!-- Made from the table of keys in host/src/config. Do not edit. -->";

/// The reference of every key and variable as Markdown.
pub fn reference() -> String {
    let mut page = format!("{GENERATED}\n\n# Configuration\n\n{INTRODUCTION}\n");
    for (section, keys) in sections() {
        let title = if section.is_empty() {
            "Top level".to_owned()
        } else {
            format!("`[{section}]`")
        };
        line(&mut page, &format!("\n## {title}\n"));
        line(
            &mut page,
            "| key | value | default | a change applies | meaning |",
        );
        line(&mut page, "|---|---|---|---|---|");
        for key in keys {
            line(&mut page, &row(key));
        }
    }
    line(&mut page, "\n## Environment\n");
    line(
        &mut page,
        "A variable goes before the file, a flag of the command before both. One that is set to nothing",
    );
    line(
        &mut page,
        "counts as not set; one with a wrong value is an error.\n",
    );
    line(&mut page, "| variable | key | value |");
    line(&mut page, "|---|---|---|");
    line(
        &mut page,
        &format!("| `{HOME_VARIABLE}` | the home, where `--home` does not name it | a path |"),
    );
    for variable in VARIABLES {
        line(
            &mut page,
            &format!(
                "| `{}` | `{}` | {} |",
                variable.name,
                variable.key,
                variable.kind.describe()
            ),
        );
    }
    page
}

const INTRODUCTION: &str = "`kora.toml` in the home (`--home`, `KORA_HOME`, else `~/.kora`). It is judged whole before any of it \
applies, at start and on every reload\n(`kora config reload`, SIGHUP). `kora config check` judges it without applying it; \
`kora config show` gives every effective value and where it came from.\n\nPaths begin at the home unless they are absolute. \
Secrets are named here by their place and never stand here themselves.\nIn `[plugins.<plugin>]` the keys `enabled`, `daemons`, `capabilities`, \
`tier` and `secrets` are the host's; every other key is the plugin's own.";

/// The commented `kora.toml` that `kora init` writes: it changes nothing, and shows everything that could be changed.
pub fn template() -> String {
    let mut file = String::from(TEMPLATE_HEAD);
    for (section, keys) in sections() {
        // A section of fixed names may stand; one with a free name would make a tenant or plugin of that name.
        let header = example_name(section);
        match (section.is_empty(), section.contains('<')) {
            (true, _) => {}
            (false, true) => line(&mut file, &format!("\n#[{header}]")),
            (false, false) => line(&mut file, &format!("\n[{header}]")),
        }
        for key in keys {
            line(&mut file, "");
            for text in wrapped(key.meaning) {
                line(&mut file, &format!("# {text}"));
            }
            let name = example_name(key.segments().last().unwrap_or_default());
            line(
                &mut file,
                &format!("#{name} = {}", key.default.unwrap_or(key.example)),
            );
        }
    }
    file
}

const TEMPLATE_HEAD: &str = "\
# The configuration of this kora host. Every line that begins with `#` and a letter or bracket is a setting: take the `#`
# away to set it. Settings show their default, or an example where there is none.
# Judge changes with `kora config check`, apply them with `kora config reload`.
";

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

fn row(key: &Key) -> String {
    let name = key.segments().last().unwrap_or_default();
    let default = key
        .default
        .map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
    let applies = match key.applies {
        Applies::Live => "with a reload",
        Applies::NeedsRestart => "after a restart",
    };
    format!(
        "| `{name}` | {} | {default} | {applies} | {} |",
        key.kind.describe(),
        key.meaning
    )
}

/// The keys by the table they stand in, in the order of the file.
fn sections() -> Vec<(&'static str, Vec<&'static Key>)> {
    let mut sections: Vec<(&str, Vec<&Key>)> = Vec::new();
    for key in KEYS {
        let section = key.path.rsplit_once('.').map_or("", |(section, _)| section);
        match sections.last_mut() {
            Some((last, keys)) if *last == section => keys.push(key),
            _ => sections.push((section, vec![key])),
        }
    }
    sections
}

fn example_name(path: &str) -> String {
    path.replace("<plugin>", "marvin")
        .replace("<tenant>", "acme")
        .replace("<secret>", "token")
        .replace("<key>", "some_key")
}

/// Wider comments are hard to read beside a tail of the log.
const TEMPLATE_WIDTH: usize = 100;

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let current = lines
            .last_mut()
            .filter(|line| line.len() + word.len() < TEMPLATE_WIDTH);
        match current {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
