//! Why a step was taken: what was sent to the provider, what came back, who asked. For the journal.

/// A request that was sent to the payment provider, and what came of it. Holds nothing private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What was asked for: `prepare`, `charge`, `cancel`, `look_up`, `refund`, …
    pub operation: &'static str,
    /// The idempotency key, where one was sent.
    pub key: Option<String>,
    /// A digest of the request's bytes (address and body), in hexadecimal: the same key always has the same one.
    pub digest: String,
    /// The HTTP status or its like; `None` where no answer came.
    pub status: Option<u16>,
    /// The provider's own code for what happened, as `card_declined`.
    pub code: Option<String>,
    /// The provider's name for the request, to be told to its support.
    pub request_id: Option<String>,
    /// Whether the provider said that it repeats the answer to an earlier request of this key.
    pub is_replayed: bool,
    /// What the answer was taken for, as `approved` or `unknown`.
    pub class: &'static str,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
}

/// The requests of one call to the provider, oldest first. An adapter notes each as it is answered.
pub type Exchanges = Vec<Exchange>;

/// Why a step was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What was sent for it.
    pub exchanges: Exchanges,
    /// The person who decided it, where it was one.
    pub actor: Option<String>,
    /// In a sentence, where more is to be said than the state says.
    pub note: Option<String>,
}

impl Evidence {
    /// The answers to these requests.
    pub fn of(exchanges: Exchanges) -> Self {
        Self { exchanges, ..Self::default() }
    }

    /// This, and the answers to further requests.
    #[must_use]
    pub fn and(mut self, exchanges: Exchanges) -> Self {
        self.exchanges.extend(exchanges);
        self
    }

    /// A person's decision.
    pub fn decided(actor: &str, note: &str) -> Self {
        Self { exchanges: Vec::new(), actor: Some(actor.to_owned()), note: Some(note.to_owned()) }
    }
}
