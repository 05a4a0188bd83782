//! Changing `kora.toml` for an operator who asked a command to: comments, order and everything else stay as they are. What
//! is written is judged whole before, so that no command can leave a configuration that does not start.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use toml_edit::{DocumentMut, Item, TableLike, TomlError};
use uuid::Uuid;

use super::{Config, ConfigProblems, Home, Inputs, read_text};
use crate::domain::PluginName;

/// Of a file that is made because there was none.
const FILE_MODE: u32 = 0o600;

/// Why the file was not changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error("`{path}` cannot be changed: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        message: String,
    },
    /// It is no TOML.
    #[error("`{path}` cannot be changed: expected TOML; found: {cause}")]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        cause: TomlError,
    },
    /// Something else stands where the change belongs.
    #[error("`{path}` cannot be changed: expected `{key}` to be a table; found another value")]
    NotATable {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// It would not be valid afterwards; most likely it is not valid now.
    #[error("`{path}` was not changed, since it would not be valid:\n{problems}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problems: ConfigProblems,
    },
    /// It cannot be written.
    #[error("`{path}` cannot be written: {cause}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Lets `plugin` be loaded, or keeps it from being, by what stands in `file`, a home's `kora.toml`: `[plugins.<name>] enabled` and
/// `[plugins] disable`. Replaces the file whole. Answers whether anything had to be changed. Blocks; two at a time are kept apart
/// by the caller.
///
/// # Errors
/// If the file cannot be read, changed or written, or would not be valid. It is then as it was.
pub fn set_plugin_enabled(file: &Path, plugin: &PluginName, enabled: bool) -> Result<bool, EditError> {
    let path = file.to_owned();
    let before = read_text(file)
        .map_err(|message| EditError::Unreadable {
            path: path.clone(),
            message,
        })?
        .unwrap_or_default();
    let after = with_plugin_enabled(&before, plugin, enabled, file)?;
    if after == before {
        return Ok(false);
    }
    judge(file, &after).map_err(|problems| EditError::Invalid {
        path: path.clone(),
        problems,
    })?;
    replace(file, &after).map_err(|cause| EditError::Unwritable { path, cause })?;
    Ok(true)
}

/// Judges the file alone: what variables and flags lay over it is as right or wrong as before.
fn judge(file: &Path, text: &str) -> Result<(), ConfigProblems> {
    let home = Home::at(file.parent().unwrap_or(Path::new("")));
    let inputs = Inputs {
        home: &home,
        environment: &|_| None,
        flags: &[],
    };
    Config::parse(Some(text), &inputs).map(drop)
}

fn with_plugin_enabled(
    text: &str,
    plugin: &PluginName,
    enabled: bool,
    path: &Path,
) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|cause| EditError::NotToml {
        path: path.to_owned(),
        cause,
    })?;
    let root = document.as_table_mut();
    let is_listed = enabled && remove_from_disabled(root, plugin);
    let says = root
        .get("plugins")
        .and_then(|plugins| plugins.as_table_like()?.get(plugin.as_str()))
        .and_then(|section| section.as_table_like()?.get("enabled")?.as_bool());
    // A plugin is enabled unless something says otherwise.
    if says.unwrap_or(true) == enabled {
        return Ok(if is_listed {
            document.to_string()
        } else {
            text.to_owned()
        });
    }
    let plugins = table_in(root, "plugins", path)?;
    let is_new = !plugins.contains_key(plugin.as_str());
    let section = table_in(plugins, plugin.as_str(), path)?;
    match section.get_mut("enabled").and_then(Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone();
            *value = enabled.into();
            *value.decor_mut() = decor;
        }
        None => drop(section.insert("enabled", toml_edit::value(enabled))),
    }
    if is_new {
        move_to_the_end(&mut document, plugin);
    }
    Ok(document.to_string())
}

/// A new table goes behind everything, also behind the comments that end the file: were it put before them, a setting in
/// them would belong to it once its `#` is taken away.
fn move_to_the_end(document: &mut DocumentMut, plugin: &PluginName) {
    let trailing = document
        .trailing()
        .as_str()
        .unwrap_or_default()
        .trim_end()
        .to_owned();
    let is_first = trailing.is_empty() && document.as_table().len() == 1;
    let table = document
        .get_mut("plugins")
        .and_then(|plugins| plugins.get_mut(plugin.as_str()))
        .and_then(Item::as_table_mut);
    let Some(table) = table else {
        return; // Inside an inline table it has its place.
    };
    table.set_position(Some(isize::MAX));
    let before = match (trailing.is_empty(), is_first) {
        (true, true) => String::new(),
        (true, false) => "\n".to_owned(),
        (false, _) => format!("{trailing}\n\n"),
    };
    table.decor_mut().set_prefix(before);
    document.set_trailing("");
}

