//! A payment provider shaped like Stripe: for the demo, for tests, benchmarks and other teams' CI.
//!
//! ```text
//! server (HTTP) ─┐
//!                ├─► provider ─► keys ─► book          ledger: what was truly done
//! in process ────┘      └ faults, latency
//! ```
//!
//! It takes no money and must never be mistaken for one that does: every object it makes is lost
//! when it stops, everything is kept in memory until then, and any key that begins with `sk_` opens it.
//!
//! Over HTTP it is called as Stripe is:
//!
//! ```text
//! curl http://127.0.0.1:12111/v1/payment_intents -H 'Authorization: Bearer sk_test_1' -H 'Idempotency-Key: o-1' \
//!      -d amount=1250 -d currency=eur -d payment_method=pm_card_visa -d confirm=true -d 'metadata[order_id]=o-1'
//! curl http://127.0.0.1:12111/_ledger?totals=true
//! curl -X POST 'http://127.0.0.1:12111/_faults?cut_after=0.1&rate_limited=0.1&on=create,confirm'
//! curl -X POST http://127.0.0.1:12111/_faults     # no faults any more
//! curl -X POST http://127.0.0.1:12111/_refunds/re_0123/fail     # that refund bounces after all
//! ```
//!
//! # Payment methods
//!
//! What happens to a charge is in the name of its payment method, as with Stripe's test ones.
//!
//! | payment method | a confirmation |
//! |---|---|
//! | `pm_card_visa`, any other name | succeeds |
//! | `…_chargeDeclined` | is declined: `card_declined`, `generic_decline` |
//! | `…_chargeDeclinedInsufficientFunds`, `…LostCard`, `…StolenCard`, … | is declined: `card_declined`, with the reason in snake case |
//! | `…_chargeDeclinedExpiredCard`, `…IncorrectCvc`, `…ProcessingError` | is declined: that code, without an issuer's reason |
//! | `pm_card_authenticationRequired` | needs the customer; declined where it may not (`off_session`, `error_on_requires_action`) |
//! | `pm_usBankAccount_success` | is processing for five seconds, then succeeds |
//! | `pm_usBankAccount_insufficientFunds` | is processing for five seconds, then is declined |
//! | `…_missing` | is refused: `resource_missing` |
//! | `pm_card_pendingRefund`, `pm_card_refundFail` | succeeds; refunds wait five seconds, then succeed or fail |

mod book;
mod cards;
pub(crate) mod chance;
mod connection;
mod draft;
mod execution;
pub mod faults;
mod form;
pub mod intent;
pub(crate) mod keys;
pub mod ledger;
mod listing;
mod mischief;
pub mod provider;
mod refunds;
pub mod refusal;
pub mod request;
pub mod server;

#[cfg(test)]
mod tests;
