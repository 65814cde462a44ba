//! Why a record was refused: what its dead letter says. Never holds a value of the record.

use std::fmt;

/// Why a record cannot become a payment, now or ever. A closed set: it labels metrics and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectionReason {
    /// The record has no value.
    NoValue,
    /// The bytes are not the JSON or event that they should be.
    Undecodable,
    /// The JSON is not a payment request: a field is missing, of the wrong type or unlawful.
    Contract,
    /// The record's key is not the order's id, so the order's records would not keep their order.
    KeyMismatch,
    /// Another request for the same order, with other terms, is stored.
    Contradiction,
    /// The database refuses this order's data for good.
    Unstorable,
}

impl RejectionReason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::NoValue, Self::Undecodable, Self::Contract, Self::KeyMismatch, Self::Contradiction, Self::Unstorable];

    /// The reason's name in headers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoValue => "no_value",
            Self::Undecodable => "undecodable",
            Self::Contract => "contract",
            Self::KeyMismatch => "key_mismatch",
            Self::Contradiction => "contradiction",
            Self::Unstorable => "unstorable",
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How far a record came before it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Its bytes were read.
    Decode,
    /// Its fields were checked.
    Validate,
    /// Its order was looked at.
    Process,
}

impl Stage {
    /// The stage's name in headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Validate => "validate",
            Self::Process => "process",
        }
    }
}

/// A record that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What sort of trouble it is.
    pub reason: RejectionReason,
    /// How far the record came.
    pub stage: Stage,
    /// What a person reads: names the field, never shows its value.
    pub message: String,
    /// The field in the event's data, or the attribute of its envelope, as a JSON pointer, where it is about one.
    pub pointer: Option<String>,
    /// How whoever sends such records mends it.
    pub remedy: &'static str,
}

impl Rejection {
    /// A refusal while bytes were read.
    pub fn undecodable(message: impl Into<String>, remedy: &'static str) -> Self {
        let (reason, stage) = (RejectionReason::Undecodable, Stage::Decode);
        Self { reason, stage, message: message.into(), pointer: None, remedy }
    }

    /// A refusal of a field, named by its JSON pointer.
    pub fn contract(pointer: &str, problem: impl fmt::Display, remedy: &'static str) -> Self {
        let (reason, stage) = (RejectionReason::Contract, Stage::Validate);
        Self { reason, stage, message: format!("{pointer}: {problem}"), pointer: Some(pointer.to_owned()), remedy }
    }

    /// A refusal by the application.
    pub fn process(reason: RejectionReason, message: impl Into<String>) -> Self {
        let remedy = match reason {
            RejectionReason::Contradiction => "ask for another payment under another order id",
            _ => "ask the operators of the service",
        };
        Self { reason, stage: Stage::Process, message: message.into(), pointer: None, remedy }
    }

    /// The message without the pointer that it begins with.
    pub fn problem(&self) -> &str {
        let pointed = self.pointer.as_deref().and_then(|pointer| self.message.strip_prefix(pointer));
        pointed.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&self.message)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.reason, self.message)
    }
}
