//! The effective settings as a person reads them: TOML, each with where it is from. Masks secrets.

use std::collections::BTreeMap;
use std::fmt::Write;

use toml::Value;

use crate::config::layers::Sourced;
use crate::config::secrets::is_secret;

/// What stands for a secret that is set.
const MASK: &str = "(secret)";
/// The one table whose keys have dots.
const FREE_TABLE: &str = "kafka.client";

/// A TOML document that says the same as `values`, but for the secrets.
pub(crate) fn render(values: &BTreeMap<String, Sourced>) -> String {
    let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, sourced) in values {
        let (table, name) = placed(key);
        tables.entry(table).or_default().push(format!("{name} = {}  # {}", shown(key, &sourced.value), sourced.source));
    }
    let mut document = String::new();
    for (table, lines) in tables {
        let gap = if document.is_empty() { "" } else { "\n" };
        write!(document, "{gap}[{table}]\n{}\n", lines.join("\n")).expect("a String takes every text");
    }
    document
}

fn placed(key: &str) -> (&str, String) {
    let free = key.strip_prefix(FREE_TABLE).and_then(|rest| rest.strip_prefix('.'));
    match free {
        Some(name) => (FREE_TABLE, Value::String(name.to_owned()).to_string()),
        None => key.rsplit_once('.').map_or(("", key.to_owned()), |(table, name)| (table, name.to_owned())),
    }
}

fn shown(key: &str, value: &Value) -> String {
    let is_set = value.as_str().is_some_and(|text| !text.is_empty());
    if is_secret(key) && is_set { Value::String(MASK.to_owned()).to_string() } else { value.to_string() }
}
