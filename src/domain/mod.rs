//! The values of the business and their rules. Pure: no I/O, no clock, no randomness, no framework.
//!
//! ```text
//! PaymentRequest ──► Payment ──prepare──► Armed ──charge──► Settlement ──► Outcome
//!        └─ Order (PENDING) ──────────────────────────────► Order (PAID | FAILED)
//! ```

pub mod attempt;
pub mod evidence;
pub mod idempotency;
pub mod money;
pub mod order;
pub mod outcome;
pub mod payment;
pub mod refund;
pub mod request;
pub mod timestamp;
