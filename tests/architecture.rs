//! The house keeps its shape: every file of `src` is parsed and held against the rules of its layer.
//!
//! domain ← ports ← application ← adapters ← config ← app ← cli ← main; every arrow points inwards.
//! What a layer may use is listed in `rules.rs`; whoever needs another arrow changes that list first
//! and says why in the commit. The checker never guesses by file text: it reads syntax.

mod rules;
mod samples;
mod source;

use std::path::{Path, PathBuf};

use crate::architecture::rules::check;
use crate::architecture::source::Source;

#[test]
fn every_file_of_src_keeps_the_rules_of_its_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = outside_crates(&root.join("Cargo.toml"));
    let mut sources = Vec::new();
    for path in rust_files(&root.join("src")) {
        let text = std::fs::read_to_string(&path).expect("a file of src is readable");
        let name = path.strip_prefix(root).expect("it was found under the root");
        sources.push(Source::parse(&name.to_string_lossy(), &text, &crates).expect("what compiles can be parsed"));
    }
    assert!(sources.len() > 10, "only {} files were found, so this test would prove nothing", sources.len());
    let tests = test_files(&sources);
    let mut violations = Vec::new();
    for source in &mut sources {
        source.is_test |= tests.iter().any(|test| source.is_module(test));
        violations.extend(check(source).iter().map(ToString::to_string));
    }
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// The modules that are declared under `#[cfg(test)]` in a file of their own.
fn test_files(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|source| source.test_modules.iter().cloned()).collect()
}

/// The names by which code speaks of the crates in Cargo.toml.
fn outside_crates(manifest: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(manifest).expect("Cargo.toml is readable");
    let manifest: toml::Table = text.parse().expect("Cargo.toml is TOML");
    let sections = ["dependencies", "dev-dependencies"].into_iter().filter_map(|name| manifest.get(name)?.as_table());
    sections.flat_map(|section| section.keys()).map(|name| name.replace('-', "_")).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of src is readable") {
        let path = entry.expect("an entry of src is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
