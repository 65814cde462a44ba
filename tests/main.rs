//! Tests.

mod kafka;
