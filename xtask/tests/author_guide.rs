//! The code in the author's guide is code that builds: every block of it stands in the example plugin.

use std::{fs, path::Path};

/// A block of code in the guide, its lines without the indentation that they have in common.
struct Block {
    line: usize,
    text: String,
}

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The blocks that are marked as `rust` or `toml`.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.trim_start()) {
            (None, "```rust" | "```toml") => open = Some((index + 1, Vec::new())),
            (Some((begin, lines)), "```") => {
                blocks.push(Block {
                    line: *begin,
                    text: unindented(lines),
                });
                open = None;
            }
            (Some((_, lines)), _) => lines.push(line),
            (None, _) => {}
        }
    }
    blocks
}

fn unindented(lines: &[&str]) -> String {
    let indentation = |line: &&&str| line.len() - line.trim_start().len();
    let common = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| indentation(&line))
        .min();
    let cut = |line: &&str| line.get(common.unwrap_or(0)..).unwrap_or("").to_owned();
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}

/// Whether the block's lines follow one another in `file`, all of them indented by as much more.
fn holds(file: &str, block: &Block) -> bool {
    let lines: Vec<_> = file.lines().collect();
    let wanted: Vec<_> = block.text.lines().collect();
    lines
        .windows(wanted.len())
        .any(|window| unindented(window) == block.text)
}

#[test]
fn every_block_of_code_in_the_guide_stands_in_the_example_plugin() {
    let page = fs::read_to_string(docs().join("plugin-authors.md")).expect("the guide is there");
    let example = docs().join("example-plugin");
    let mut files = vec![example.join("Cargo.toml"), example.join("plugin.toml")];
    for entry in fs::read_dir(example.join("src")).expect("the example is there") {
        files.push(entry.expect("can be listed").path());
    }
    let texts: Vec<_> = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("can be read"))
        .collect();

    let blocks = blocks(&page);
    assert!(blocks.len() > 10, "the guide has code");
    for block in blocks {
        let stands = texts.iter().any(|text| holds(text, &block));
        assert!(
            stands,
            "docs/plugin-authors.md:{}: no file of the example has\n{}",
            block.line, block.text
        );
    }
}
