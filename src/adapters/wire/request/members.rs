//! The members of a request's data, each by itself, whatever the others are: for saying all that is wrong with it.
//!
//! Slower than reading the request, so never used of one that can be read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::adapters::wire::rejection::{Rejection, RejectionReason, Stage};
use crate::adapters::wire::request::TextV1;

/// The fields of a request, in the order in which they are told of.
pub(in crate::adapters::wire) const FIELDS: [&str; 6] =
    ["order_id", "customer_email", "total_amount", "currency", "payment_method", "customer"];
/// How many of them, the first ones, no default stands in for.
const REQUIRED: usize = 3;
const AMOUNT: usize = 2;

/// A request's data, taken apart.
#[derive(Debug)]
pub(in crate::adapters::wire) struct Members<'a> {
    known: [Vec<&'a RawValue>; FIELDS.len()],
    /// The names of members that are no fields.
    pub(in crate::adapters::wire) unknown: Vec<String>,
    /// Whether more comes behind the object.
    has_more: bool,
}

/// A field as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::adapters::wire) enum Field<'a> {
    /// It was not, and need not be.
    Absent,
    /// As a text, or as a number that is read as its digits.
    Text(Cow<'a, str>),
    /// In a way that cannot be understood, or not though it has to be.
    Wrong,
}

impl<'a> Members<'a> {
    /// Takes the data apart.
    ///
    /// # Errors
    /// [`Rejection`] where it is no JSON object.
    pub(in crate::adapters::wire) fn of(data: &'a [u8]) -> Result<Self, Rejection> {
        let mut deserializer = serde_json::Deserializer::from_slice(data);
        let mut members = Self::deserialize(&mut deserializer).map_err(|problem| unreadable(&problem))?;
        members.has_more = deserializer.end().is_err();
        Ok(members)
    }

    /// What is wrong with how the fields were sent.
    pub(in crate::adapters::wire) fn problems(&self) -> Vec<Rejection> {
        let more = self.has_more.then(|| {
            let remedy = "send one JSON object a record, and nothing behind it";
            Rejection::undecodable("the value has more after its JSON object", remedy)
        });
        let fields = (0..FIELDS.len()).filter_map(|index| self.read(index).err());
        more.into_iter().chain(fields).collect()
    }

    /// A field by its place in [`FIELDS`].
    pub(in crate::adapters::wire) fn field(&self, index: usize) -> Field<'a> {
        match self.read(index) {
            Ok(None) => Field::Absent,
            Ok(Some(text)) => Field::Text(text),
            Err(_) => Field::Wrong,
        }
    }

    /// Whether a field of this name was sent at all.
    pub(in crate::adapters::wire) fn has(&self, index: usize) -> bool {
        !self.known[index].is_empty()
    }

    /// Whether the amount is a JSON number.
    pub(in crate::adapters::wire) fn has_number_as_amount(&self) -> bool {
        self.known[AMOUNT].iter().any(|raw| is_number(raw.get()))
    }

    fn read(&self, index: usize) -> Result<Option<Cow<'a, str>>, Rejection> {
        let pointer = format!("/{}", FIELDS[index]);
        let (is_required, is_amount) = (index < REQUIRED, index == AMOUNT);
        let raw = match self.known[index].as_slice() {
            [] if is_required => return Err(Rejection::contract(&pointer, "is missing", "add the field")),
            [] => return Ok(None),
            [only] => only.get(),
            _ => return Err(Rejection::contract(&pointer, "is there twice", "send the field once")),
        };
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw).map(|TextV1(text)| Some(text)).map_err(|_| no_text(pointer)),
            Some(b'n') if !is_required => Ok(None),
            _ if is_amount && is_number(raw) => Ok(Some(Cow::Borrowed(raw))),
            _ if is_amount => {
                let (wrong, remedy) = ("wrong type, expected a decimal string or a number", "send \"12.50\"");
                Err(Rejection::contract(&pointer, wrong, remedy))
            }
            _ => Err(Rejection::contract(&pointer, "wrong type, expected a string", "send a JSON string")),
        }
    }
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A string that only a lenient parser takes, such as half of a surrogate pair.
fn no_text(pointer: String) -> Rejection {
    Rejection {
        reason: RejectionReason::Undecodable,
        stage: Stage::Decode,
        message: format!("{pointer}: is no valid JSON string"),
        pointer: Some(pointer),
        remedy: "send valid UTF-8, with lawful escapes",
    }
}

fn unreadable(problem: &serde_json::Error) -> Rejection {
    if problem.classify() == Category::Data {
        return Rejection {
            reason: RejectionReason::Contract,
            stage: Stage::Validate,
            message: "the value is no JSON object".to_owned(),
            pointer: Some(String::new()),
            remedy: "send one JSON object a record, as `order-payments schema payment-requested` has it",
        };
    }
    let (line, column) = (problem.line(), problem.column());
    Rejection::undecodable(
        format!("the value is not valid JSON (line {line}, column {column})"),
        "send JSON in UTF-8, without a byte-order mark; no Avro, Protobuf or schema registry's prefix",
    )
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Gather)
    }
}

struct Gather;

impl<'de> Visitor<'de> for Gather {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members { known: Default::default(), unknown: Vec::new(), has_more: false };
        while let Some(name) = map.next_key::<String>()? {
            if let Some(index) = FIELDS.iter().position(|field| *field == name) {
                members.known[index].push(map.next_value()?);
            } else {
                // As lenient as reading the request is: what is not needed is not looked at.
                map.next_value::<IgnoredAny>()?;
                members.unknown.push(name);
            }
        }
        Ok(members)
    }
}
