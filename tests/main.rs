//! One integration binary: the house's rules, the ports' contracts, the main job on real servers.
//!
//! `make test` starts the servers; a missing one fails the tests that need it.

mod architecture;
mod benchmarks;
mod chaos;
mod contract;
mod explore;
mod flow;
mod kafka;
mod schemas;
mod support;
