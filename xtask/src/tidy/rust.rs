//! What a Rust file holds, as the rules need it: paths, attributes, macros and `unsafe`, each with its place. Comments and text
//! are told apart by a real lexer; types and macros are not resolved.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

const TESTS_PACKAGE: &str = "tests/";
const INTEGRATION_TESTS: &str = "tests/it";

/// A Rust file.
#[derive(Debug)]
pub struct RustFile {
    /// Its path from the root of the repository.
    pub path: String,
    /// What it holds, in order.
    pub facts: Vec<Fact>,
}

/// Something at a place of a file.
#[derive(Debug)]
pub struct Fact {
    /// The line, from 1.
    pub line: usize,
    /// Within a module for tests, or in a file of tests.
    pub in_tests: bool,
    /// What it is.
    pub what: What,
}

/// What may be at a place.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// A path of at least two names. `crate`, `self` and `super` are resolved: it then begins with `crate`.
    Path(Vec<String>),
    /// An attribute, by its name.
    Attribute(String),
    /// A macro that is called, by its name.
    Macro(String),
    /// The word `unsafe`.
    Unsafe,
}

impl RustFile {
    /// Reads it. `path` also says where its module is in its crate.
    ///
    /// # Errors
    /// If it is no Rust.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let tokens: TokenStream = text
            .parse()
            .map_err(|error| anyhow!("expected Rust, found something else: {error}"))?;
        let mut reader = Reader {
            module: module_path(path),
            in_tests: is_of_tests(path),
            facts: Vec::new(),
        };
        reader.read(tokens);
        Ok(Self {
            path: path.to_owned(),
            facts: reader.facts,
        })
    }

    /// Whether the word `unsafe` stands in it.
    pub fn has_unsafe(&self) -> bool {
        self.facts.iter().any(|fact| fact.what == What::Unsafe)
    }
}

/// `host/src/plugin/elf.rs` is the module `plugin`, `elf` of its crate; `lib.rs`, `main.rs` and `mod.rs` are that of their folder.
pub fn module_path(path: &str) -> Vec<String> {
    let within = path.split_once("src/").map_or(path, |(_, within)| within);
    let mut names: Vec<_> = within
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if names
        .last()
        .is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str()))
    {
        names.pop();
    }
    names
}

/// Whether all of the file is for tests: `tests.rs`, `…_tests.rs`, or below a folder `tests`. The package in `tests/` also holds
/// plugins and benches, which are not.
fn is_of_tests(path: &str) -> bool {
    if path.starts_with(TESTS_PACKAGE) {
        return path.starts_with(INTEGRATION_TESTS);
    }
    let mut names = path.trim_end_matches(".rs").split('/');
    names.any(|name| name == "tests" || name.ends_with("_tests"))
}

struct Reader {
    module: Vec<String>,
    in_tests: bool,
    facts: Vec<Fact>,
}

