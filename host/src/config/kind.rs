//! What a value may be: one closed list of kinds, each of which describes itself, judges a value of the file, and reads
//! the text of a variable or flag.

use std::str::FromStr;

use toml::Value;

use super::{
    Admitted, DeployEnv, HostName, Listen, ProviderChoice, SecretSource, StoreAddress, Tier, WebOrigin,
    near_miss::near_miss,
};
use crate::domain::{Capability, EventType, LogFormat, LogLevel, Money, PluginName, RESERVED_FIRST_WORDS};

/// Longer names of agents are no names.
const MAX_TEXT_CHARS: usize = 200;
/// More would be shown of a wrong value than helps.
const SHOWN_CHARS: usize = 60;

/// The kind of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A [`LogLevel`].
    Level,
    /// A [`LogFormat`].
    Format,
    /// True or false.
    Switch,
    /// A whole number of seconds within bounds, both included.
    Seconds {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A whole number of hundredths within bounds, both included.
    Percent {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// An amount of money, not less than nothing.
    Usd,
    /// A whole number within bounds, both included.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A path, which begins at the home if it is relative.
    Path,
    /// A [`Tier`].
    Tier,
    /// A [`ProviderChoice`].
    Provider,
    /// The name of a plugin.
    Plugin,
    /// An [`Admitted`].
    Admitted,
    /// The name of a daemon.
    Daemon,
    /// An event type that an operator may own.
    EventType,
    /// Text of one line for humans.
    Text,
    /// A [`SecretSource`]. Its value is never shown.
    SecretSource,
    /// A [`StoreAddress`].
    StoreAddress,
    /// A capability.
    Capability,
    /// A [`Listen`].
    Listen,
    /// A [`HostName`].
    HostName,
    /// A [`WebOrigin`].
    Origin,
    /// A [`DeployEnv`].
    DeployEnv,
    /// A list of these.
    List(&'static Kind),
    /// Anything that JSON can hold: a plugin's own.
    Own,
}

/// Why a value is not of a kind: what was expected and found, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub message: String,
    pub hint: Option<String>,
}

impl Mismatch {
    fn plain(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }
}

impl Kind {
    /// For the reference and for messages: "expected …".
    pub fn describe(self) -> String {
        match self {
            Self::Level => one_of(&words(LogLevel::ALL, |level| level.as_str())),
            Self::Format => one_of(&words(LogFormat::ALL, |format| format.as_str())),
            Self::Tier => one_of(&words(Tier::ALL, |tier| tier.as_str())),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Seconds { min, max } => format!("a whole number of seconds from {min} to {max}"),
            Self::Percent { min, max } => format!("a whole number from {min} to {max}"),
            Self::Usd => "dollars as text such as `\"12.50\"`, or as a whole number".to_owned(),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Path => "a path as text".to_owned(),
            Self::Provider => "an identity provider as `plugin/provider`, or its name alone".to_owned(),
            Self::Plugin => "the name of a plugin".to_owned(),
            Self::Admitted => "the name of a plugin, or the 64 hexadecimal digits of its SHA-256".to_owned(),
            Self::Daemon => "the name of a daemon".to_owned(),
            Self::EventType => "an event type such as `ops.deployed`".to_owned(),
            Self::Text => format!("text of one line with 1 to {MAX_TEXT_CHARS} characters"),
            Self::SecretSource => "`env:NAME`, `file:/path` or `credential:NAME`".to_owned(),
            Self::StoreAddress => "`sqlite:PATH` or `postgres://USER@HOST/DATABASE`".to_owned(),
            Self::Capability => "a capability: the name of a tool, mostly".to_owned(),
            Self::Listen => "an address and a port such as `127.0.0.1:9119`, or `off`".to_owned(),
            Self::HostName => "the name or address of a host, with a port or without".to_owned(),
            Self::Origin => "an origin such as `https://kora.example.com:443`".to_owned(),
            Self::DeployEnv => one_of(&words(DeployEnv::ALL, |name| name.as_str())),
            Self::List(element) => format!("a list, each {}", element.describe()),
            Self::Own => "as the plugin's manifest says".to_owned(),
        }
    }

    /// Whether values must not be shown.
    pub fn is_hidden(self) -> bool {
        self == Self::SecretSource
    }

    /// Whether `value` is of this kind. The elements of a list are judged one by one, by whoever knows where each stands.
    pub(super) fn check(self, value: &Value) -> Result<(), Mismatch> {
        match (self, value) {
            (Self::Own, _) | (Self::Switch, Value::Boolean(_)) | (Self::List(_), Value::Array(_)) => Ok(()),
            (Self::Seconds { min, max } | Self::Count { min, max }, Value::Integer(number)) => {
                match u64::try_from(*number) {
                    Ok(number) if (min..=max).contains(&number) => Ok(()),
                    _ => Err(self.expected_not(value)),
                }
            }
            (Self::Percent { min, max }, Value::Integer(number)) => match u32::try_from(*number) {
                Ok(percent) if (min..=max).contains(&percent) => Ok(()),
                _ => Err(self.expected_not(value)),
            },
            (Self::Usd, Value::Integer(number)) => match u32::try_from(*number) {
                Ok(_) => Ok(()),
                Err(_) => Err(self.expected_not(value)),
            },
            (
                Self::Switch
                | Self::Seconds { .. }
                | Self::Percent { .. }
                | Self::Count { .. }
                | Self::List(_),
                _,
            ) => Err(self.expected_not(value)),
            (_, Value::String(text)) => self.check_text(text),
            (_, _) => Err(self.expected_not(value)),
        }
    }

    /// The value that `text` of a variable or flag stands for.
    pub(super) fn read(self, text: &str) -> Result<Value, Mismatch> {
        let as_text = Value::String(text.to_owned());
        let value = match self {
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Value::Boolean(true),
                "false" | "0" | "no" | "off" => Value::Boolean(false),
                _ => return Err(self.expected_not(&as_text)),
            },
            Self::Seconds { .. } | Self::Percent { .. } | Self::Count { .. } => match text.trim().parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => return Err(self.expected_not(&as_text)),
            },
            _ => as_text,
        };
        self.check(&value).map(|()| value)
    }

    fn check_text(self, text: &str) -> Result<(), Mismatch> {
        match self {
            Self::Level => word(text, &words(LogLevel::ALL, |level| level.as_str())),
            Self::Format => word(text, &words(LogFormat::ALL, |format| format.as_str())),
            Self::Tier if text == "worker" => Err(Mismatch::plain(
                "the tier `worker` is not built yet: expected `in-process`",
            )),
            Self::Tier => word(text, &words(Tier::ALL, |tier| tier.as_str())),
            Self::Provider => parsed::<ProviderChoice>(text),
            Self::Plugin => parsed::<PluginName>(text),
            Self::Admitted => parsed::<Admitted>(text).map_err(|_| self.expected_not(&Value::from(text))),
            Self::SecretSource => parsed::<SecretSource>(text),
            Self::StoreAddress => parsed::<StoreAddress>(text),
            Self::Capability => parsed::<Capability>(text),
            Self::Listen => parsed::<Listen>(text),
            Self::HostName => parsed::<HostName>(text),
            Self::Origin => parsed::<WebOrigin>(text),
            Self::DeployEnv => word(text, &words(DeployEnv::ALL, |name| name.as_str())),
            Self::EventType => event_type(text),
            Self::Usd => match text.parse::<Money>() {
                Ok(money) if money.is_negative() => Err(self.expected_not(&Value::from(text))),
                Ok(_) => Ok(()),
                Err(error) => Err(Mismatch::plain(error.to_string())),
            },
            Self::Path if text.is_empty() || text.contains('\0') => {
                Err(self.expected_not(&Value::from(text)))
            }
            Self::Daemon if text.is_empty() || text.chars().any(char::is_control) => {
                Err(self.expected_not(&Value::from(text)))
            }
            Self::Text => {
                let fits = !text.trim().is_empty()
                    && text.chars().count() <= MAX_TEXT_CHARS
                    && !text.chars().any(char::is_control);
                fits.then_some(())
                    .ok_or_else(|| self.expected_not(&Value::from(text)))
            }
            Self::Path
            | Self::Daemon
            | Self::Own
            | Self::Switch
            | Self::Seconds { .. }
            | Self::Percent { .. }
            | Self::Count { .. }
            | Self::List(_) => Ok(()),
        }
    }

    fn expected_not(self, value: &Value) -> Mismatch {
        let found = if self.is_hidden() {
            value.type_str().to_owned()
        } else {
            found(value)
        };
        Mismatch::plain(format!("expected {}; found {found}", self.describe()))
    }
}

