//! Lays file, environment and flags over the defaults. Knows keys and their types, not what they mean.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::DEFAULTS;

/// `ORDER_PAYMENTS__KAFKA__BROKERS` is `kafka.brokers`.
const PREFIX: &str = "ORDER_PAYMENTS__";
/// The one variable without our prefix: the whole ecosystem knows it.
const LOG_VARIABLE: &str = "RUST_LOG";
/// Names less alike than this are no help as a suggestion; 1 is the same name.
const ALIKE: f64 = 0.6;

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Environment(variable) => write!(formatter, "environment {variable}"),
            Self::Flag(key) => write!(formatter, "--set {key}"),
        }
    }
}

/// A value and where it is from.
#[derive(Clone)]
pub(crate) struct Sourced {
    pub(crate) value: Value,
    pub(crate) source: Source,
}

/// The values by key, the last layer's on top, and what was wrong with them.
pub(crate) struct Layers {
    pub(crate) values: BTreeMap<String, Sourced>,
    pub(crate) errors: Vec<String>,
    /// Tables whose keys are not ours to know: those that are empty in the defaults.
    free_tables: Vec<String>,
}

impl Layers {
    pub(crate) fn of_defaults() -> Self {
        let defaults: Table = DEFAULTS.parse().expect("config/default.toml is compiled in and tested");
        let mut layers = Self { values: BTreeMap::new(), errors: Vec::new(), free_tables: Vec::new() };
        layers.free_tables = empty_tables(&defaults, "");
        for (key, value) in flatten(defaults, "") {
            layers.values.insert(key, Sourced { value, source: Source::Default });
        }
        layers
    }

