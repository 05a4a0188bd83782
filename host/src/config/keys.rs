//! Every key there is, in one table. Reading the file, the effective values, what a reload may change, the reference and
//! the file that `kora init` writes are all made from it.

mod engine;
mod surface;
mod tenants;

use serde::Serialize;

use super::Kind;

/// When a changed value takes effect. What is said of a plugin that is not loaded, or of a tenant for whom nobody speaks, takes effect
/// with the next reload whatever stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    /// With the next reload.
    Live,
    /// When the host starts again.
    NeedsRestart,
}

/// One key, or all keys of one form.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where it stands. `<plugin>`, `<tenant>`, `<secret>` and `<key>` stand for any name of that sort.
    pub path: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its default as it would stand in the file; absent if there is none.
    pub default: Option<&'static str>,
    /// What one might write instead.
    pub example: &'static str,
    /// When a change takes effect.
    pub applies: Applies,
    /// What it means.
    pub meaning: &'static str,
}

impl Key {
    pub(super) fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('.')
    }

    /// Whether its path holds no name of the operator's choosing.
    pub(super) fn is_fixed(&self) -> bool {
        !self.path.contains('<')
    }
}

/// Below a minute nobody could keep up; a provider's figure of last quarter says nothing of this one.
const STALE_AFTER: Kind = Kind::Seconds {
    min: 60,
    max: 7_776_000,
};

/// The last rung begins at 100, and nothing can be below the first.
const THRESHOLD: Kind = Kind::Percent { min: 1, max: 99 };

/// All of them, in the order of the file: the keys of one table stand together.
pub const KEYS: &[Key] = &joined::<{ tenants::KEYS.len() + engine::KEYS.len() + surface::KEYS.len() }>([
    tenants::KEYS,
    engine::KEYS,
    surface::KEYS,
]);

const fn joined<const ALL: usize>(parts: [&[Key]; 3]) -> [Key; ALL] {
    let mut all = [parts[0][0]; ALL];
    let (mut part, mut filled) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[filled] = parts[part][index];
            (index, filled) = (index + 1, filled + 1);
        }
        part += 1;
    }
    assert!(filled == ALL, "every key has its place");
    all
}
