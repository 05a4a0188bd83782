//! Calls of a plugin's tools that are under way, and what the plugin tells of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{domain::wire_enum, plugin::context::PortError};

/// A notice of progress or a message's logger is a line.
const LINE_CHARS: usize = 500;
/// What a message may hold as JSON.
const DATA_BYTES: usize = 64 << 10;

wire_enum! {
    /// How grave a message is: MCP's levels.
    CallLogLevel, "log level" {
        /// For whoever looks for a fault.
        Debug = "debug",
        /// All is well.
        Info = "info",
        /// Worth knowing.
        Notice = "notice",
        /// May lead to a fault.
        Warning = "warning",
        /// A fault.
        Error = "error",
        /// A part is out of order.
        Critical = "critical",
        /// Somebody must act now.
        Alert = "alert",
        /// Nothing works.
        Emergency = "emergency",
    }
}

/// What a tool tells its caller while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum CallNotice {
    /// How far it is.
    Progress(ProgressNotice),
    /// A message.
    Log(LogNotice),
}

/// How far a call is. It grows with each notice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgressNotice {
    /// So far.
    pub progress: f64,
    /// Of how much, if that is known.
    #[serde(default)]
    pub total: Option<f64>,
    /// What it does now.
    #[serde(default)]
    pub message: Option<String>,
}

/// A message for the caller.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNotice {
    /// How grave it is.
    pub level: CallLogLevel,
    /// Which part of the plugin says it.
    #[serde(default)]
    pub logger: Option<String>,
    /// What it says.
    pub data: Value,
}

impl ProgressNotice {
    /// Reads what a plugin handed over.
    pub fn parse(text: &str) -> Result<Self, PortError> {
        let notice: Self = read(text)?;
        let is_number = |number: f64| number.is_finite() && number >= 0.0;
        if !is_number(notice.progress) || !notice.total.is_none_or(is_number) {
            return Err(PortError::Invalid(
                "progress and total are numbers that are not negative".to_owned(),
            ));
        }
        check_line("message", notice.message.as_deref())?;
        Ok(notice)
    }
}

impl LogNotice {
    /// The longest notice that is read at all.
    pub const LONGEST_BYTES: usize = DATA_BYTES + (4 << 10);

    /// Reads what a plugin handed over.
    pub fn parse(text: &str) -> Result<Self, PortError> {
        let notice: Self = read(text)?;
        check_line("logger", notice.logger.as_deref())?;
        Ok(notice)
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, PortError> {
    serde_json::from_str(text)
        .map_err(|error| PortError::Invalid(format!("the notice is not valid: {error}")))
}

fn check_line(what: &str, line: Option<&str>) -> Result<(), PortError> {
    if line.is_some_and(|line| line.chars().count() > LINE_CHARS || line.contains(char::is_control)) {
        return Err(PortError::Invalid(format!(
            "the {what} takes one line of at most {LINE_CHARS} characters"
        )));
    }
    Ok(())
}

/// The calls of one plugin that are under way, by a number that it can use for nothing else.
#[derive(Debug, Default)]
pub struct OpenCalls(Mutex<HashMap<u64, OpenCall>>);

#[derive(Debug)]
struct OpenCall {
    notices: mpsc::Sender<CallNotice>,
    progress: f64,
}

/// A call that is under way, until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    calls: Arc<OpenCalls>,
    number: u64,
}

impl OpenCalls {
    /// A call begins.
    pub fn begin(self: &Arc<Self>, notices: mpsc::Sender<CallNotice>) -> UnderWay {
        let mut calls = self.lock();
        let number = loop {
            // The keys of `RandomState` come from the operating system. Whole numbers up to here survive any reader of JSON.
            let number = RandomState::new().hash_one(0_u64) >> 11;
            if !calls.contains_key(&number) {
                break number;
            }
        };
        calls.insert(
            number,
            OpenCall {
                notices,
                progress: f64::NEG_INFINITY,
            },
        );
        UnderWay {
            calls: self.clone(),
            number,
        }
    }

    /// Hands a notice to whoever called. One that cannot be heard, because the caller is slow or has no ear for it, is dropped; so is
    /// progress that does not grow.
    pub fn tell(&self, number: u64, notice: CallNotice) -> Result<(), PortError> {
        let mut calls = self.lock();
        let call = calls
            .get_mut(&number)
            .ok_or_else(|| PortError::Conflict("no such call of this plugin is under way".to_owned()))?;
        if let CallNotice::Progress(notice) = &notice {
            if notice.progress <= call.progress {
                return Ok(());
            }
            call.progress = notice.progress;
        }
        drop(call.notices.try_send(notice));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, OpenCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// What the plugin is told to name it by.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(progress: f64) -> CallNotice {
        CallNotice::Progress(ProgressNotice {
            progress,
            total: None,
            message: None,
        })
    }

    #[test]
    fn a_call_is_told_of_until_it_ends_and_progress_only_grows() {
        let calls = Arc::new(OpenCalls::default());
        let (sender, mut heard) = mpsc::channel(8);
        let call = calls.begin(sender);
        for step in [0.0, 5.0, 5.0, 3.0, 6.0] {
            calls.tell(call.number(), progress(step)).unwrap();
        }
        let number = call.number();
        drop(call);
        assert!(matches!(
            calls.tell(number, progress(7.0)),
            Err(PortError::Conflict(_))
        ));
        let told: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
        assert_eq!(told, [0.0, 5.0, 6.0].map(progress));
    }

    #[test]
    fn a_caller_that_does_not_listen_holds_nothing_up() {
        let calls = Arc::new(OpenCalls::default());
        let (sender, heard) = mpsc::channel(1);
        let call = calls.begin(sender);
        calls.tell(call.number(), progress(1.0)).unwrap();
        calls.tell(call.number(), progress(2.0)).unwrap();
        drop(heard);
        calls.tell(call.number(), progress(3.0)).unwrap();
    }

    #[test]
    fn notices_that_are_not_what_they_must_be_are_refused() {
        for bad in [
            "",
            "[]",
            r#"{"progress":-1}"#,
            r#"{"progress":1,"total":-2}"#,
            r#"{"progress":1,"message":"two\nlines"}"#,
            r#"{"progress":1,"more":1}"#,
        ] {
            assert!(ProgressNotice::parse(bad).is_err(), "{bad}");
        }
        assert!(LogNotice::parse(r#"{"level":"shout","data":1}"#).is_err());
        let notice = LogNotice::parse(r#"{"level":"info","data":{"a":1}}"#).unwrap();
        assert_eq!((notice.level, notice.logger), (CallLogLevel::Info, None));
    }
}
