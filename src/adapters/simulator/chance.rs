//! Chance without randomness: everything that seems random is a hash of the seed and of names.
//!
//! Two runs with the same seed therefore meet the same faults and declines for the same orders and
//! keys, however their requests interleave. Must never read a clock or the system's randomness.

use std::f64::consts::TAU;
use std::time::Duration;

/// A well mixed number for these names: FNV-1a, then the finaliser of splitmix64.
///
/// The hash is stable across processes and releases, which the standard library's is not.
pub(crate) fn digest(seed: u64, names: &[&[u8]]) -> u64 {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = FNV_OFFSET ^ mix(seed);
    for name in names {
        for byte in *name {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
        // A mark between names, so that "a" + "bc" is not "ab" + "c".
        hash = (hash ^ 0xff).wrapping_mul(FNV_PRIME);
    }
    mix(hash)
}

const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The number as a draw, at least 0 and below 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exactly what a float holds")]
pub(crate) fn draw(digest: u64) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (digest >> 11) as f64 * STEP
}

/// A duration around `median`, log-normal with this sigma; the median itself where sigma is zero.
pub(crate) fn log_normal(median: Duration, sigma: f64, digest: u64) -> Duration {
    if median.is_zero() || sigma <= 0.0 {
        return median;
    }
    // Box and Muller's transform; 1 - draw lies above 0, so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - draw(digest)).ln()).sqrt();
    let normal = radius * (TAU * draw(mix(digest))).cos();
    Duration::try_from_secs_f64(median.as_secs_f64() * (sigma * normal).exp()).unwrap_or(median)
}

/// A name in the provider's manner: a prefix and 24 characters.
pub(crate) fn name(prefix: &str, digest: u64) -> String {
    format!("{prefix}_{digest:016x}{:08x}", mix(digest) >> 32)
}
