//! A record that has left librdkafka's buffers, and the token that says whether it is still ours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message, OwnedHeaders};
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::age::past;
use crate::adapters::kafka::dead_letter::FIRST_FAILED_AT;
use crate::adapters::wire::cloud_event::{EventHeaders, moment};
use crate::adapters::wire::rejection::Rejection;
use crate::adapters::wire::request::{DecodeOptions, Decoded, decode};
use crate::domain::timestamp::Timestamp;

/// What a record costs beyond its bytes, roughly: maps, queues, its task.
const OVERHEAD_BYTES: usize = 1024;

/// One stretch of time in which one partition is ours.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) partition: i32,
    /// Distinguishes this stretch from earlier and later ones of the same partition.
    pub(crate) generation: u64,
    /// Records below this offset were read before, by an earlier life of the database.
    pub(crate) horizon: i64,
    /// Canceled when the partition is taken away or the consumer stops: start nothing new.
    pub(crate) revoked: CancellationToken,
    /// Where it is told that one of its records was let go.
    pub(crate) completions: Sender<Completion>,
}

impl Lease {
    /// A stretch that begins now.
    pub(crate) fn of(partition: i32, generation: u64, horizon: i64, completions: &Sender<Completion>) -> Self {
        let (revoked, completions) = (CancellationToken::new(), completions.clone());
        Self { partition, generation, horizon, revoked, completions }
    }
}

/// A record, owned. Tells the poll thread when it is let go, in whatever way that happens.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) lease: Arc<Lease>,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Option<OwnedHeaders>,
    /// When it was made or appended, as the topic has it.
    timestamp: Option<Timestamp>,
    bytes: usize,
    is_done: bool,
}

/// A record that is held no more.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) lease: Arc<Lease>,
    pub(crate) offset: i64,
    pub(crate) bytes: usize,
    /// Whether the watermark may pass it.
    pub(crate) is_done: bool,
}

impl Record {
    /// Copies a record out of librdkafka, whose buffers a borrowed one would keep alive.
    pub(crate) fn copied(message: &BorrowedMessage<'_>, lease: Arc<Lease>) -> Self {
        let headers = message.headers().map(BorrowedHeaders::detach);
        let lengths = [message.key().map(<[u8]>::len), message.payload().map(<[u8]>::len)];
        let header_bytes = headers.as_ref().map_or(0, header_bytes);
        Self {
            lease,
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
            timestamp: message
                .timestamp()
                .to_millis()
                .map(|millis| Timestamp::from_micros(millis.saturating_mul(1_000))),
            bytes: lengths.iter().flatten().sum::<usize>() + header_bytes + OVERHEAD_BYTES,
            is_done: false,
        }
    }

    /// A record without content, for tests of the bookkeeping.
    #[cfg(test)]
    pub(crate) fn empty(lease: &Arc<Lease>, offset: i64) -> Self {
        let (key, value, headers, timestamp) = (None, None, None, None);
        Self { lease: Arc::clone(lease), offset, key, value, headers, timestamp, bytes: 0, is_done: false }
    }

    /// What it counts for in the byte budget.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets it go for good: the watermark may pass it.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }

    /// Reads what it says, and what may have happened before it was read `now`.
    ///
    /// # Errors
    /// [`Rejection`] where it can never be paid as it is.
    pub(crate) fn decode(&self, options: &DecodeOptions, now: Timestamp) -> Result<Decoded, Rejection> {
        let was_read_before = self.offset < self.lease.horizon;
        self.content().decode(was_read_before, options, now)
    }

    /// Since when someone may have known of it, for when it is sent again and looks young: no later than its own time,
    /// and since ever where it has none, or where an earlier life of the database may have handled it.
    pub(crate) fn known_since(&self, now: Timestamp) -> Timestamp {
        let was_read_before = self.offset < self.lease.horizon;
        self.timestamp.filter(|_| !was_read_before).map_or(Timestamp::EPOCH, |written_at| written_at.min(now))
    }

    fn content(&self) -> Content<'_> {
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        Content { key, value, headers: self.headers.as_ref(), timestamp: self.timestamp }
    }
}

/// What a record says, wherever it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content<'record> {
    pub(crate) key: Option<&'record [u8]>,
    pub(crate) value: Option<&'record [u8]>,
    pub(crate) headers: Option<&'record OwnedHeaders>,
    /// When it was made or appended, as the topic has it.
    pub(crate) timestamp: Option<Timestamp>,
}

impl Content<'_> {
    /// Reads it, and what may have happened before it was read `now`. `was_read_before` says whether an earlier
    /// life of the database may have handled it.
    ///
    /// # Errors
    /// [`Rejection`] where it can never be paid as it is.
    pub(crate) fn decode(
        &self,
        was_read_before: bool,
        options: &DecodeOptions,
        now: Timestamp,
    ) -> Result<Decoded, Rejection> {
        let headers = match self.headers {
            None => Vec::new(),
            Some(headers) => readable(headers).ok_or_else(unreadable_header)?,
        };
        let first_failed_at = headers.iter().rfind(|(name, _)| *name == FIRST_FAILED_AT).and_then(|(_, value)| *value);
        let first_failed_at = first_failed_at.and_then(moment);
        let event = EventHeaders::gather(headers);
        let mut decoded = decode(self.key, self.value, &event, options)?;
        if let Decoded::Request(request) = &mut decoded {
            let moments = [request.origin.requested_at, self.timestamp, first_failed_at];
            request.origin.past = past(moments.into_iter().flatten(), was_read_before, now);
        }
        Ok(decoded)
    }
}

