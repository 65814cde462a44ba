//! Dead letters as they lie on a topic, ours and those of others: what they tell, and how they are sent again.
//!
//! ```text
//! ScannedRecord ─► Letter (dialect, origin, reason, …)      pure
//!       └──────── Redriver: original key, value and headers ─► request topic
//! ```

mod dialect;
mod letter;
mod ordering;
mod redriver;

pub use dialect::Dialect;
pub use letter::Letter;
pub use ordering::ordering_key;
pub use redriver::{Home, OnTheWay, Redriver, Unsent};
