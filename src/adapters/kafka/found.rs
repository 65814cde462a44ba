//! What a record on the outcome topic says. Believes no one: an id that is not the one its order and
//! type make would mark another outcome as published.

use rdkafka::message::{Headers, Message};
use thiserror::Error;
use uuid::Uuid;

use crate::adapters::kafka::record::readable;
use crate::domain::outcome::{EventId, OutcomeKind};
use crate::ports::outbox::OutcomeEvent;

/// Why a record is none of our outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Stranger {
    #[error("it is no payment outcome")]
    OtherRecord,
    #[error("its ce_id is not the one that its order and type make, so it was not written by this service")]
    WrongId,
}

/// The outcome that a record tells of, if it is one of ours. One of a type that only a newer program
/// knows is ours too: that program's relay may have died after publishing it.
pub(crate) fn outcome_event(message: &impl Message) -> Result<OutcomeEvent, Stranger> {
    let event = read(message).ok_or(Stranger::OtherRecord)?;
    let made = |kind| EventId::of(&event.order_id, kind);
    let is_ours = match OutcomeKind::from_event_type(&event.event_type) {
        Some(kind) => event.id == made(kind),
        None => ![OutcomeKind::Paid, OutcomeKind::Failed].map(made).contains(&event.id),
    };
    if is_ours { Ok(event) } else { Err(Stranger::WrongId) }
}

fn read(message: &impl Message) -> Option<OutcomeEvent> {
    let headers = texts(message.headers()?)?;
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let id = Uuid::parse_str(find("ce_id")?).ok()?;
    let event_type = find("ce_type")?.to_owned();
    // What all our outcomes have in common, of whatever version: others' events are not kept for them.
    if !event_type.starts_with("payment-") || id.get_version_num() != 5 {
        return None;
    }
    Some(OutcomeEvent {
        id: EventId::from_uuid(id),
        event_type,
        order_id: std::str::from_utf8(message.key()?).ok()?.parse().ok()?,
        payload: message.payload()?.to_vec(),
        headers,
    })
}

/// The headers, where all of them are text: ours are.
fn texts<H: Headers>(headers: &H) -> Option<Vec<(String, String)>> {
    let headers = readable(headers)?;
    let text = |value: Option<&[u8]>| Some(std::str::from_utf8(value?).ok()?.to_owned());
    headers.into_iter().map(|(name, value)| Some((name.to_owned(), text(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    use super::*;

    fn record(order: &str, event_type: &str, id: EventId) -> OwnedMessage {
        let id = id.to_string();
        let headers = OwnedHeaders::new()
            .insert(Header { key: "ce_id", value: Some(&id) })
            .insert(Header { key: "ce_type", value: Some(event_type) });
        let (key, value) = (Some(order.as_bytes().to_vec()), Some(b"{}".to_vec()));
        OwnedMessage::new(value, key, "outcomes".to_owned(), Timestamp::NotAvailable, 0, 0, Some(headers))
    }

    #[test]
    fn an_id_that_another_order_or_type_makes_is_not_believed() {
        let order = "o-1".parse().expect("an id");
        let paid = EventId::of(&order, OutcomeKind::Paid);
        assert_eq!(outcome_event(&record("o-1", "payment-paid", paid)).expect("ours").id, paid);
        assert_eq!(outcome_event(&record("o-2", "payment-paid", paid)), Err(Stranger::WrongId));
        assert_eq!(outcome_event(&record("o-1", "payment-failed", paid)), Err(Stranger::WrongId));
        assert_eq!(outcome_event(&record("o-1", "payment-noticed", paid)), Err(Stranger::WrongId));
        assert_eq!(outcome_event(&record("o-1", "something-else", paid)), Err(Stranger::OtherRecord));
    }

    #[test]
    fn an_outcome_of_a_newer_program_is_ours_and_anyone_elses_event_is_not() {
        let newer = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"a refund");
        let event = outcome_event(&record("o-1", "payment-refunded", EventId::from_uuid(newer))).expect("ours");
        assert_eq!(event.event_type, "payment-refunded");
        let random = EventId::from_uuid(Uuid::new_v4());
        assert_eq!(outcome_event(&record("o-1", "payment-refunded", random)), Err(Stranger::OtherRecord));
    }
}
