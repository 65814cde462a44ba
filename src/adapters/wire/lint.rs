//! Everything that is wrong with an event, and what will go badly though it is not: for those who send events.
//!
//! The rules are the service's own: an event has no problems here if, and only if, the service takes it. Never
//! repeats a value of the event.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::adapters::wire::cloud_event::{EventHeaders, Opened, inspect};
use crate::adapters::wire::rejection::{Rejection, RejectionReason};
use crate::adapters::wire::request::members::{FIELDS, Field, Members};
use crate::adapters::wire::request::{DecodeOptions, Decoded, EVENT_TYPE, decode, rules};

/// How many letters two names may differ in, for one to be taken for the other misspelt.
const MAX_MISSPELT_LETTERS: usize = 2;
/// Shorter names are like too many others.
const MIN_NAME_LETTERS: usize = 5;

/// What would become of an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Linted {
    /// Whether it would be taken.
    pub verdict: Verdict,
    /// What would not keep it from being taken, and is better done otherwise.
    pub hints: Vec<Hint>,
}

/// Whether an event would be taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would.
    Good,
    /// It is of another type, and would be passed over.
    OtherType,
    /// It would become a dead letter.
    Refused(Vec<Problem>),
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What sort of trouble it is.
    pub reason: RejectionReason,
    /// Where in the value, as a JSON pointer; `None` where it is about the record as a whole.
    pub pointer: Option<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub remedy: &'static str,
}

/// Something that is better done otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// Which hint it is: a closed set, for scripts.
    pub name: &'static str,
    /// Where in the value, as a JSON pointer; `None` where it is about the record as a whole.
    pub pointer: Option<String>,
    /// What was seen.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Reads a record as the service would, and says all there is to say about it.
pub fn lint(key: Option<&[u8]>, value: Option<&[u8]>, headers: &EventHeaders<'_>, options: &DecodeOptions) -> Linted {
    let opened = inspect(headers, value).ok();
    let in_data = if headers.are_structured() { "/data" } else { "" };
    let verdict = match decode(key, value, headers, options) {
        Ok(Decoded::Request(_)) => Verdict::Good,
        Ok(Decoded::OtherType(name)) => {
            let hints = is_like_ours(&name).then(|| misspelt_type(headers)).into_iter().collect();
            return Linted { verdict: Verdict::OtherType, hints };
        }
        Err(first) => Verdict::Refused(problems(first, key, opened.as_ref(), options, in_data)),
    };
    let mut hints = of_record(key, value, headers, opened.as_ref());
    let members = opened.as_ref().and_then(|event| event.data).and_then(|data| Members::of(data).ok());
    hints.extend(members.iter().flat_map(|members| of_members(members, in_data)));
    Linted { verdict, hints }
}

/// Whether the value is a whole event, whatever its record says.
pub fn looks_structured(value: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "specversion")]
        _spec_version: IgnoredAny,
        #[serde(rename = "type")]
        _event_type: IgnoredAny,
    }
    serde_json::from_slice::<Envelope>(value).is_ok()
}

/// What to say of a record whose value is a whole event, and of which no header says so.
pub fn unmarked_event() -> Hint {
    Hint {
        name: "unmarked-event",
        pointer: None,
        message: "the value looks like a whole CloudEvent, and no header says so".to_owned(),
        remedy: "send it with the header content-type: application/cloudevents+json",
    }
}

/// The order that a record is about, as far as that can be told, be the rest of it right or wrong.
pub fn order_of(value: Option<&[u8]>, headers: &EventHeaders<'_>) -> Option<String> {
    let data = inspect(headers, value).ok()?.data?;
    match Members::of(data).ok()?.field(0) {
        Field::Text(id) => Some(id.into_owned()),
        Field::Absent | Field::Wrong => None,
    }
}

fn problems(
    first: Rejection,
    key: Option<&[u8]>,
    opened: Option<&Opened<'_>>,
    options: &DecodeOptions,
    in_data: &str,
) -> Vec<Problem> {
    let envelope: Vec<Rejection> = opened.map(|event| event.problems.clone()).unwrap_or_default();
    let ours = opened.filter(|event| event.event_type.as_deref().is_none_or(|name| name == EVENT_TYPE));
    let data = ours.and_then(|event| event.data);
    let data = data.map(|data| rules::problems(key, data, options)).unwrap_or_default();
    let is_told = envelope.contains(&first) || data.contains(&first);
    let others = envelope.into_iter().map(|rejection| problem(rejection, ""));
    let others = others.chain(data.into_iter().map(|rejection| problem(rejection, in_data)));
    let first = (!is_told).then(|| problem(first, ""));
    first.into_iter().chain(others).collect()
}

