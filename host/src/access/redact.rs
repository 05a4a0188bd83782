//! Taking tokens out of text that leaves the host: whatever a caller sends may come back in a message.

use std::borrow::Cow;

use super::token::{TOKEN_CHARS, TOKEN_PREFIX};

/// What stands in the place of a token.
const REDACTED: &str = "[redacted]";
/// Shorter texts stand in other words by chance, and are no tokens that anybody should rely on.
const PRESENTED_MIN_CHARS: usize = 8;

/// `text` without the token that was `presented`, and without anything that has the form of a token of this host's.
pub fn redacted<'a>(text: &'a str, presented: Option<&str>) -> Cow<'a, str> {
    let mut clean = Cow::Borrowed(text);
    if let Some(token) = presented.filter(|token| token.len() >= PRESENTED_MIN_CHARS) {
        // A token of the environment may hold quotes or a backslash, which look otherwise within JSON.
        let quoted = serde_json::Value::from(token).to_string();
        let within_json = &quoted[1..quoted.len() - 1];
        for form in [token, within_json] {
            if clean.contains(form) {
                clean = Cow::Owned(clean.replace(form, REDACTED));
            }
        }
    }
    if clean.contains(TOKEN_PREFIX) {
        clean = Cow::Owned(without_own_tokens(&clean));
    }
    clean
}

fn without_own_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(TOKEN_PREFIX) {
        let (before, from) = rest.split_at(at);
        let random = &from[TOKEN_PREFIX.len()..];
        let is_token_char = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let len = random.chars().take_while(is_token_char).count();
        out.push_str(before);
        if len >= TOKEN_CHARS {
            out.push_str(REDACTED);
            rest = &random[len..];
        } else {
            out.push_str(TOKEN_PREFIX);
            rest = random;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Token;

    #[test]
    fn the_presented_token_and_every_token_of_this_host_are_taken_out() {
        let token = Token::new().unwrap();
        let text = format!("unknown tool: '{}' and s3cret-of-mine", token.expose());
        let clean = redacted(&text, Some("s3cret-of-mine"));
        assert_eq!(clean, "unknown tool: '[redacted]' and [redacted]");
    }

    #[test]
    fn a_token_goes_in_the_form_that_it_has_within_json() {
        let token = r#"a"b\c-of-mine"#;
        let text = serde_json::json!({ "name": token }).to_string();
        assert_eq!(redacted(&text, Some(token)), r#"{"name":"[redacted]"}"#);
    }

    #[test]
    fn names_of_tools_stay() {
        let text = "unknown tool: 'kora__no_such_tool_but_with_a_name_that_is_rather_long'";
        assert_eq!(redacted(text, Some("kora")), text);
    }
}
