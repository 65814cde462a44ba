//! Which attempt to pay an order it is: a new attempt has new idempotency keys.

use std::num::NonZeroU32;

/// Which attempt to pay an order, from 1. A new attempt has new idempotency keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The attempt of that number, unless it is zero.
    pub fn numbered(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// 1 for the first attempt.
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