fn problem(rejection: Rejection, place: &str) -> Problem {
    let message = rejection.problem().to_owned();
    let pointer = rejection.pointer.map(|pointer| format!("{place}{pointer}"));
    Problem { reason: rejection.reason, pointer, message, remedy: rejection.remedy }
}

fn of_record(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &EventHeaders<'_>,
    opened: Option<&Opened<'_>>,
) -> Vec<Hint> {
    let hint = |name, message: &str, remedy| Hint { name, pointer: None, message: message.to_owned(), remedy };
    let is_bare = !headers.are_structured() && value.is_some_and(looks_structured);
    let origin = opened.map(|event| &event.origin);
    let hints = [
        is_bare.then(unmarked_event),
        key.is_none().then(|| {
            let remedy = "send order_id as the record's key (lint-event is told of it by --key)";
            hint("no-key", "the record has no key: records of one order may overtake each other", remedy)
        }),
        origin.is_some_and(|origin| origin.event_id.is_none()).then(|| {
            let remedy = "send ce_id, 1 to 256 characters: the outcome names it as its ce_causationid";
            hint("no-id", "the event has no id that is kept: its outcome will not say what caused it", remedy)
        }),
        origin.is_some_and(|origin| origin.requested_at.is_none()).then(|| {
            let remedy = "send ce_time in RFC 3339, as 2026-01-31T12:00:00Z";
            hint(
                "no-time",
                "the event has no time: its age is its record's, and where that has none either, the order is looked \
                 up at the gateway first",
                remedy,
            )
        }),
    ];
    hints.into_iter().flatten().collect()
}

fn of_members(members: &Members<'_>, in_data: &str) -> Vec<Hint> {
    let number = members.has_number_as_amount().then(|| Hint {
        name: "number-amount",
        pointer: Some(format!("{in_data}/total_amount")),
        message: "the amount is a JSON number: it is read exactly here, and by few others".to_owned(),
        remedy: "send a decimal string, as \"12.50\"",
    });
    let misspelt = members.unknown.iter().filter_map(|name| {
        let meant = (0..FIELDS.len()).find(|index| !members.has(*index) && is_alike(name, FIELDS[*index]))?;
        Some(Hint {
            name: "unknown-field",
            pointer: Some(format!("{in_data}/{}", escaped(name))),
            message: format!("the field is not known, and looks like {}", FIELDS[meant]),
            remedy: "rename it, unless it is meant to be passed over",
        })
    });
    number.into_iter().chain(misspelt).collect()
}

fn misspelt_type(headers: &EventHeaders<'_>) -> Hint {
    Hint {
        name: "misspelt-type",
        pointer: headers.are_structured().then(|| "/type".to_owned()),
        message: format!("the type is not {EVENT_TYPE}, and looks like it: the event would be passed over"),
        remedy: "send payment-requested, letter by letter, as ce_type or as /type of a structured event",
    }
}

/// `PaymentRequested`, `payment-requsted` and `com.example.payment.requested` are like the type that is read.
fn is_like_ours(event_type: &str) -> bool {
    // The last as many letters: a name of the sender's may come before.
    let start = event_type.char_indices().rev().nth(EVENT_TYPE.len() - 1).map_or(0, |(start, _)| start);
    is_alike(event_type, EVENT_TYPE) || is_alike(&event_type[start..], EVENT_TYPE)
}

/// `orderId`, `ordre_id` and `amount` are like `order_id` and `total_amount`.
fn is_alike(name: &str, field: &str) -> bool {
    let letters = |name: &str| -> String {
        name.chars().filter(|letter| !"_-. ".contains(*letter)).flat_map(char::to_lowercase).take(64).collect()
    };
    let (name, field) = (letters(name), letters(field));
    let is_long = name.len() >= MIN_NAME_LETTERS;
    is_long && (strsim::osa_distance(&name, &field) <= MAX_MISSPELT_LETTERS || field.ends_with(&name))
}

/// A name in a JSON pointer (RFC 6901), safe to print.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").escape_debug().to_string()
}

#[cfg(test)]
mod tests;