    pub(crate) fn add_file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.errors.push(format!("{} cannot be read: {error}", path.display())),
        };
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return self.errors.push(syntax_error(path, &text, &error)),
        };
        let source = Source::File(path.to_owned());
        for (key, value) in flatten(table, "") {
            match self.typed(&key, &value, &source) {
                Some(value) => self.set(key, value, source.clone()),
                None => self.refuse(&key, &key, &source, str::to_owned),
            }
        }
    }

    pub(crate) fn add_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        let mut variables: Vec<_> = environment.into_iter().collect();
        variables.sort(); // So that errors come in the same order every time.
        for (variable, text) in variables {
            if variable == LOG_VARIABLE && !text.is_empty() {
                self.log_filter(text);
            } else if let Some(name) = variable.strip_prefix(PREFIX) {
                let key = self.key_of_variable(name);
                self.set_text(&key, &variable, text, Source::Environment(variable.clone()), variable_of);
            }
        }
    }

    pub(crate) fn add_overrides(&mut self, overrides: &[(String, String)]) {
        for (key, text) in overrides {
            self.set_text(key, key, text.clone(), Source::Flag(key.clone()), str::to_owned);
        }
    }

    fn log_filter(&mut self, text: String) {
        self.set("telemetry.log_filter".to_owned(), Value::String(text), Source::Environment(LOG_VARIABLE.to_owned()));
    }

    fn set_text(&mut self, key: &str, name: &str, text: String, source: Source, spell: fn(&str) -> String) {
        let Some(kind) = self.kind(key) else { return self.refuse(key, name, &source, spell) };
        let parsed = match kind {
            Kind::Text => Some(Value::String(text)),
            Kind::Integer => text.trim().parse().ok().map(Value::Integer),
            Kind::Boolean => text.trim().parse().ok().map(Value::Boolean),
        };
        match parsed {
            Some(value) => self.set(key.to_owned(), value, source),
            None => self.errors.push(format!("{key} ({source}) must be {}", kind.wanted())),
        }
    }

    /// The later layer wins, except over `RUST_LOG`: who sets it wants it, whatever else is set.
    fn set(&mut self, key: String, value: Value, source: Source) {
        let rust_log = Source::Environment(LOG_VARIABLE.to_owned());
        if self.values.get(&key).is_none_or(|sourced| sourced.source != rust_log) {
            self.values.insert(key, Sourced { value, source });
        }
    }

    /// The value as the key wants it, `None` for an unknown key. A wrong type is told and the default kept.
    fn typed(&mut self, key: &str, value: &Value, source: &Source) -> Option<Value> {
        let kind = self.kind(key)?;
        let fits = match (kind, value) {
            (Kind::Text, Value::String(_))
            | (Kind::Integer, Value::Integer(_))
            | (Kind::Boolean, Value::Boolean(_)) => Some(value.clone()),
            // librdkafka takes every value as text: `"socket.timeout.ms" = 5000` is as good.
            (Kind::Text, Value::Integer(_) | Value::Boolean(_)) if self.free_table_of(key).is_some() => {
                Some(Value::String(value.to_string()))
            }
            _ => None,
        };
        if fits.is_none() {
            self.errors.push(format!("{key} ({source}) must be {}, not {}", kind.wanted(), value.type_str()));
        }
        fits.or_else(|| self.values.get(key).map(|sourced| sourced.value.clone()))
            .or(Some(Value::String(String::new())))
    }

    fn kind(&self, key: &str) -> Option<Kind> {
        if self.free_table_of(key).is_some() {
            return Some(Kind::Text);
        }
        match &self.values.get(key)?.value {
            Value::Integer(_) => Some(Kind::Integer),
            Value::Boolean(_) => Some(Kind::Boolean),
            _ => Some(Kind::Text),
        }
    }

    /// The free table that the key is in, as `kafka.client` of `kafka.client.security.protocol`.
    pub(crate) fn free_table_of(&self, key: &str) -> Option<&str> {
        let holds = |table: &&String| {
            key.strip_prefix(table.as_str()).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.'))
        };
        self.free_tables.iter().find(holds).map(String::as_str)
    }

    /// A variable's name has no dots: in a free table, single underscores are read as dots.
    fn key_of_variable(&self, name: &str) -> String {
        let key = name.to_lowercase().replace("__", ".");
        match self.free_table_of(&key) {
            Some(table) => format!("{table}{}", key[table.len()..].replace('_', ".")),
            None => key,
        }
    }

    fn refuse(&mut self, key: &str, name: &str, source: &Source, spell: fn(&str) -> String) {
        let place = match source {
            Source::File(path) => format!("in {}", path.display()),
            Source::Environment(_) => "in the environment".to_owned(),
            Source::Flag(_) | Source::Default => "in --set".to_owned(),
        };
        let nearest = self.nearest(key).map(|near| format!(" (did you mean {}?)", spell(near))).unwrap_or_default();
        self.errors.push(format!("unknown setting {name} {place}{nearest}"));
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let likeness = |known: &str| strsim::normalized_levenshtein(known, key);
        let best = self.values.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(best) >= ALIKE).then_some(best)
    }
}

/// What kind of value a key takes: that of its default.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Boolean,
}

impl Kind {
    const fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text in quotes",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
        }
    }
}

/// The variable that sets a key.
pub(crate) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn flatten(table: Table, prefix: &str) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (name, value) in table {
        let key = joined(prefix, &name);
        match value {
            Value::Table(inner) => flat.extend(flatten(inner, &key)),
            value => flat.push((key, value)),
        }
    }
    flat
}

fn empty_tables(table: &Table, prefix: &str) -> Vec<String> {
    let mut empty = Vec::new();
    for (name, value) in table {
        if let Value::Table(inner) = value {
            let key = joined(prefix, name);
            if inner.is_empty() {
                empty.push(key);
            } else {
                empty.extend(empty_tables(inner, &key));
            }
        }
    }
    empty
}

/// Where the file is not TOML, without quoting the line: it may hold a secret.
fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("{} is not TOML, line {line}: {}", path.display(), error.message())
}