/// The table `key` of `parent`, made if need be.
fn table_in<'a>(
    parent: &'a mut dyn TableLike,
    key: &str,
    path: &Path,
) -> Result<&'a mut dyn TableLike, EditError> {
    if !parent.contains_key(key) {
        let mut table = toml_edit::Table::new();
        table.set_implicit(true);
        parent.insert(key, Item::Table(table));
    }
    let not_a_table = || EditError::NotATable {
        path: path.to_owned(),
        key: key.to_owned(),
    };
    parent
        .get_mut(key)
        .and_then(Item::as_table_like_mut)
        .ok_or_else(not_a_table)
}

/// Answers whether it stood there.
fn remove_from_disabled(root: &mut toml_edit::Table, plugin: &PluginName) -> bool {
    let disabled = root
        .get_mut("plugins")
        .and_then(|plugins| plugins.as_table_like_mut()?.get_mut("disable")?.as_array_mut());
    let Some(disabled) = disabled else {
        return false;
    };
    let before = disabled.len();
    disabled.retain(|name| name.as_str() != Some(plugin.as_str()));
    disabled.len() < before
}

/// Writes `text` beside the file and puts it in its place, with the mode that the file has. A link is followed, so that it
/// stays one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let (path, mode) = match path.canonicalize() {
        Ok(path) => {
            let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
            (path, mode)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (path.to_owned(), FILE_MODE),
        Err(error) => return Err(error),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", Uuid::new_v4()));
    let beside = PathBuf::from(name);
    let written = write_whole(&beside, text, mode).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // What was written is of no use; if even that cannot be removed, the first error says enough.
        let _kept = fs::remove_file(&beside);
    }
    written
}

fn write_whole(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use io::Write as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // The mode above is narrowed by the umask.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::template;

    fn edited(text: &str, plugin: &str, enabled: bool) -> String {
        with_plugin_enabled(text, &plugin.parse().unwrap(), enabled, Path::new("kora.toml")).unwrap()
    }

    #[test]
    fn disabling_keeps_every_comment_and_everything_else() {
        let before = "# mine\n[plugins.marvin] # his\nenabled = true # for now\nmood = 'low'\n\n[log]\nlevel = 'debug'\n";
        let after = edited(before, "marvin", false);
        assert_eq!(after, before.replace("enabled = true", "enabled = false"));
        assert_eq!(edited(&after, "marvin", true), before);
    }

    #[test]
    fn a_plugin_without_a_section_is_given_one() {
        insta::assert_snapshot!(edited("[log]\nlevel = \"info\"\n", "marvin", false), @r#"
        [log]
        level = "info"

        [plugins.marvin]
        enabled = false
        "#);
        assert_eq!(edited("", "marvin", false), "[plugins.marvin]\nenabled = false\n");
    }

    #[test]
    fn enabling_takes_the_plugin_off_the_list_of_those_that_are_not_loaded() {
        let before = "[plugins]\ndisable = [\"echo\", \"marvin\"] # noisy\n";
        assert_eq!(
            edited(before, "marvin", true),
            "[plugins]\ndisable = [\"echo\"] # noisy\n"
        );
    }

    #[test]
    fn what_is_so_already_changes_nothing() {
        for text in ["", "[plugins.marvin]\nenabled=true", "[plugins.marvin]\nmood = 1"] {
            assert_eq!(edited(text, "marvin", true), text);
        }
    }

    #[test]
    fn an_inline_table_is_changed_in_place() {
        assert_eq!(
            edited("plugins = { marvin = { mood = 1 } }\n", "marvin", false),
            "plugins = { marvin = { mood = 1 , enabled = false } }\n"
        );
    }

    #[test]
    fn the_file_that_init_writes_can_be_edited_and_stays_as_it_is_otherwise() {
        let after = edited(&template(), "marvin", false);
        let expected = format!("{}\n\n[plugins.marvin]\nenabled = false\n", template().trim_end());
        assert_eq!(after, expected);
        assert_eq!(
            edited(&after, "marvin", true),
            expected.replace("\nenabled = false", "\nenabled = true")
        );
    }

    #[test]
    fn the_file_is_replaced_with_its_mode_and_a_broken_one_is_left_alone() {
        let directory = tempfile::TempDir::new().unwrap();
        let home = Home::at(directory.path());
        let file = home.config_file();
        let marvin: PluginName = "marvin".parse().unwrap();
        fs::write(home.config_file(), "# mine\n").unwrap();
        fs::set_permissions(home.config_file(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(set_plugin_enabled(&file, &marvin, false).unwrap());
        assert!(!set_plugin_enabled(&file, &marvin, false).unwrap());
        let text = fs::read_to_string(home.config_file()).unwrap();
        assert_eq!(text, "# mine\n\n[plugins.marvin]\nenabled = false\n");
        let mode = fs::metadata(home.config_file()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);

        fs::write(home.config_file(), "colour = 1\n").unwrap();
        let refused = set_plugin_enabled(&file, &marvin, false).unwrap_err();
        assert!(refused.to_string().contains("colour"), "{refused}");
        assert_eq!(fs::read_to_string(home.config_file()).unwrap(), "colour = 1\n");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
