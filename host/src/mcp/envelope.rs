//! Of a request as much as is needed to tell what it is, before anybody looks at what it asks for.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};

/// What this asks for is told as a stream in any case.
const LISTEN: &str = "subscriptions/listen";

/// What a request says of itself.
#[derive(Debug, Default, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(super) method: Cow<'a, str>,
    #[serde(default)]
    params: Option<Params>,
}

#[derive(Debug, Deserialize)]
struct Params {
    #[serde(default, rename = "_meta")]
    meta: Option<Meta>,
}

/// With this in it, a request is one of the protocol's.
#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<IgnoredAny>,
}

impl<'a> Envelope<'a> {
    /// Of this body, if it is that of a request.
    pub fn of(body: &'a [u8]) -> Option<Self> {
        // Read as the fields of a request, a batch of one or two would pass for one.
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return None;
        }
        serde_json::from_slice(body).ok()
    }

    /// Whether it names a revision of the protocol.
    pub fn has_version(&self) -> bool {
        let meta = self.params.as_ref().and_then(|params| params.meta.as_ref());
        meta.is_some_and(|meta| meta.version.is_some())
    }

    /// Whether it asks for a subscription.
    pub fn is_subscription(&self) -> bool {
        self.method == LISTEN
    }
}
