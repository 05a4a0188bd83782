//! A home full of plugins that misbehave, each in its own way, beside `marvin`, who does not.

use super::{TestHome, renamed};

/// A plugin that misbehaves: `misbehave` under this name, in this mode.
#[derive(Debug, Clone, Copy)]
pub struct Offender<'a> {
    pub name: &'a str,
    pub mode: &'a str,
    /// Whether it acts for the tenant `acme`.
    pub serves_acme: bool,
}

impl<'a> Offender<'a> {
    /// One that acts for nobody.
    pub const fn new(name: &'a str, mode: &'a str) -> Self {
        Self {
            name,
            mode,
            serves_acme: false,
        }
    }

    /// One that acts for `acme`.
    pub const fn serving_acme(name: &'a str, mode: &'a str) -> Self {
        Self {
            name,
            mode,
            serves_acme: true,
        }
    }
}

/// What each is told, unless a test says otherwise: it ticks often, its deadlines are short, and it is not started anew.
const DEFAULTS: [(&str, &str); 3] = [
    ("tick_seconds", "0.1"),
    ("timeout_seconds", "1"),
    ("max_restarts", "0"),
];

/// A home with `marvin`, who speaks for `acme` and `globex`, and these, with `more` in the section of each.
pub fn home_with_offenders(offenders: &[Offender<'_>], more: &str) -> TestHome {
    let mut config = String::new();
    for Offender { name, mode, .. } in offenders {
        config += &format!("[plugins.{name}]\nmode = \"{mode}\"\n{more}\n");
        for (key, value) in DEFAULTS.iter().filter(|(key, _)| !more.contains(key)) {
            config += &format!("{key} = {value}\n");
        }
    }
    let serving: Vec<_> = offenders
        .iter()
        .filter(|offender| offender.serves_acme)
        .map(|offender| offender.name)
        .collect();
    config += "[tenants.globex]\nidentity = \"marvin\"\n";
    config += &format!("[tenants.acme]\nidentity = \"marvin\"\nplugins = {serving:?}\n");
    let home = TestHome::with_config(&config);
    home.install(&["marvin"]);
    for Offender { name, .. } in offenders {
        match *name {
            "misbehave" => home.install(&[name]),
            _ => drop(home.drop_file(&format!("lib{name}.so"), &renamed("misbehave", name))),
        }
    }
    home
}
