//! When a secret ends, where it says so itself.

use secrecy::zeroize::Zeroizing;
use serde::Deserialize;

use crate::domain::Timestamp;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// When a secret ends: the `exp` of a JSON Web Token. Of any other kind nobody knows. The signature is not looked at, for nothing
/// is allowed because of it.
pub fn end_of(secret: &[u8]) -> Option<Timestamp> {
    let mut parts = secret.split(|byte| *byte == b'.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims = base64url(claims)?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    let micros = exp * 1e6;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is judged to be within what a moment can be"
    )]
    let within = (0.0..9e18).contains(&micros).then_some(micros as i64);
    within.map(Timestamp::from_micros)
}

/// Base64 in the alphabet of URLs, without padding. Wiped after use, as every copy of a secret.
fn base64url(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    for group in text.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0_u32;
        for character in group {
            bits = bits << 6 | value(*character)?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn value(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(value.into())
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
