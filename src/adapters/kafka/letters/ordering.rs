//! Which records have to stay in their order, and the partition that keeps them so. Pure.

use std::borrow::Cow;

use crate::adapters::kafka::scan::ScannedRecord;
use crate::adapters::wire::cloud_event::EventHeaders;
use crate::adapters::wire::lint::order_of;

/// What records that must not overtake each other have in common: their key, or the order that they speak of where
/// their writer sets none. `None` where neither is told.
pub fn ordering_key(record: &ScannedRecord) -> Option<Cow<'_, [u8]>> {
    if let Some(key) = &record.key {
        return Some(Cow::Borrowed(key));
    }
    let headers = EventHeaders::gather(record.headers().unwrap_or_default());
    order_of(record.value.as_deref(), &headers).map(|order_id| Cow::Owned(order_id.into_bytes()))
}

/// The partition that Kafka's own clients choose for a key, of so many.
pub(crate) fn partition_of(key: &[u8], partitions: usize) -> Option<i32> {
    let count = i32::try_from(partitions).ok().filter(|count| *count > 0)?;
    Some((murmur2(key) & 0x7fff_ffff).cast_signed() % count)
}

/// `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;

    // A key is far shorter than four gigabytes; Kafka takes the low 32 bits of its length.
    let length = u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(u32::MAX);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = words.iter().fold(SEED ^ length, |hash, word| {
        let mixed = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash.wrapping_mul(FACTOR) ^ (mixed ^ (mixed >> 24)).wrapping_mul(FACTOR)
    });
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0_u32, |last, byte| (last << 8) | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashed_as_kafkas_own_clients_do() {
        // The samples of UtilsTest.testMurmur2 in Apache Kafka.
        let samples: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, expected) in samples {
            assert_eq!(murmur2(key).cast_signed(), expected, "{key:?}");
        }
        assert_eq!(partition_of(b"abc", 6), Some(479_470_107 % 6));
        assert_eq!(partition_of(b"abc", 0), None);
    }

    #[test]
    fn records_without_a_key_are_ordered_by_the_order_they_speak_of() {
        let ordered_by = |key: Option<&str>, value: &str| {
            let (key, value) = (key.map(|key| key.as_bytes().to_vec()), Some(value.as_bytes().to_vec()));
            let record = ScannedRecord { partition: 0, offset: 0, timestamp: None, key, value, headers: None };
            ordering_key(&record).map(Cow::into_owned)
        };
        assert_eq!(ordered_by(Some("k"), r#"{"order_id":"o-1"}"#).as_deref(), Some(&b"k"[..]));
        assert_eq!(ordered_by(None, r#"{"order_id":"o-1"}"#).as_deref(), Some(&b"o-1"[..]));
        assert_eq!(ordered_by(None, "not JSON"), None);
    }
}
