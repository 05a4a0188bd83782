//! URI templates with plain variables (RFC 6570, level 1): `notes://{id}/data`.

use std::collections::BTreeMap;

/// Variables of one template.
const MOST_VARIABLES: usize = 8;
const NOT_OPENED: &str = "a brace is not opened";

/// A resource's URI, with variables or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Reads a template, or a URI without variables.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a brace is not closed")?;
            if !is_variable(name) {
                return Err("a variable takes letters, digits and `_` in its braces, and nothing else");
            }
            if before.is_empty() {
                return Err("two variables need something between them");
            }
            if before.contains('}') {
                return Err(NOT_OPENED);
            }
            let variable = Part::Variable(name.to_owned());
            if parts.contains(&variable) {
                return Err("a variable stands in it twice");
            }
            parts.extend([Part::Text(before.to_owned()), variable]);
            rest = after;
        }
        if rest.contains('}') {
            return Err(NOT_OPENED);
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts
            .iter()
            .filter(|part| matches!(part, Part::Variable(_)))
            .count()
            > MOST_VARIABLES
        {
            return Err("it takes at most 8 variables");
        }
        Ok(Self { parts })
    }

    /// Whether it stands for many resources.
    pub fn has_variables(&self) -> bool {
        self.variables().next().is_some()
    }

    /// The names of its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The values of its variables in `uri`, decoded, if it stands for that one. A value is not empty and crosses no `/`, `?` or `#`.
    pub fn matches(&self, uri: &str) -> Option<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        let mut rest = uri;
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Variable(name) => {
                    let (value, after) = match parts.next() {
                        None => (rest, ""),
                        Some(Part::Text(text)) if parts.peek().is_none() => {
                            (rest.strip_suffix(text.as_str())?, "")
                        }
                        Some(Part::Text(text)) => rest.split_once(text.as_str())?,
                        Some(Part::Variable(_)) => return None,
                    };
                    if value.is_empty() || value.contains(['/', '?', '#']) {
                        return None;
                    }
                    values.insert(name.clone(), decoded(value)?);
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

fn is_variable(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Without percent signs. `None` if what they stand for is no text.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, uri: &str, expected: Option<&[(&str, &str)]>) {
        let found = Template::parse(template).unwrap().matches(uri);
        let expected = expected.map(|pairs| {
            let owned = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            owned.collect::<BTreeMap<_, _>>()
        });
        assert_eq!(found, expected, "{template} and {uri}");
    }

    #[test]
    fn a_template_finds_the_values_of_its_variables() {
        check("test://t/{id}/data", "test://t/123/data", Some(&[("id", "123")]));
        check("n://{a}-{b}", "n://x-y-z", Some(&[("a", "x"), ("b", "y-z")]));
        check("n://{id}a", "n://xaya", Some(&[("id", "xay")]));
        check("n://{id}", "n://a%20%C3%A4", Some(&[("id", "a ä")]));
        check("n://plain", "n://plain", Some(&[]));
    }

    #[test]
    fn what_a_template_does_not_stand_for_is_not_taken() {
        for uri in [
            "test://t//data",
            "test://t/1/2/data",
            "test://t/1/data/",
            "test://t/1",
            "test://t/%zz/data",
            "test://t/%ff/data",
        ] {
            check("test://t/{id}/data", uri, None);
        }
        check("n://plain", "n://plain/more", None);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for bad in [
            "n://{",
            "n://}",
            "n://{}",
            "n://{a}{b}",
            "n://{+path}",
            "n://{a}/{a}",
            "n://a}b{c}",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
