//! A plugin's configuration, as the host validated it against the schema in the manifest.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Result;

/// The configuration of the plugin, `[plugins.<name>]` of the host's file, with a tenant's overrides where one is meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config(Map<String, Value>);

impl Config {
    /// The whole as a type of the author's.
    ///
    /// # Errors
    /// If the configuration has not that shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_value(Value::Object(self.0.clone()))?)
    }

    /// One key, if it is set.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// One key that holds text, if it is set.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// One key that holds a boolean; false if it is not set.
    pub fn is_set(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self> {
        Ok(Self(serde_json::from_slice(bytes)?))
    }
}

impl From<Map<String, Value>> for Config {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Keys {
        every_seconds: u64,
    }

    #[test]
    fn a_configuration_is_read_into_a_type_of_the_authors() {
        let config =
            Config::from_json(br#"{"every_seconds":5,"loud":true,"name":"x"}"#).expect("is an object");
        assert_eq!(
            config.parse::<Keys>().expect("has the key"),
            Keys { every_seconds: 5 }
        );
        assert_eq!(
            (
                config.is_set("loud"),
                config.is_set("quiet"),
                config.is_set("name")
            ),
            (true, false, false)
        );
        assert_eq!(
            (config.get_str("name"), config.get_str("loud")),
            (Some("x"), None)
        );
    }

    #[test]
    fn an_error_names_what_is_missing() {
        let error = Config::default().parse::<Keys>().expect_err("lacks the key");
        assert!(error.to_string().contains("every_seconds"), "{error}");
    }

    #[test]
    fn only_an_object_is_a_configuration() {
        for bytes in [b"[]".as_slice(), b"null", b"\xff", b"{"] {
            assert!(Config::from_json(bytes).is_err());
        }
    }
}
