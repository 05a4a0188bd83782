//! Payloads: checking and normalising the JSON that goes into a chain.
//!
//! A first version, to be replaced whole: it does not yet see a key that stands twice.

use crate::domain::Payload;

/// The most bytes of a normalised payload: enough for any report, small enough that a chain stays quick to verify.
pub const PAYLOAD_MAX_BYTES: usize = 64 * 1024;

/// Why a payload was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is no JSON object.
    #[error("the payload is not a JSON object: {0}")]
    NotAnObject(String),
    /// It is too large.
    #[error("the payload has {found} bytes: at most {PAYLOAD_MAX_BYTES} are kept")]
    TooLarge {
        /// Its bytes.
        found: usize,
    },
}

/// Checks that `bytes` are one JSON object and removes insignificant white space; all else stays as it was given.
///
/// # Errors
/// If it is no JSON object, or too large.
pub fn normalise(bytes: &[u8]) -> Result<Payload, PayloadError> {
    if bytes.len() > 2 * PAYLOAD_MAX_BYTES {
        return Err(PayloadError::TooLarge { found: bytes.len() });
    }
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes)
        .map_err(|error| PayloadError::NotAnObject(error.to_string()))?;
    let text = str::from_utf8(bytes).map_err(|error| PayloadError::NotAnObject(error.to_string()))?;
    let text = without_white_space(text);
    if text.len() > PAYLOAD_MAX_BYTES {
        return Err(PayloadError::TooLarge { found: text.len() });
    }
    Ok(Payload::from_checked(text))
}

fn without_white_space(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            let keep = in_string || !c.is_ascii_whitespace();
            match c {
                '"' if !escaped => in_string = !in_string,
                '\\' if in_string && !escaped => {
                    escaped = true;
                    return keep;
                }
                _ => {}
            }
            escaped = false;
            keep
        })
        .collect()
}