fn unreadable_header() -> Rejection {
    let message = "a header's name is not UTF-8, as Kafka's protocol asks";
    Rejection::undecodable(message, "name headers in UTF-8; ASCII is best")
}

impl Drop for Record {
    fn drop(&mut self) {
        let completion = Completion {
            lease: Arc::clone(&self.lease),
            offset: self.offset,
            bytes: self.bytes,
            is_done: self.is_done,
        };
        // Once the poll thread has ended there is no one left to tell, and nothing is committed any more.
        let _told = self.lease.completions.send(completion);
    }
}

/// A header's name and value.
pub(crate) type HeaderView<'a> = (&'a str, Option<&'a [u8]>);

/// The headers, unless one has a name that is not UTF-8.
///
/// rdkafka 0.39 panics on such a name (`message.rs`, `try_get`), and anyone who may write to the
/// topic can send one: the panic is caught here, so that the record becomes a dead letter.
pub(crate) fn readable<H: Headers>(headers: &H) -> Option<Vec<HeaderView<'_>>> {
    let read = || headers.iter().map(|header| (header.key, header.value)).collect();
    catch_unwind(AssertUnwindSafe(read)).ok()
}

fn header_bytes(headers: &OwnedHeaders) -> usize {
    // Unreadable headers are rare and at most a few kilobytes beside a dead letter's way.
    let Some(headers) = readable(headers) else { return OVERHEAD_BYTES };
    headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use rdkafka::message::Header;

    use super::*;
    use crate::domain::request::Past;

    /// Headers of which the second cannot be read, as rdkafka behaves.
    struct BadName;

    impl Headers for BadName {
        fn count(&self) -> usize {
            2
        }

        fn try_get(&self, index: usize) -> Option<Header<'_, &[u8]>> {
            assert!(index == 0, "a name that is not UTF-8");
            Some(Header { key: "good", value: None })
        }
    }

    #[test]
    fn a_header_name_that_is_not_utf8_is_an_answer_and_no_crash() {
        assert_eq!(readable(&BadName), None);
        let good = OwnedHeaders::new().insert(Header { key: "a", value: Some("1") });
        assert_eq!(readable(&good), Some(vec![("a", Some(&b"1"[..]))]));
    }
    const NOW: Timestamp = Timestamp::from_micros(1_767_323_045_000_000); // 2026-01-02T03:04:05Z
    const HOUR: i64 = 3_600_000_000;

    fn hours_ago(hours: i64) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() - hours * HOUR)
    }

    /// What is said about the past of a request at offset 7, made or appended then, with these headers.
    fn past_of(horizon: i64, timestamp: Option<Timestamp>, headers: &[(&str, &str)]) -> Past {
        let lease = Lease::of(0, 1, horizon, &channel().0);
        let value = r#"{"order_id":"o","customer_email":"a@b.example","total_amount":"1","currency":"EUR","payment_method":"pm"}"#;
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
        let mut record = Record::empty(&Arc::new(lease), 7);
        (record.value, record.headers, record.timestamp) = (Some(value.as_bytes().to_vec()), Some(headers), timestamp);
        match record.decode(&DecodeOptions::default(), NOW).expect("a request") {
            Decoded::Request(request) => request.origin.past,
            Decoded::OtherType(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_oldest_time_that_a_record_bears_is_its_age() {
        let (young, old) = ("2026-01-02T02:04:05Z", "2026-01-01T00:04:05+01:00");
        let since = |hours| Past::Unknown { since: Some(hours_ago(hours)) };
        assert_eq!(past_of(0, Some(hours_ago(1)), &[("ce_time", young)]), Past::Known);
        assert_eq!(past_of(0, Some(hours_ago(1)), &[]), Past::Known);
        assert_eq!(past_of(0, Some(hours_ago(30)), &[("ce_time", young)]), since(31));
        assert_eq!(past_of(0, Some(hours_ago(1)), &[("ce_time", old)]), since(29));
        assert_eq!(past_of(0, Some(hours_ago(1)), &[(FIRST_FAILED_AT, old)]), since(29));
        assert_eq!(past_of(0, None, &[(FIRST_FAILED_AT, "yesterday"), ("ce_time", "")]), Past::Unknown { since: None });
    }

    #[test]
    fn a_record_that_is_sent_again_is_no_younger_for_it() {
        let known_since = |horizon, timestamp| {
            let mut record = Record::empty(&Arc::new(Lease::of(0, 1, horizon, &channel().0)), 7);
            record.timestamp = timestamp;
            record.known_since(NOW)
        };
        assert_eq!(known_since(0, Some(hours_ago(30))), hours_ago(30));
        assert_eq!(known_since(0, Some(hours_ago(-1))), NOW, "clocks differ");
        assert_eq!(known_since(0, None), Timestamp::EPOCH);
        assert_eq!(known_since(8, Some(hours_ago(1))), Timestamp::EPOCH, "it was read before");
    }

    #[test]
    fn a_record_below_the_horizon_was_read_before() {
        assert_eq!(past_of(7, Some(hours_ago(1)), &[]), Past::Known);
        assert_eq!(past_of(8, Some(hours_ago(1)), &[]), Past::Unknown { since: Some(hours_ago(2)) });
    }
}
