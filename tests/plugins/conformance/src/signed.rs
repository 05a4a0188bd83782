//! State that passes through the client and comes back unchanged, or is found out.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

/// The key is made anew with each host. Enough for a test; a plugin that guards more takes an HMAC.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The state with its signature.
pub fn sign(state: &str) -> String {
    format!("{state}.{:016x}", KEY.hash_one(state))
}

/// The state, if the signature is this plugin's.
pub fn verify(signed: &str) -> Option<&str> {
    let (state, _) = signed.rsplit_once('.')?;
    (sign(state) == signed).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tampered_with_is_found_out() {
        let signed = sign("step.1");
        assert_eq!(verify(&signed), Some("step.1"));
        for other in [
            "",
            "step.1",
            &format!("{signed}-TAMPERED"),
            &signed.replace('1', "2"),
        ] {
            assert_eq!(verify(other), None, "{other}");
        }
    }
}
