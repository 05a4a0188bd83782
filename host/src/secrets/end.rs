//! When a secret ends, where it says so itself.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;

use crate::domain::Timestamp;

#[derive(Deserialize)]
struct Claims {
    exp: i64,
}

/// When a secret ends: the `exp` of a JSON Web Token. Of any other kind nobody knows. The signature is not looked at, for nothing
/// is allowed because of it.
pub fn end_of(secret: &[u8]) -> Option<Timestamp> {
    let mut parts = secret.split(|byte| *byte == b'.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims).ok()?);
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    exp.checked_mul(1_000_000).map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_web_token_says_when_it_ends() {
        // {"alg":"none"} . {"sub":"kora","exp":1900000000} . a signature
        let token = b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJrb3JhIiwiZXhwIjoxOTAwMDAwMDAwfQ.c2ln";
        assert_eq!(end_of(token), Some(Timestamp::from_micros(1_900_000_000_000_000)));
    }

    #[test]
    fn of_anything_else_nobody_knows_when_it_ends() {
        let without_end = b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJrb3JhIn0.c2ln";
        let others: [&[u8]; 6] = [b"", b"password", b"a.b.c", b"a.b", b"a.!!!!.c", without_end];
        for secret in others {
            assert_eq!(end_of(secret), None, "{secret:?}");
        }
    }
}
