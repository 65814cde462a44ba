//! Tests.

mod contract;
