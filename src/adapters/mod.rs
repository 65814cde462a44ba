//! One folder per technology. Each implements ports or drives the application; none knows another's
//! insides. `wire` is the one that several share: the published form of the events.

pub mod http;
pub mod kafka;
pub mod memory;
pub mod postgres;
pub mod simulator;
pub mod sql;
pub mod sqlite;
pub mod stripe;
pub mod system;
pub mod wire;