impl Reader {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        let mut next_is_for_tests = false;
        while let Some(token) = tokens.get(at) {
            if let Some((group, length)) = attribute(&tokens[at..]) {
                next_is_for_tests |= self.read_attribute(group);
                at += length;
            } else if let Some((name, body, length)) = inline_module(&tokens[at..]) {
                self.read_module(name, body, next_is_for_tests);
                next_is_for_tests = false;
                at += length;
            } else {
                next_is_for_tests &= !ends_item(token);
                at += self.read_token(&tokens[at..]);
            }
        }
    }

    /// Whether it is `#[cfg(test)]`.
    fn read_attribute(&mut self, group: &Group) -> bool {
        let line = group.span_open().start().line;
        for name in attribute_names(group.stream()) {
            self.add(line, What::Attribute(name));
        }
        // `#[unsafe(no_mangle)]`, and paths in `#[serde(with = …)]` and the like.
        self.read(group.stream());
        group.stream().to_string().replace(' ', "") == "cfg(test)"
    }

    fn read_module(&mut self, name: String, body: &Group, is_for_tests: bool) {
        let outside = self.in_tests;
        self.in_tests |= is_for_tests;
        self.module.push(name);
        self.read(body.stream());
        self.module.pop();
        self.in_tests = outside;
    }

    /// Reads what begins here and answers how many tokens it has.
    fn read_token(&mut self, tokens: &[TokenTree]) -> usize {
        match &tokens[0] {
            TokenTree::Group(group) => self.read(group.stream()),
            TokenTree::Ident(word) => return self.read_word(&word.to_string(), tokens),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        1
    }

    fn read_word(&mut self, word: &str, tokens: &[TokenTree]) -> usize {
        let line = tokens[0].span().start().line;
        if word == "unsafe" {
            self.add(line, What::Unsafe);
        }
        let mut paths = Vec::new();
        let length = paths_from(tokens, &mut Vec::new(), &mut paths);
        for path in paths {
            if path.len() > 1 {
                let resolved = self.resolved(path);
                self.add(line, What::Path(resolved));
            }
        }
        let macro_name = last_word(&tokens[..length]);
        if let (Some(name), true) = (macro_name, is_called(&tokens[length..])) {
            self.add(line, What::Macro(name));
        }
        length
    }

    fn resolved(&self, path: Vec<String>) -> Vec<String> {
        let mut module = self.module.clone();
        let mut names = path.iter().peekable();
        match path[0].as_str() {
            "crate" => {
                module.clear();
                names.next();
            }
            "self" => drop(names.next()),
            "super" => {}
            _ => return path,
        }
        while names.next_if(|name| *name == "super").is_some() {
            module.pop();
        }
        std::iter::once("crate".to_owned())
            .chain(module)
            .chain(names.cloned())
            .collect()
    }

    fn add(&mut self, line: usize, what: What) {
        self.facts.push(Fact {
            line,
            in_tests: self.in_tests,
            what,
        });
    }
}

/// `#[…]` or `#![…]`, and how many tokens it has.
fn attribute(tokens: &[TokenTree]) -> Option<(&Group, usize)> {
    let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
    if !is(0, '#') {
        return None;
    }
    let at = if is(1, '!') { 2 } else { 1 };
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => Some((group, at + 1)),
        _ => None,
    }
}

/// The names of an attribute: its own, and for `cfg_attr` also those that it stands for.
fn attribute_names(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let Some(TokenTree::Ident(name)) = tokens.first() else {
        return Vec::new();
    };
    let mut names = vec![name.to_string()];
    if let (true, Some(TokenTree::Group(group))) = (name == "cfg_attr", tokens.get(1)) {
        let inner: Vec<_> = group.stream().into_iter().collect();
        let parts = inner.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','));
        for part in parts.skip(1) {
            names.extend(attribute_names(part.iter().cloned().collect()));
        }
    }
    names
}

/// `mod name { … }`, and how many tokens it has.
fn inline_module(tokens: &[TokenTree]) -> Option<(String, &Group, usize)> {
    match tokens {
        [
            TokenTree::Ident(word),
            TokenTree::Ident(name),
            TokenTree::Group(body),
            ..,
        ] if word == "mod" && body.delimiter() == Delimiter::Brace => Some((name.to_string(), body, 3)),
        _ => None,
    }
}

/// After it, an attribute that stood before is of no concern any more.
fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    }
}

/// Collects the paths that begin here, `a::{b, c::d}` as two, and answers how many tokens they have.
fn paths_from(tokens: &[TokenTree], prefix: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let depth = prefix.len();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => prefix.push(name.to_string()),
            Some(TokenTree::Group(group)) if at > 0 && group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                for part in inner.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ',')) {
                    paths_from(part, prefix, paths);
                }
                prefix.truncate(depth);
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !is_separator(&tokens[at..]) {
            break;
        }
        at += 2;
    }
    if prefix.len() > depth {
        paths.push(prefix.clone());
    }
    prefix.truncate(depth);
    at
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    let is = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    is(0) && is(1)
}

