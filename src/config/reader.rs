//! Takes typed values out of the layers. A wrong one is noted and replaced, so that all are told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use toml::Value;

use crate::config::layers::{Layers, Source, Sourced, variable_of};
use crate::config::{ConfigErrors, Needs};

/// Hands out the value of each key once, checked.
pub(crate) struct Reader {
    layers: Layers,
    needs: Needs,
    taken: BTreeSet<String>,
    missing: Vec<String>,
}

impl Reader {
    pub(crate) fn new(layers: Layers, needs: Needs) -> Self {
        Self { layers, needs, taken: BTreeSet::new(), missing: Vec::new() }
    }

    /// Tells everything that was wrong.
    ///
    /// # Errors
    /// [`ConfigErrors`] where anything was.
    pub(crate) fn finish(mut self) -> Result<(), ConfigErrors> {
        if !self.missing.is_empty() {
            self.layers.errors.push(format!("required and not set: {}", self.missing.join(", ")));
        }
        if self.layers.errors.is_empty() { Ok(()) } else { Err(ConfigErrors(self.layers.errors)) }
    }

    /// Notes that the key's value cannot be used. `problem` must not quote a secret.
    pub(crate) fn refuse(&mut self, key: &str, problem: &str) {
        let source = self.sourced(key).source;
        self.layers.errors.push(format!("{key} ({source}) {problem}"));
    }

    /// Notes that the key has to be set, and how else that can be done, where the command needs it.
    pub(crate) fn require(&mut self, key: &str, or: &str) {
        let is_needed = match self.needs {
            Needs::Everything => true,
            Needs::Database => key.starts_with("database."),
            Needs::DatabaseAndGateway => key.starts_with("database.") || key.starts_with("gateway."),
            Needs::DatabaseAndKafka => key.starts_with("database.") || key.starts_with("kafka."),
            Needs::Kafka => key.starts_with("kafka."),
            Needs::Nothing => false,
        };
        if !is_needed {
            return;
        }
        self.missing.push(format!("{key} (environment {}{or})", variable_of(key)));
    }

    pub(crate) fn text(&mut self, key: &str) -> String {
        match self.take(key) {
            Value::String(text) => text,
            _ => String::new(),
        }
    }

    /// A text that must not be empty.
    pub(crate) fn name(&mut self, key: &str) -> String {
        let text = self.text(key);
        if text.trim().is_empty() {
            self.refuse(key, "must not be empty");
        }
        text
    }

    pub(crate) fn boolean(&mut self, key: &str) -> bool {
        matches!(self.take(key), Value::Boolean(true))
    }

    /// A whole number of the range.
    pub(crate) fn integer<N>(&mut self, key: &str, range: RangeInclusive<i64>) -> N
    where
        N: TryFrom<i64> + Default,
    {
        self.integer_or(key, range, None)
    }

    /// A whole number of the range, or the one `besides` it that means something of its own.
    pub(crate) fn integer_or<N>(&mut self, key: &str, range: RangeInclusive<i64>, besides: Option<i64>) -> N
    where
        N: TryFrom<i64> + Default,
    {
        let number = self.take(key).as_integer().unwrap_or(*range.start());
        let fits = range.contains(&number) || besides == Some(number);
        match N::try_from(number) {
            Ok(value) if fits => value,
            _ => {
                let or = besides.map(|number| format!(" or {number}")).unwrap_or_default();
                self.refuse(key, &format!("is {number}, must be {} to {}{or}", range.start(), range.end()));
                N::default()
            }
        }
    }

    /// A number of milliseconds in the range.
    pub(crate) fn milliseconds(&mut self, key: &str, range: RangeInclusive<i64>) -> Duration {
        Duration::from_millis(self.integer(key, range))
    }

    /// The value of the name that is chosen, the first where the choice is none of them.
    pub(crate) fn choice<C: Copy>(&mut self, key: &str, choices: &[(&str, C)]) -> C {
        let text = self.text(key);
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return *choice;
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.refuse(key, &format!("is \"{text}\", must be {}", names.join(" or ")));
        choices[0].1
    }

    /// A secret given as it is under `key`, or as the only line of the file that `file_key` names.
    pub(crate) fn secret(&mut self, key: &str, file_key: &str) -> Option<SecretString> {
        let (text, file) = (self.text(key), self.text(file_key));
        match (text.is_empty(), file.is_empty()) {
            (true, true) => None,
            (false, true) => Some(text.into()),
            (true, false) => self.secret_in(Path::new(&file), file_key),
            (false, false) => {
                let other = self.sourced(key).source;
                self.refuse(file_key, &format!("and {key} ({other}) are both set: keep one"));
                None
            }
        }
    }

    fn secret_in(&mut self, path: &Path, file_key: &str) -> Option<SecretString> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {
                self.refuse(file_key, &format!("names {}, which is empty", path.display()));
            }
            Ok(text) => return Some(text.trim().into()),
            Err(error) => self.refuse(file_key, &format!("names {}, which cannot be read: {error}", path.display())),
        }
        None
    }

    /// The keys and values of a table that is free.
    pub(crate) fn free_table(&mut self, table: &str) -> BTreeMap<String, SecretString> {
        let prefix = format!("{table}.");
        let entries = self.layers.values.iter().filter_map(|(key, sourced)| {
            let name = key.strip_prefix(&prefix)?;
            Some((name.to_owned(), sourced.value.as_str().unwrap_or_default().into()))
        });
        entries.collect()
    }

    fn take(&mut self, key: &str) -> Value {
        self.taken.insert(key.to_owned());
        self.sourced(key).value
    }

    fn sourced(&self, key: &str) -> Sourced {
        let missing = || Sourced { value: Value::Boolean(false), source: Source::Default };
        debug_assert!(self.layers.values.contains_key(key), "{key} is not in config/default.toml");
        self.layers.values.get(key).cloned().unwrap_or_else(missing)
    }

    /// The keys that were asked for.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> &BTreeSet<String> {
        &self.taken
    }
}
