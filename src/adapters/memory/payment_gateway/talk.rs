//! One request to the simulated provider, noted for the journal. Says what it came to where no document
//! answers; what a document means is for `views`.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::adapters::memory::payment_gateway::views::{ErrorEnvelope, ErrorView};
use crate::adapters::simulator::chance;
use crate::adapters::simulator::provider::Provider;
use crate::adapters::simulator::request::{Answer, Request};
use crate::domain::evidence::{Exchange, Exchanges};
use crate::ports::payment_gateway::GatewayError;

/// What is asked for, of whom, and where that is noted.
pub(super) struct Talk<'a> {
    provider: &'a Provider,
    operation: &'static str,
    sent: &'a mut Exchanges,
    before: usize,
}

impl<'a> Talk<'a> {
    pub(super) fn new(provider: &'a Provider, operation: &'static str, sent: &'a mut Exchanges) -> Self {
        let before = sent.len();
        Self { provider, operation, sent, before }
    }

    /// Reads: what was asked for, or why there is no answer.
    pub(super) fn get<T: DeserializeOwned>(&mut self, path: &str, query: &str) -> Result<T, GatewayError> {
        let asked = self.exchange(&Request::get(path, query));
        let answer = asked.and_then(|answer| answer.map_err(|error| rejected(&error)));
        self.ended(answer, |_| "open")
    }

    /// Acts: what was asked for, or the provider's reasoned refusal.
    pub(super) fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &str,
        key: Option<&str>,
    ) -> Result<Result<T, ErrorView>, GatewayError> {
        let answer = self.exchange(&Request::post(path, body, key));
        self.ended(answer, |_| "open")
    }

    /// Notes what the last request came to.
    pub(super) fn class(&mut self, class: &'static str) {
        if let Some(exchange) = self.sent[self.before..].last_mut() {
            exchange.class = class;
        }
    }

    /// Notes what the last request came to, and hands that on.
    pub(super) fn ended<T>(
        &mut self,
        answer: Result<T, GatewayError>,
        label: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, GatewayError> {
        self.class(match &answer {
            Ok(answer) => label(answer),
            Err(GatewayError::Unavailable { .. }) => "unavailable",
            Err(GatewayError::Unknown { .. }) => "unknown",
            Err(GatewayError::Closed { .. }) => "configuration",
            Err(GatewayError::Rejected { .. }) => "rejected",
            Err(GatewayError::Contradiction { .. }) => "quarantine",
        });
        answer
    }

    fn exchange<T: DeserializeOwned>(&mut self, request: &Request<'_>) -> Result<Result<T, ErrorView>, GatewayError> {
        let unknown = |detail: String| GatewayError::Unknown { detail };
        let reply = self.provider.handle(request);
        let error = reply.answer.as_ref().filter(|answer| answer.status != 200).map(error_of);
        self.note(request, reply.after, reply.answer.as_ref(), error.as_ref().and_then(Option::as_ref));
        let answer = reply.answer.ok_or_else(|| unknown("the connection was cut".to_owned()))?;
        let status = answer.status;
        match error {
            None => {
                let done = serde_json::from_slice(&answer.body);
                done.map(Ok).map_err(|_| unknown("the answer is not readable".to_owned()))
            }
            Some(None) => Err(unknown(format!("status {status}, not readable"))),
            Some(Some(error)) => refused(status, error).map(Err),
        }
    }

    fn note(&mut self, request: &Request<'_>, took: Duration, answer: Option<&Answer>, error: Option<&ErrorView>) {
        let bytes = [request.path.as_bytes(), request.query.as_bytes(), request.body];
        self.sent.push(Exchange {
            operation: self.operation,
            key: request.idempotency_key.map(str::to_owned),
            digest: format!("{:016x}{:016x}", chance::digest(0, &bytes), chance::digest(1, &bytes)),
            status: answer.map(|answer| answer.status),
            code: error.map(|error| error.cause().to_owned()),
            request_id: answer.and_then(|answer| answer.request_id.clone()),
            is_replayed: answer.is_some_and(|answer| answer.replayed),
            class: "unknown",
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
    }
}

fn error_of(answer: &Answer) -> Option<ErrorView> {
    serde_json::from_slice::<ErrorEnvelope>(&answer.body).ok().map(|envelope| envelope.error)
}

/// A refusal that speaks of the order, or the error that it is otherwise.
fn refused(status: u16, error: ErrorView) -> Result<ErrorView, GatewayError> {
    let detail = format!("status {status}, {}", error.cause());
    let names_ours = matches!(error.param.as_deref(), Some("intent" | "payment_intent"));
    match status {
        401 | 403 => Err(GatewayError::Closed { detail }),
        // Ours, and not there: another account or mode, or lost. Never a proof that nothing was charged.
        404 if names_ours => Err(GatewayError::Contradiction { detail }),
        429 => Err(GatewayError::Unavailable { detail }),
        // The key is in use: an earlier request of the same name may be charging now.
        409 | 500.. => Err(GatewayError::Unknown { detail }),
        _ => Ok(error),
    }
}

/// A request that is refused as it stands: not executed, and never will be.
pub(super) fn rejected(error: &ErrorView) -> GatewayError {
    let detail = format!("the provider refuses a request of ours: {}", error.cause());
    if error.is_key_reused() { GatewayError::Contradiction { detail } } else { GatewayError::Rejected { detail } }
}
