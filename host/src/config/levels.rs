//! Levels of the log that were changed while the host runs.

use toml::Value;

use super::{
    Config, Origin,
    settings::{KeyPath, Setting},
};
use crate::domain::{LogLevel, PluginName};

/// The command that changes them.
const COMMAND: &str = "kora logs level";

impl Config {
    /// The same, with another level of the host's log, or of one plugin's. It says of itself where it came from; the next
    /// configuration that is read knows nothing of it.
    #[must_use]
    pub fn with_log_level(&self, plugin: Option<&PluginName>, level: LogLevel) -> Self {
        let mut changed = self.clone();
        let key = match plugin {
            None => {
                changed.sections.log.level = level;
                KeyPath::dotted("log.level")
            }
            Some(plugin) => {
                changed.sections.log.plugins.insert(plugin.clone(), level);
                KeyPath::dotted("log.plugins").child(plugin.as_str())
            }
        };
        let setting = Setting {
            value: Value::String(level.to_string()),
            origin: Origin::Command(COMMAND.to_owned()),
            hidden: false,
        };
        changed.settings.set(key, setting);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AtWork, Home, Inputs};

    fn config() -> Config {
        let inputs = Inputs {
            home: &Home::at("/home-of-a-test"),
            environment: &|_| None,
            flags: &[],
        };
        Config::parse(Some("[log]\nlevel = 'warn'\n"), &inputs).unwrap()
    }

    #[test]
    fn a_level_says_which_command_set_it_and_a_reload_takes_it_back() {
        let plugin = "marvin".parse().unwrap();
        let changed = config()
            .with_log_level(None, LogLevel::Debug)
            .with_log_level(Some(&plugin), LogLevel::Trace);
        assert_eq!(changed.log.level, LogLevel::Debug);
        assert_eq!(changed.log.plugins[&plugin], LogLevel::Trace);
        let shown = |config: &Config, key: &str| {
            let shown = config.show().into_iter().find(|shown| shown.key == key)?;
            Some(format!("{} {}", shown.value, shown.origin))
        };
        let from = "`kora logs level`, until a reload or restart";
        assert_eq!(shown(&changed, "log.level"), Some(format!("\"debug\" {from}")));
        assert_eq!(
            shown(&changed, "log.plugins.marvin"),
            Some(format!("\"trace\" {from}"))
        );

        let reloaded = changed.reloaded(config(), &AtWork::default());
        assert_eq!(shown(&reloaded, "log.level").unwrap(), "\"warn\" file, line 2");
        assert_eq!(shown(&reloaded, "log.plugins.marvin"), None);
        assert!(reloaded.log.plugins.is_empty());
    }
}
