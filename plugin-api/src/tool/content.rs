//! Blocks of content, as MCP has them.

use serde::Serialize;
use serde_json::{Value, json};

/// A block of content of a tool's result or a prompt's message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Content(Value);

impl Content {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(json!({"type": "text", "text": text.into()}))
    }

    /// An image, for example `image/png`.
    pub fn image(bytes: &[u8], mime_type: &str) -> Self {
        Self(json!({"type": "image", "data": base64(bytes), "mimeType": mime_type}))
    }

    /// Sound, for example `audio/wav`.
    pub fn audio(bytes: &[u8], mime_type: &str) -> Self {
        Self(json!({"type": "audio", "data": base64(bytes), "mimeType": mime_type}))
    }

    /// A resource with its text.
    pub fn resource(uri: &str, mime_type: &str, text: impl Into<String>) -> Self {
        let resource = json!({"uri": uri, "mimeType": mime_type, "text": text.into()});
        Self(json!({"type": "resource", "resource": resource}))
    }

    /// A resource with its bytes.
    pub fn resource_bytes(uri: &str, mime_type: &str, bytes: &[u8]) -> Self {
        let resource = json!({"uri": uri, "mimeType": mime_type, "blob": base64(bytes)});
        Self(json!({"type": "resource", "resource": resource}))
    }

    /// A resource that the caller may read.
    pub fn resource_link(uri: &str, name: &str) -> Self {
        Self(json!({"type": "resource_link", "uri": uri, "name": name}))
    }
}

/// With the alphabet and the padding that JSON formats expect.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (bits >> (18 - 6 * place)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_the_standard_says() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
