//! Tests of group commit.
