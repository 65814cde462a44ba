//! What the chaos tests send and judge by serves here as well: the same orders, the same checker.

#[path = "../../tests/chaos/checker.rs"]
pub(crate) mod checker;
#[path = "../../tests/chaos/evidence.rs"]
pub(crate) mod evidence;
#[path = "../../tests/chaos/load.rs"]
pub(crate) mod load;
