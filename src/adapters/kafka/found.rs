//! What a record on the outcome topic says. Believes no one: an id that is not the one its order and
//! type make would mark another outcome as published.

use rdkafka::message::{Headers, Message};
use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;

use crate::adapters::kafka::record::readable;
use crate::domain::outcome::{EventId, OutcomeKind, RefundKind};
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
    if made_ids(&event).contains(&event.id) == is_known(&event.event_type) { Ok(event) } else { Err(Stranger::WrongId) }
}

const REFUND_KINDS: [RefundKind; 2] = [RefundKind::Refunded, RefundKind::RefundFailed];

fn is_known(event_type: &str) -> bool {
    let is_refund = REFUND_KINDS.iter().any(|kind| kind.event_type() == event_type);
    is_refund || OutcomeKind::from_event_type(event_type).is_some()
}

/// The ids that this record may have: the one that its type makes; for a type that is not known, those of all
/// known types, none of which it may have.
fn made_ids(event: &OutcomeEvent) -> Vec<EventId> {
    let may_be = |event_type: &str| event_type == event.event_type || !is_known(&event.event_type);
    let of_order = [OutcomeKind::Paid, OutcomeKind::Failed].into_iter().filter(|kind| may_be(kind.event_type()));
    let of_refund = REFUND_KINDS.into_iter().filter(|kind| may_be(kind.event_type()));
    let refund_id =
        serde_json::from_slice::<NamesRefund>(&event.payload).ok().and_then(|named| named.refund_id.parse().ok());
    let of_refund = of_refund.filter_map(|kind| Some(EventId::of_refund(&event.order_id, refund_id?, kind)));
    of_order.map(|kind| EventId::of(&event.order_id, kind)).chain(of_refund).collect()
}

/// The part of a refund's event that its id is made of.
#[derive(Deserialize)]
struct NamesRefund {
    refund_id: String,
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

    const REFUND: &str = "018f8c3e-0000-7000-8000-000000000001";

    fn record(order: &str, event_type: &str, id: EventId) -> OwnedMessage {
        let id = id.to_string();
        let headers = OwnedHeaders::new()
            .insert(Header { key: "ce_id", value: Some(&id) })
            .insert(Header { key: "ce_type", value: Some(event_type) });
        let (key, value) =
            (Some(order.as_bytes().to_vec()), Some(format!(r#"{{"refund_id":"{REFUND}"}}"#).into_bytes()));
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
        let newer = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"a dispute");
        let event = outcome_event(&record("o-1", "payment-disputed", EventId::from_uuid(newer))).expect("ours");
        assert_eq!(event.event_type, "payment-disputed");
        let random = EventId::from_uuid(Uuid::new_v4());
        assert_eq!(outcome_event(&record("o-1", "payment-disputed", random)), Err(Stranger::OtherRecord));
    }

    #[test]
    fn what_tells_of_a_refund_is_ours_under_the_id_that_the_refund_makes() {
        let (order, refund) = ("o-1".parse().expect("an id"), REFUND.parse().expect("an id"));
        let refunded = EventId::of_refund(&order, refund, RefundKind::Refunded);
        assert_eq!(outcome_event(&record("o-1", "payment-refunded", refunded)).expect("ours").id, refunded);
        assert_eq!(outcome_event(&record("o-1", "payment-refund-failed", refunded)), Err(Stranger::WrongId));
        assert_eq!(outcome_event(&record("o-2", "payment-refunded", refunded)), Err(Stranger::WrongId));
        assert_eq!(outcome_event(&record("o-1", "payment-disputed", refunded)), Err(Stranger::WrongId));
        let other =
            EventId::of_refund(&order, crate::domain::refund::RefundId::from_uuid(Uuid::nil()), RefundKind::Refunded);
        assert_eq!(outcome_event(&record("o-1", "payment-refunded", other)), Err(Stranger::WrongId));
    }
}
