//! What commands show of orders, refunds, findings and the journal: as JSON and as tables, the same everywhere.

pub(crate) mod finding;
pub(crate) mod journal;
pub(crate) mod order;
pub(crate) mod refund;
