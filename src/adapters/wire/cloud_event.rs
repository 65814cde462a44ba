//! The envelope of an event: CloudEvents 1.0 in binary or structured mode, or none at all.
//!
//! ```text
//! headers ce_type, ce_id, …            value = data                        binary
//! content-type application/cloudevents+json   value = {type, id, data, …}  structured
//! neither                              value = data                        bare
//! ```
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::adapters::wire::rejection::{Rejection, RejectionReason, Stage};
use crate::domain::request::{Assumed, Origin, Past};
use crate::domain::timestamp::Timestamp;

/// The most characters of an attribute that is kept: it goes into the database and into headers.
pub const MAX_ATTRIBUTE_CHARS: usize = 256;

const SPEC_VERSION: &str = "1.0";

/// The headers of a record that matter here, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventHeaders<'a> {
    content_type: Option<&'a [u8]>,
    spec_version: Option<&'a [u8]>,
    event_type: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    time: Option<&'a [u8]>,
    correlation_id: Option<&'a [u8]>,
    traceparent: Option<&'a [u8]>,
}

impl<'a> EventHeaders<'a> {
    /// Picks what matters; of a header that is there twice the last one counts, as in Kafka's own API.
    pub fn gather(headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Self {
        let mut gathered = Self::default();
        for (name, value) in headers {
            match name {
                "content-type" => gathered.content_type = value,
                "ce_specversion" => gathered.spec_version = value,
                "ce_type" => gathered.event_type = value,
                "ce_id" => gathered.id = value,
                "ce_time" => gathered.time = value,
                "ce_correlationid" => gathered.correlation_id = value,
                "traceparent" => gathered.traceparent = value,
                "ce_traceparent" => gathered.traceparent = gathered.traceparent.or(value),
                _ => {}
            }
        }
        gathered
    }

    /// Whether the record says that its value is a whole event.
    pub fn are_structured(&self) -> bool {
        matches!(self.mode(), Mode::Structured)
    }

    fn mode(&self) -> Mode {
        let content_type = self.content_type.unwrap_or_default();
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let prefix = b"application/cloudevents";
        match media_type.get(..prefix.len()) {
            Some(start) if start.eq_ignore_ascii_case(prefix) => {
                let json = media_type.get(prefix.len()..).is_some_and(|end| end.eq_ignore_ascii_case(b"+json"));
                if json { Mode::Structured } else { Mode::Unsupported }
            }
            _ => Mode::BinaryOrBare,
        }
    }
}

enum Mode {
    Structured,
    BinaryOrBare,
    Unsupported,
}

/// An event taken out of its envelope.
#[derive(Debug)]
pub struct Opened<'a> {
    /// What the event says it is; `None` where it says nothing.
    pub event_type: Option<Cow<'a, str>>,
    /// Where it came from.
    pub origin: Origin,
    /// The data, as JSON that has not been read yet; `None` where there is none.
    pub data: Option<&'a [u8]>,
    /// What keeps the event from being taken, though it could be opened.
    pub problems: Vec<Rejection>,
}

/// Opens the envelope, without reading the data.
///
/// # Errors
/// [`Rejection`] where there is an envelope and it cannot be read.
pub fn open<'a>(headers: &EventHeaders<'a>, value: Option<&'a [u8]>) -> Result<Opened<'a>, Rejection> {
    let mut opened = inspect(headers, value)?;
    if opened.problems.is_empty() { Ok(opened) } else { Err(opened.problems.swap_remove(0)) }
}

/// Opens the envelope as far as that is possible.
///
/// # Errors
/// [`Rejection`] where nothing can be said of what is in it.
pub fn inspect<'a>(headers: &EventHeaders<'a>, value: Option<&'a [u8]>) -> Result<Opened<'a>, Rejection> {
    match headers.mode() {
        Mode::BinaryOrBare => Ok(open_binary(headers, value)),
        Mode::Structured => open_structured(headers, value),
        Mode::Unsupported => Err(Rejection::undecodable(
            "the content-type is a CloudEvents format other than application/cloudevents+json",
            "send one event a record: attributes in ce_ headers, or all of it as application/cloudevents+json",
        )),
    }
}

