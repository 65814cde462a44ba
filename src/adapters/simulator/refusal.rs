//! Errors in the shape of Stripe's: `{"error": {"type", "code", "decline_code", "message", …}}`.
//!
//! <https://docs.stripe.com/api/errors>. Messages are ours in Stripe's sense; clients go by the codes.

use std::borrow::Cow;

use serde::Serialize;

use crate::adapters::simulator::intent::Intent;
use crate::adapters::simulator::request::Answer;

/// What `error.type` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// Trouble on the provider's side.
    ApiError,
    /// The card was not charged.
    CardError,
    /// A key was used for two different things, or twice at once.
    IdempotencyError,
    /// The request cannot be executed as it is.
    InvalidRequestError,
}

/// Why a payment was not made; also what an intent remembers as its `last_payment_error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentError {
    /// The sort of error.
    #[serde(rename = "type")]
    pub kind: ErrorType,
    /// What a program goes by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'static, str>>,
    /// The card issuer's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// What a person reads.
    pub message: String,
    /// The parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<&'static str>,
}

/// Whether the provider had begun to execute a request when it refused it.
///
/// Stripe keeps an answer for an idempotency key only from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Validation,
    Execution,
}

/// A request that was not carried out as asked.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) error: PaymentError,
    pub(crate) stage: Stage,
    pub(crate) should_retry: Option<bool>,
    intent: Option<Box<Intent>>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    error: &'a PaymentError,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<&'a Intent>,
}

impl Refusal {
    fn new(status: u16, kind: ErrorType, code: Option<&'static str>, message: impl Into<String>) -> Self {
        let code = code.map(Cow::Borrowed);
        let error = PaymentError { kind, code, decline_code: None, message: message.into(), param: None };
        Self { status, error, stage: Stage::Execution, should_retry: None, intent: None }
    }

    /// A parameter that cannot be understood: found before anything is executed.
    pub(crate) fn parameter(code: &'static str, param: &'static str, message: String) -> Self {
        let mut refusal = Self::new(400, ErrorType::InvalidRequestError, Some(code), message);
        refusal.error.param = Some(param);
        refusal.stage = Stage::Validation;
        refusal
    }

    pub(crate) fn missing_parameter(param: &'static str) -> Self {
        Self::parameter("parameter_missing", param, format!("Missing required param: {param}."))
    }

    /// A request that is understood and cannot be carried out.
    pub(crate) fn invalid(code: Option<&'static str>, param: Option<&'static str>, message: String) -> Self {
        let mut refusal = Self::new(400, ErrorType::InvalidRequestError, code, message);
        refusal.error.param = param;
        refusal
    }

    /// A parameter or path names something that does not exist.
    pub(crate) fn resource_missing(status: u16, what: &str, id: &str, param: &'static str) -> Self {
        let mut refusal = Self::invalid(Some("resource_missing"), Some(param), format!("No such {what}: '{id}'"));
        refusal.status = status;
        refusal
    }

    /// The intent's status forbids this; the intent travels with the answer.
    pub(crate) fn unexpected_state(intent: &Intent, message: String) -> Self {
        Self::invalid(Some("payment_intent_unexpected_state"), None, message).with_intent(intent)
    }

    /// The card was not charged.
    pub(crate) fn card(error: PaymentError, intent: &Intent) -> Self {
        let refusal = Self { error, ..Self::new(402, ErrorType::CardError, None, "") };
        refusal.with_intent(intent)
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "You did not provide a valid API key: send `Authorization: Bearer sk_...`.";
        Self { stage: Stage::Validation, ..Self::new(401, ErrorType::InvalidRequestError, None, message) }
    }

    pub(crate) fn rate_limited() -> Self {
        let message = "Request rate limit exceeded.";
        let limited = Self::new(429, ErrorType::InvalidRequestError, Some("rate_limit"), message);
        Self { stage: Stage::Validation, ..limited }
    }

    pub(crate) fn unknown_route() -> Self {
        let message = "Unrecognized request URL. The simulator knows payment intents, refunds and the balance.";
        Self { stage: Stage::Validation, ..Self::new(404, ErrorType::InvalidRequestError, None, message) }
    }

    pub(crate) fn server_error() -> Self {
        let message = "An unknown error occurred.";
        // Official clients expect `false` with a 500: the key would only replay it.
        Self { should_retry: Some(false), ..Self::new(500, ErrorType::ApiError, None, message) }
    }

    pub(crate) fn key_in_use() -> Self {
        let message = "There is currently another in-progress request using this Idempotent Key.";
        let refusal = Self::new(409, ErrorType::IdempotencyError, Some("idempotency_key_in_use"), message);
        Self { stage: Stage::Validation, should_retry: Some(true), ..refusal }
    }

    pub(crate) fn key_mismatch(what: &str) -> Self {
        let message = format!("Keys for idempotent requests can only be used {what} they were first used with.");
        Self { stage: Stage::Validation, ..Self::new(400, ErrorType::IdempotencyError, None, message) }
    }

    fn with_intent(self, intent: &Intent) -> Self {
        Self { intent: Some(Box::new(intent.clone())), ..self }
    }

    /// The refusal as it is sent.
    pub(crate) fn answer(&self) -> Answer {
        let body = Envelope { error: Body { error: &self.error, payment_intent: self.intent.as_deref() } };
        let body = serde_json::to_vec(&body).expect("plain strings and numbers always serialise");
        Answer { should_retry: self.should_retry, ..Answer::new(self.status, body) }
    }
}
