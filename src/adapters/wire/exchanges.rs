//! The requests that were sent to the payment provider, as the journal keeps them: JSON, nothing private.

use serde::Serialize;

use crate::domain::evidence::{Evidence, Exchange};
use crate::ports::order_repository::RecordedEvidence;

/// One request and its answer, as an element of the journal's array.
#[derive(Serialize)]
struct ExchangeV1<'a> {
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    replayed: bool,
    class: &'a str,
    took_ms: u64,
}

impl<'a> ExchangeV1<'a> {
    fn of(exchange: &'a Exchange) -> Self {
        Self {
            operation: exchange.operation,
            key: exchange.key.as_deref(),
            digest: &exchange.digest,
            status: exchange.status,
            code: exchange.code.as_deref(),
            request_id: exchange.request_id.as_deref(),
            replayed: exchange.is_replayed,
            class: exchange.class,
            took_ms: exchange.took_ms,
        }
    }
}

/// A JSON array with an object for each exchange; nothing where there were none.
pub fn encode(exchanges: &[Exchange]) -> Option<String> {
    if exchanges.is_empty() {
        return None;
    }
    let array: Vec<_> = exchanges.iter().map(ExchangeV1::of).collect();
    Some(serde_json::to_string(&array).expect("plain texts and numbers always serialise"))
}

/// The evidence as the journal gives it back.
pub fn recorded(evidence: &Evidence) -> RecordedEvidence {
    RecordedEvidence {
        exchanges: encode(&evidence.exchanges).unwrap_or_default(),
        actor: evidence.actor.clone(),
        note: evidence.note.clone(),
    }
}
