//! A try of a call as the journal keeps it: what was sent and what came of it, without anything private.

use std::time::Duration;

use ring::digest::{Context, SHA256};

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::client::Call;
use crate::adapters::stripe::declines::published;
use crate::adapters::stripe::observation::{Answer, Asked, Seen};
use crate::adapters::stripe::wire::ErrorBody;
use crate::domain::evidence::Exchange;

/// What is the same for every try of a call.
#[derive(Debug)]
pub(crate) struct Entry {
    operation: &'static str,
    key: Option<String>,
    digest: String,
}

impl Entry {
    pub(crate) fn of(call: &Call, asked: &Asked<'_>) -> Self {
        let (method, url, key, form): (_, _, _, &[u8]) = match call {
            Call::Get(url) => ("GET", url, None, &[]),
            Call::Post { url, key, form } => ("POST", url, key.to_str().ok(), form),
        };
        let mut context = Context::new(&SHA256);
        for part in [method.as_bytes(), b" ", url.as_str().as_bytes(), b"\n", form] {
            context.update(part);
        }
        Self { operation: asked.label(), key: key.map(str::to_owned), digest: hexadecimal(context.finish().as_ref()) }
    }

    /// One try, and what it was taken for.
    pub(crate) fn exchange(&self, seen: &Seen, class: &Class, took: Duration) -> Exchange {
        let answer = match seen {
            Seen::Answered(answer) => Some(answer),
            Seen::Failed { .. } => None,
        };
        Exchange {
            operation: self.operation,
            key: self.key.clone(),
            digest: self.digest.clone(),
            status: answer.map(|answer| answer.status),
            code: answer.and_then(code_of),
            request_id: answer.and_then(|answer| answer.request_id.as_deref()).map(published),
            is_replayed: answer.is_some_and(|answer| answer.replayed),
            class: class.label(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The provider's own code, where the answer is an error that can be read.
fn code_of(answer: &Answer) -> Option<String> {
    if (200..300).contains(&answer.status) {
        return None;
    }
    let body: ErrorBody<'_> = serde_json::from_slice(&answer.body).ok()?;
    [body.error.cause(), body.error.kind()].into_iter().find(|code| !code.is_empty()).map(published)
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