fn open_binary<'a>(headers: &EventHeaders<'a>, value: Option<&'a [u8]>) -> Opened<'a> {
    Opened {
        event_type: headers.event_type.map(String::from_utf8_lossy),
        origin: Origin {
            event_id: headers.id.and_then(attribute),
            correlation_id: headers.correlation_id.and_then(attribute),
            traceparent: headers.traceparent.and_then(attribute),
            requested_at: headers.time.and_then(moment),
            past: Past::default(),
            assumed: Assumed::default(),
        },
        data: value,
        problems: Vec::from_iter(wrong_version(headers.spec_version.map(String::from_utf8_lossy).as_deref())),
    }
}

#[derive(Deserialize)]
struct StructuredEvent<'a> {
    specversion: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    id: Option<String>,
    time: Option<String>,
    correlationid: Option<String>,
    traceparent: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<&'a RawValue>,
}

fn open_structured<'a>(headers: &EventHeaders<'a>, value: Option<&'a [u8]>) -> Result<Opened<'a>, Rejection> {
    let value = value.ok_or_else(no_value)?;
    let event: StructuredEvent<'a> = serde_json::from_slice(value).map_err(|problem| unreadable_envelope(&problem))?;
    let mut problems = Vec::from_iter(wrong_version(event.specversion.as_deref()));
    if event.data_base64.is_some() {
        let remedy = "put the request itself into /data, as JSON";
        problems.push(Rejection::contract("/data_base64", "the data must be JSON in /data", remedy));
    }
    let keep = |text: Option<String>| text.and_then(|text| attribute(text.as_bytes()));
    Ok(Opened {
        event_type: event.event_type.map(Cow::Owned),
        origin: Origin {
            event_id: keep(event.id),
            correlation_id: keep(event.correlationid),
            traceparent: headers.traceparent.and_then(attribute).or_else(|| keep(event.traceparent)),
            requested_at: event.time.and_then(|time| moment(time.as_bytes())),
            past: Past::default(),
            assumed: Assumed::default(),
        },
        data: event.data.map(|data| data.get().as_bytes()),
        problems,
    })
}

/// The refusal of a record without a value, or of an event without data.
pub fn no_value() -> Rejection {
    Rejection {
        reason: RejectionReason::NoValue,
        stage: Stage::Decode,
        message: "the record has no value: there is nothing to pay".to_owned(),
        pointer: None,
        remedy: "send the request as the record's value, or as /data of a structured event; no tombstones",
    }
}

fn wrong_version(version: Option<&str>) -> Option<Rejection> {
    let remedy = "send specversion 1.0, as header ce_specversion or in the structured event";
    let is_wrong = version.is_some_and(|version| version != SPEC_VERSION);
    is_wrong.then(|| Rejection::contract("/specversion", "only CloudEvents 1.0 is understood", remedy))
}

/// Says where the envelope is wrong. The parser's own words could repeat a value, so they are left out.
fn unreadable_envelope(problem: &serde_json::Error) -> Rejection {
    let (line, column) = (problem.line(), problem.column());
    Rejection::undecodable(
        format!("the value is not a CloudEvent in JSON (line {line}, column {column})"),
        "send a JSON object whose attributes are strings, or another content-type",
    )
}

/// An attribute that may be stored and sent on; one that is too long or has control characters is dropped.
fn attribute(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let lawful = (1..=MAX_ATTRIBUTE_CHARS).contains(&text.chars().count()) && !text.contains(char::is_control);
    lawful.then(|| text.to_owned())
}

/// The moment that RFC 3339 text tells, if it is that.
pub fn moment(bytes: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(bytes).ok()?;
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok().map(Timestamp::from_micros)
}
