//! Faults: which there are, how often they strike, and on which requests. Chooses; does not strike.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::form_urlencoded;

use crate::adapters::simulator::request::Operation;

/// What may go wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 500; nothing was done and nothing is kept: the same key works later.
    ErrorBefore,
    /// 500; nothing was done, and the key replays the 500.
    ErrorBeforeSticky,
    /// 500; it was done, and the key tells the true answer later.
    ErrorAfter,
    /// 500; it was done, and the key replays the 500.
    ErrorAfterSticky,
    /// 429; nothing was done.
    RateLimited,
    /// 401; nothing was done.
    Unauthorized,
    /// 409 `idempotency_key_in_use`; nothing was done.
    Conflict,
    /// It was done; the answer never comes, and the connection is cut in the end.
    Timeout,
    /// The connection is cut; nothing was done.
    CutBefore,
    /// The connection is cut; it was done.
    CutAfter,
    /// The connection is cut at once; it is done later.
    Late,
    /// It was done; half of the answer comes, as if it were all.
    Garbage,
    /// The answer takes longer.
    Slow,
    /// The card is declined, whichever it is; strikes only requests that charge.
    Decline,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 14] = [
        Self::ErrorBefore,
        Self::ErrorBeforeSticky,
        Self::ErrorAfter,
        Self::ErrorAfterSticky,
        Self::RateLimited,
        Self::Unauthorized,
        Self::Conflict,
        Self::Timeout,
        Self::CutBefore,
        Self::CutAfter,
        Self::Late,
        Self::Garbage,
        Self::Slow,
        Self::Decline,
    ];

    /// The fault's name in the switch and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorBefore => "error_before",
            Self::ErrorBeforeSticky => "error_before_sticky",
            Self::ErrorAfter => "error_after",
            Self::ErrorAfterSticky => "error_after_sticky",
            Self::RateLimited => "rate_limited",
            Self::Unauthorized => "unauthorized",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::CutBefore => "cut_before",
            Self::CutAfter => "cut_after",
            Self::Late => "late",
            Self::Garbage => "garbage",
            Self::Slow => "slow",
            Self::Decline => "decline",
        }
    }

    /// The fault of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == name)
    }
}

/// How often which fault strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// The share of requests that meet each fault, 0 to 1; together at most 1.
    pub shares: BTreeMap<Fault, f64>,
    /// The operations that may meet one; empty for all.
    pub on: Vec<Operation>,
    /// How long [`Fault::Timeout`] keeps the connection.
    pub hang_ms: u64,
    /// How much later [`Fault::Late`] executes.
    pub late_ms: u64,
    /// How much longer [`Fault::Slow`] takes.
    pub slow_ms: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { shares: BTreeMap::new(), on: Vec::new(), hang_ms: 120_000, late_ms: 200, slow_ms: 1_000 }
    }
}

impl Faults {
    /// This share of one fault, and no others.
    #[must_use]
    pub fn only(fault: Fault, share: f64) -> Self {
        Self { shares: BTreeMap::from([(fault, share)]), ..Self::default() }
    }

    /// Reads `error_after=0.1&cut_before=0.05&on=create,confirm&late_ms=50`; what is not named is off.
    ///
    /// # Errors
    /// [`FaultsError`]; names the part that cannot be read.
    pub fn from_query(query: &str) -> Result<Self, FaultsError> {
        let mut faults = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let unreadable = || FaultsError::Unreadable { name: name.to_string(), value: value.to_string() };
            let millis = || value.parse().map_err(|_| unreadable());
            match name.as_ref() {
                "on" => {
                    let named = value.split(',').map(|name| Operation::from_name(name).ok_or_else(unreadable));
                    faults.on = named.collect::<Result<_, _>>()?;
                }
                "hang_ms" => faults.hang_ms = millis()?,
                "late_ms" => faults.late_ms = millis()?,
                "slow_ms" => faults.slow_ms = millis()?,
                fault => {
                    let fault = Fault::from_name(fault).ok_or_else(unreadable)?;
                    faults.shares.insert(fault, value.parse().map_err(|_| unreadable())?);
                }
            }
        }
        faults.checked()
    }

    /// These faults, if their shares can be.
    ///
    /// # Errors
    /// [`FaultsError::Shares`] where a share is not 0 to 1, or all of them exceed 1.
    pub fn checked(self) -> Result<Self, FaultsError> {
        let lawful = self.shares.values().all(|share| (0.0..=1.0).contains(share));
        // A little room for sums like 0.1 + 0.2 + 0.7.
        let lawful = lawful && self.shares.values().sum::<f64>() <= 1.0 + 1e-9;
        if lawful { Ok(self) } else { Err(FaultsError::Shares) }
    }

    pub(crate) fn may_strike(&self, operation: Operation) -> bool {
        !self.shares.is_empty() && (self.on.is_empty() || self.on.contains(&operation))
    }

    /// The fault that this draw, 0 to 1, hits.
    pub(crate) fn chosen(&self, draw: f64) -> Option<Fault> {
        let mut bound = 0.0;
        self.shares.iter().find_map(|(fault, share)| {
            bound += share;
            (draw < bound).then_some(*fault)
        })
    }

    pub(crate) const fn hang(&self) -> Duration {
        Duration::from_millis(self.hang_ms)
    }

    pub(crate) const fn lateness(&self) -> Duration {
        Duration::from_millis(self.late_ms)
    }

    pub(crate) const fn slowness(&self) -> Duration {
        Duration::from_millis(self.slow_ms)
    }
}

/// Why the fault switch stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FaultsError {
    /// No such fault or setting, or no such value for it.
    #[error("the fault switch does not understand {name}={value}")]
    Unreadable {
        /// What was to be set.
        name: String,
        /// To what.
        value: String,
    },
    /// The shares are no shares.
    #[error("each share of faults is 0 to 1, and all of them together are at most 1")]
    Shares,
}