fn last_word(tokens: &[TokenTree]) -> Option<String> {
    match tokens.last() {
        Some(TokenTree::Ident(word)) => Some(word.to_string()),
        _ => None,
    }
}

/// `!` and a group: not `!=`.
fn is_called(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(p), TokenTree::Group(_), ..] if p.as_char() == '!')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str, text: &str) -> Vec<String> {
        let file = RustFile::parse(path, text).expect("is Rust");
        let shown = |fact: &Fact| {
            let what = match &fact.what {
                What::Path(names) => names.join("::"),
                What::Attribute(name) => format!("#{name}"),
                What::Macro(name) => format!("{name}!"),
                What::Unsafe => "unsafe".to_owned(),
            };
            format!("{}{} {what}", fact.line, if fact.in_tests { "t" } else { "" })
        };
        file.facts.iter().map(shown).collect()
    }

    #[test]
    fn a_use_is_read_as_the_paths_that_it_stands_for() {
        let text = "use crate::{\n  domain::{Event, ids::TenantId},\n  store::*,\n  engine};\n";
        assert_eq!(
            facts("host/src/app.rs", text),
            [
                "1 crate::domain::Event",
                "1 crate::domain::ids::TenantId",
                "1 crate::store",
                "1 crate::engine"
            ]
        );
    }

    #[test]
    fn a_path_that_climbs_is_resolved_from_its_module_inline_ones_included() {
        let text = "use super::super::state::States;\nfn f() { self::g::<crate::store::Store>(); }\nmod inner { use super::super::x; }";
        assert_eq!(
            facts("host/src/plugin/elf.rs", text),
            [
                "1 crate::state::States",
                "2 crate::plugin::elf::g",
                "2 crate::store::Store",
                "3 crate::plugin::x"
            ]
        );
        assert_eq!(
            facts(
                "host/src/plugin.rs",
                "use super::state::A;\nuse $crate::domain::B;"
            ),
            ["1 crate::state::A", "2 crate::domain::B"]
        );
    }

    #[test]
    fn comments_and_text_hold_no_facts() {
        let text = "//! crate::store\n/* todo!() */ const A: &str = \"unsafe { dbg!(1) }\"; // unsafe\nconst L: &'static str = r#\"todo!()\"#;";
        assert_eq!(facts("host/src/a.rs", text), ["1 #doc"]);
    }

    #[test]
    fn attributes_are_named_within_conditions_and_macros_too() {
        let text = "#![cfg_attr(test, allow(dead_code), ignore)]\n#[unsafe(no_mangle)]\nmacro_rules! m { () => { #[allow(x)] fn f() { std::todo!() } } }\nfn g() { a != (b) }";
        assert_eq!(
            facts("host/src/a.rs", text),
            [
                "1 #cfg_attr",
                "1 #allow",
                "1 #ignore",
                "2 #unsafe",
                "2 unsafe",
                "3 #allow",
                "3 std::todo",
                "3 todo!"
            ]
        );
    }

    #[test]
    fn a_module_for_tests_is_one_until_its_end() {
        let text = "#[cfg(test)]\nuse a::b;\n#[cfg(test)]\n#[expect(x)]\nmod tests { use a::c; }\nuse a::d;";
        let facts: Vec<_> = facts("host/src/a.rs", text)
            .into_iter()
            .filter(|fact| fact.contains("::"))
            .collect();
        assert_eq!(facts, ["2 a::b", "5t a::c", "6 a::d"]);
        assert!(is_of_tests("host/src/state/tests/pausing.rs") && is_of_tests("tests/it/main.rs"));
        assert!(is_of_tests("host/src/identity/snapshot_tests.rs"));
        assert!(!is_of_tests("tests/plugins/echo/src/tests.rs") && !is_of_tests("tests/src/bench/main.rs"));
        assert!(!is_of_tests("host/src/state.rs"));
    }
}
