//! What reaches the provider and what leaves it, whatever carried it. Knows no HTTP library.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The methods that the API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes; the only method with idempotency keys.
    Post,
}

/// One request, borrowed from whoever received it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// GET or POST.
    pub method: Method,
    /// The path, as `/v1/payment_intents`.
    pub path: &'a str,
    /// What follows the question mark, still encoded.
    pub query: &'a str,
    /// The form, still encoded.
    pub body: &'a [u8],
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<&'a str>,
    /// The `Stripe-Version` header; part of what a key stands for.
    pub api_version: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A POST of a form with a test key.
    pub fn post(path: &'a str, body: &'a str, idempotency_key: Option<&'a str>) -> Self {
        let authorization = Some("Bearer sk_test_simulator");
        Self {
            method: Method::Post,
            path,
            query: "",
            body: body.as_bytes(),
            authorization,
            idempotency_key,
            api_version: None,
        }
    }

    /// A GET with a test key.
    pub fn get(path: &'a str, query: &'a str) -> Self {
        Self { method: Method::Get, query, ..Self::post(path, "", None) }
    }

    /// The encoded parameters, from wherever the method has them.
    pub(crate) fn parameters(&self) -> &'a [u8] {
        match self.method {
            Method::Get => self.query.as_bytes(),
            Method::Post => self.body,
        }
    }
}

/// A request that is kept to be executed later.
#[derive(Clone, Debug)]
pub(crate) struct HeldRequest {
    method: Method,
    path: String,
    query: String,
    body: Vec<u8>,
    authorization: Option<String>,
    idempotency_key: Option<String>,
    api_version: Option<String>,
}

impl From<&Request<'_>> for HeldRequest {
    fn from(request: &Request<'_>) -> Self {
        Self {
            method: request.method,
            path: request.path.to_owned(),
            query: request.query.to_owned(),
            body: request.body.to_vec(),
            authorization: request.authorization.map(str::to_owned),
            idempotency_key: request.idempotency_key.map(str::to_owned),
            api_version: request.api_version.map(str::to_owned),
        }
    }
}

impl HeldRequest {
    pub(crate) fn as_request(&self) -> Request<'_> {
        Request {
            method: self.method,
            path: &self.path,
            query: &self.query,
            body: &self.body,
            authorization: self.authorization.as_deref(),
            idempotency_key: self.idempotency_key.as_deref(),
            api_version: self.api_version.as_deref(),
        }
    }
}

/// What the sender gets: an answer, or a connection that is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How long the sender waits for it.
    pub after: Duration,
    /// The answer; `None` where the connection is cut without a byte.
    pub answer: Option<Answer>,
}

/// An answer with what its headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// JSON, but for a fault that spoils it.
    pub body: Bytes,
    /// `Idempotent-Replayed: true`: the first answer of this key, once more.
    pub replayed: bool,
    /// `Stripe-Should-Retry`, where the provider says so.
    pub should_retry: Option<bool>,
    /// `Request-Id`: another one for every request that is answered.
    pub request_id: Option<String>,
}

impl Answer {
    /// A plain answer.
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), replayed: false, should_retry: None, request_id: None }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Make a payment intent, and confirm it where it says so.
    Create,
    /// Charge a payment intent.
    Confirm,
    /// Make a payment intent unchargeable.
    Cancel,
    /// Read a payment intent.
    Retrieve,
    /// Read payment intents, newest first.
    List,
    /// Find payment intents by metadata.
    Search,
    /// Give money back.
    Refund,
    /// Read a refund.
    RetrieveRefund,
    /// Read the refunds of a payment intent.
    ListRefunds,
    /// Read the account's balance: the harmless request.
    Balance,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Confirm,
        Self::Cancel,
        Self::Retrieve,
        Self::List,
        Self::Search,
        Self::Refund,
        Self::RetrieveRefund,
        Self::ListRefunds,
        Self::Balance,
    ];

    /// The operation's name in the ledger and in the fault switch.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Retrieve => "retrieve",
            Self::List => "list",
            Self::Search => "search",
            Self::Refund => "refund",
            Self::RetrieveRefund => "retrieve_refund",
            Self::ListRefunds => "list_refunds",
            Self::Balance => "balance",
        }
    }

    /// Whether doing it twice does more than doing it once, so that it has to carry an idempotency key.
    pub(crate) const fn needs_key(self) -> bool {
        matches!(self, Self::Create | Self::Confirm | Self::Refund)
    }

    /// The operation of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }

    /// What this request asks for, and the object that its path names.
    pub(crate) fn of(method: Method, path: &str) -> Option<(Self, &str)> {
        let mut steps = path.strip_prefix("/v1/")?.split('/');
        let route = (method, steps.next()?, steps.next(), steps.next());
        if steps.next().is_some() {
            return None;
        }
        Some(match route {
            (Method::Post, "payment_intents", None, None) => (Self::Create, ""),
            (Method::Get, "payment_intents", None, None) => (Self::List, ""),
            (Method::Get, "payment_intents", Some("search"), None) => (Self::Search, ""),
            (Method::Get, "payment_intents", Some(id), None) => (Self::Retrieve, id),
            (Method::Post, "payment_intents", Some(id), Some("confirm")) => (Self::Confirm, id),
            (Method::Post, "payment_intents", Some(id), Some("cancel")) => (Self::Cancel, id),
            (Method::Post, "refunds", None, None) => (Self::Refund, ""),
            (Method::Get, "refunds", None, None) => (Self::ListRefunds, ""),
            (Method::Get, "refunds", Some(id), None) => (Self::RetrieveRefund, id),
            (Method::Get, "balance", None, None) => (Self::Balance, ""),
            _ => return None,
        })
    }
}
