//! Form parameters with bracketed names, as `metadata[order_id]=o-1`. Decodes, checks, never guesses.

use std::borrow::Cow;
use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::adapters::simulator::chance;
use crate::adapters::simulator::refusal::Refusal;

/// Stripe's limit of metadata pairs. <https://docs.stripe.com/api/metadata>
const MAX_METADATA_PAIRS: usize = 50;
const MAX_METADATA_NAME: usize = 40;
const MAX_METADATA_VALUE: usize = 500;

/// Decoded parameters, in the order they were sent.
pub(crate) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    pub(crate) fn decode(encoded: &'a [u8]) -> Self {
        Self(form_urlencoded::parse(encoded).collect())
    }

    /// The parameter of that name; an empty one counts as not given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, Refusal> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::parameter("parameter_invalid", name, format!("Invalid boolean: {other}"))),
        }
    }

    pub(crate) fn integer(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let read = |text: &str| {
            let problem = || Refusal::parameter("parameter_invalid_integer", name, format!("Invalid integer: {text}"));
            text.parse().map_err(|_| problem())
        };
        self.get(name).map(read).transpose()
    }

    /// The `metadata[…]` parameters.
    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>, Refusal> {
        let inner = |name: &str| Some(name.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
        let pairs = self.0.iter().filter_map(|(name, value)| Some((inner(name)?, value.to_string())));
        let metadata: BTreeMap<_, _> = pairs.collect();
        let fits = |(name, value): (&String, &String)| {
            name.chars().count() <= MAX_METADATA_NAME && value.chars().count() <= MAX_METADATA_VALUE
        };
        if metadata.len() > MAX_METADATA_PAIRS || !metadata.iter().all(fits) {
            let message = "Metadata has at most 50 keys of 40 characters with values of 500 characters".to_owned();
            return Err(Refusal::parameter("parameter_invalid", "metadata", message));
        }
        Ok(metadata)
    }
}

/// A number that stands for these parameters, in whatever order they were sent.
pub(crate) fn print_of(encoded: &[u8]) -> u64 {
    // A sum does not depend on the order of its terms, so nothing needs to be sorted.
    form_urlencoded::parse(encoded)
        .map(|(name, value)| chance::digest(0, &[name.as_bytes(), value.as_bytes()]))
        .fold(0, u64::wrapping_add)
}
