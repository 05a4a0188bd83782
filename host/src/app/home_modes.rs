//! Whether others than the owner of a home can change what its host believes, or read what it keeps. A host goes on all the same, unless what
//! is open would give rights away (`callers.toml`, the plugin directory, the keys: who reads those refuses them), but it says so.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::Config,
    engine::gates::HOME_MODES,
    gates::{Fault, Gate},
    store::sqlite::write_ahead_log,
};

/// Who may write a directory may put another file in the place of any in it.
const WRITABLE: u32 = 0o022;
/// Who may read the store reads what agents did.
const READABLE: u32 = 0o044;
const ROOT: u32 = 0;

/// What others may do with the home is told; it ends no boot.
pub fn home_modes(config: &Arc<Config>) -> Gate {
    let config = config.clone();
    Gate::new(HOME_MODES, move || {
        let config = config.clone();
        async move {
            let looked = tokio::task::spawn_blocking(move || open_to_others(&config)).await;
            let open = looked.map_err(Fault::lasting)?;
            for fault in &open {
                tracing::warn!("[kora.home.open] {fault}");
            }
            if open.is_empty() {
                return Ok("others can neither write the home nor read the store".to_owned());
            }
            Ok(format!("open to others: {}", open.join("; ")))
        }
    })
}

/// What is open to others, each with what to do. What is not there is open to nobody.
fn open_to_others(config: &Config) -> Vec<String> {
    let home = config.home();
    let directories = [
        (home.root().to_owned(), "700"),
        (home.data(), "700"),
        (home.audit(), "700"),
        (home.run(), "700"),
    ];
    let mut looked: Vec<(PathBuf, u32, &str)> = directories
        .into_iter()
        .map(|(path, wanted)| (path, WRITABLE, wanted))
        .collect();
    looked.push((home.config_file(), WRITABLE, "600"));
    looked.push((home.callers_file(), WRITABLE | READABLE, "600"));
    looked.push((home.spool(), WRITABLE | READABLE, "600"));
    if config.store.is_file() {
        let store = config.store_path();
        let log = write_ahead_log(&store);
        looked.extend(store.parent().map(|beside| (beside.to_owned(), WRITABLE, "700")));
        looked.push((store, WRITABLE | READABLE, "600"));
        looked.push((log, WRITABLE | READABLE, "600"));
    }
    let found = looked
        .iter()
        .filter_map(|(path, bits, wanted)| open(path, *bits, wanted));
    // The store may lie in a directory of the home's.
    let mut told = BTreeSet::new();
    found.filter(|fault| told.insert(fault.clone())).collect()
}

fn open(path: &Path, bits: u32, wanted: &str) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    let own = rustix::process::geteuid().as_raw();
    // A file of root's is read by this user through its group, or not at all.
    let by_group = if found.uid() == ROOT && own != ROOT {
        READABLE & 0o070
    } else {
        0
    };
    let open = found.mode() & bits & !by_group;
    if open == 0 {
        return None;
    }
    let may = if open & WRITABLE == 0 { "read" } else { "written" };
    let shown = path.display();
    Some(format!(
        "`{shown}` can be {may} by others: expected mode {wanted}, found {:o}; run `chmod {wanted} {shown}`",
        found.mode() & 0o7777
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{Home, Inputs};

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_write_or_read_is_named_with_its_mode_and_what_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        fs::create_dir(home.data()).unwrap();
        set(&home.data(), 0o700);
        let database = home.data().join("kora.db");
        for file in [&database, &home.callers_file(), &home.config_file()] {
            fs::write(file, "").unwrap();
            set(file, 0o600);
        }
        let inputs = Inputs {
            home: &home,
            environment: &|_| None,
            flags: &[],
        };
        let config = Config::load(&inputs).unwrap();
        assert_eq!(open_to_others(&config), Vec::<String>::new());

        // An operator may let others read the configuration: it holds no secret.
        set(&home.config_file(), 0o644);
        assert_eq!(open_to_others(&config), Vec::<String>::new());
        let cases = [
            (home.root().to_owned(), 0o777, "written", "700"),
            (home.data(), 0o770, "written", "700"),
            (database, 0o640, "read", "600"),
            (home.callers_file(), 0o644, "read", "600"),
            (home.config_file(), 0o620, "written", "600"),
        ];
        for (path, mode, may, wanted) in cases {
            let before = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            set(&path, mode);
            let shown = path.display();
            assert_eq!(
                open_to_others(&config),
                [format!(
                    "`{shown}` can be {may} by others: expected mode {wanted}, found {mode:o}; run `chmod {wanted} {shown}`"
                )]
            );
            set(&path, before);
        }
    }
}