fn words<T: Copy>(all: &[T], text: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|value| text(*value)).collect()
}

fn one_of(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn word(text: &str, known: &[&'static str]) -> Result<(), Mismatch> {
    if known.contains(&text) {
        return Ok(());
    }
    Err(Mismatch {
        message: format!("expected {}; found {}", one_of(known), found(&Value::from(text))),
        hint: near_miss(text, known.iter().copied()).map(|near| format!("did you mean `{near}`?")),
    })
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), Mismatch> {
    text.parse::<T>()
        .map(drop)
        .map_err(|error| Mismatch::plain(error.to_string()))
}

/// The operator's types are nobody else's: not the host's, not those of the plugin `kora`. Whether another plugin owns
/// them is known once it is loaded.
fn event_type(text: &str) -> Result<(), Mismatch> {
    let event_type: EventType = text
        .parse()
        .map_err(|error| Mismatch::plain(format!("{error}")))?;
    let first = event_type.first_word();
    if first != "kora" && !RESERVED_FIRST_WORDS.contains(&first) {
        return Ok(());
    }
    Err(Mismatch {
        message: format!(
            "the event type `{text}` is not an operator's: the first word `{first}` is reserved"
        ),
        hint: Some("begin it with a word of your own, such as `ops`".to_owned()),
    })
}

/// A value in a message: its type, and its text if that is short.
fn found(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "empty text".to_owned(),
        Value::String(text) => {
            let shown: String = text.escape_debug().take(SHOWN_CHARS).collect();
            format!("the text `{shown}`")
        }
        Value::Integer(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(value) => format!("`{value}`"),
        Value::Datetime(_) => "a date or time".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}
