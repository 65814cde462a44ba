//! What every publisher of outcomes must do, whatever it is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use order_payments::adapters::wire::outcome::encode;
use order_payments::domain::attempt::Attempt;
use order_payments::domain::money::Money;
use order_payments::domain::order::{Order, OrderStatus};
use order_payments::domain::outcome::{FailureCategory, FailureReason, Outcome, Verdict};
use order_payments::domain::request::Origin;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::event_publisher::{EventPublisher, PublishError, Tail};
use order_payments::ports::outbox::{OutcomeEvent, Position};

/// Makes publishers of the same name for the same topic.
pub(crate) type Maker<'a> = &'a (dyn Fn() -> Arc<dyn EventPublisher> + Sync);

const EVERYTHING: usize = 1_000_000;

/// The outcome of an order, PAID.
pub(crate) fn paid(order: &str) -> OutcomeEvent {
    encode(&outcome(order, OrderStatus::Paid, Verdict::Paid { reference: "pi_1".parse().expect("a token") }))
}

/// The outcome of an order, FAILED.
pub(crate) fn failed(order: &str) -> OutcomeEvent {
    let reason = FailureReason {
        code: "card_declined".to_owned(),
        category: FailureCategory::HardDecline,
        message: "The card was declined.".to_owned(),
    };
    encode(&outcome(order, OrderStatus::Failed, Verdict::Failed { reference: None, reason }))
}

fn outcome(order: &str, status: OrderStatus, verdict: Verdict) -> Outcome {
    let id = order.parse().expect("an id");
    let email = "ann@example.com".parse().expect("an address");
    let amount = Money::parse("12.50", "EUR").expect("an amount");
    let origin = Origin { event_id: Some("e-1".to_owned()), ..Origin::default() };
    let order = Order::restore(id, email, amount, status);
    Outcome { order, verdict, attempt: Attempt::FIRST, occurred_at: Timestamp::from_micros(1), origin }
}

async fn leader(make: Maker<'_>) -> Arc<dyn EventPublisher> {
    let publisher = make();
    publisher.take_over().await.expect("taken over");
    publisher
}

async fn all(publisher: &Arc<dyn EventPublisher>) -> Tail {
    let tail = publisher.tail(&[], EVERYTHING).await.expect("read");
    assert!(tail.complete, "{tail:?}");
    tail
}

/// What is published is found, each event where its answer says and byte for byte.
pub(crate) async fn what_is_published_is_found_as_it_was_sent(make: Maker<'_>) {
    let publisher = leader(make).await;
    let batch: Vec<OutcomeEvent> = (0..50).map(|number| paid(&format!("o-{number}"))).chain([failed("f-1")]).collect();
    let answers = publisher.publish(&batch).await.expect("published");
    assert_eq!(answers.len(), batch.len());
    let tail = all(&publisher).await;
    let found: BTreeMap<_, _> = tail.events.iter().map(|found| (found.event.id, found)).collect();
    assert_eq!((tail.events.len(), found.len()), (batch.len(), batch.len()));
    for (event, published) in batch.iter().zip(&answers) {
        let found = found[&event.id];
        assert_eq!(&found.event, event);
        assert_eq!(published.event_id, event.id);
        assert_eq!((found.partition, found.offset), (published.partition, published.offset));
    }
}

/// The outcomes of one order keep their order, over batches too.
pub(crate) async fn the_outcomes_of_an_order_keep_their_order(make: Maker<'_>) {
    let publisher = leader(make).await;
    publisher.publish(&[paid("o-1"), failed("o-1")]).await.expect("published");
    publisher.publish(&[paid("o-2"), paid("o-1")]).await.expect("published");
    let tail = all(&publisher).await;
    let mut ours: Vec<_> = tail.events.iter().filter(|found| found.event.order_id.as_str() == "o-1").collect();
    ours.sort_by_key(|found| found.offset);
    let ids: Vec<_> = ours.iter().map(|found| found.event.id).collect();
    assert_eq!(ids, [paid("o-1").id, failed("o-1").id, paid("o-1").id]);
    assert!(ours.iter().all(|found| found.partition == ours[0].partition));
}

/// A tail read from where the last one ended has what came since, and no more.
pub(crate) async fn a_tail_goes_on_where_the_last_one_ended(make: Maker<'_>) {
    let publisher = leader(make).await;
    publisher.publish(&[paid("o-1"), paid("o-2"), paid("o-3")]).await.expect("published");
    let first = all(&publisher).await;
    publisher.publish(&[paid("o-4")]).await.expect("published");
    let second = publisher.tail(&first.read_up_to, EVERYTHING).await.expect("read");
    let ids: Vec<_> = second.events.iter().map(|found| found.event.id).collect();
    assert_eq!((ids, second.complete), (vec![paid("o-4").id], true));
    let third = publisher.tail(&second.read_up_to, EVERYTHING).await.expect("read");
    assert_eq!((third.events.len(), third.complete), (0, true));
}

/// A tail stops at about its limit, says so, and what follows is found by the next.
pub(crate) async fn a_long_tail_is_read_in_stretches(make: Maker<'_>) {
    let publisher = leader(make).await;
    let batch: Vec<OutcomeEvent> = (0..100).map(|number| paid(&format!("o-{number}"))).collect();
    publisher.publish(&batch).await.expect("published");
    let (mut positions, mut found, mut stretches) = (Vec::<Position>::new(), 0, 0);
    loop {
        let tail = publisher.tail(&positions, 10).await.expect("read");
        (positions, found, stretches) = (tail.read_up_to, found + tail.events.len(), stretches + 1);
        if tail.complete {
            break;
        }
    }
    assert_eq!(found, batch.len());
    assert!(stretches > 5, "{stretches}");
}

/// After a take-over the older publisher is refused and nothing of it becomes visible.
pub(crate) async fn a_publisher_that_was_taken_over_publishes_nothing(make: Maker<'_>) {
    let older = leader(make).await;
    older.publish(&[paid("o-1")]).await.expect("published");
    let newer = leader(make).await;
    let refused = older.publish(&[paid("o-2")]).await;
    assert!(matches!(refused, Err(PublishError::Fenced)), "{refused:?}");
    newer.publish(&[paid("o-3")]).await.expect("published");
    let mut ids: Vec<_> = all(&newer).await.events.iter().map(|found| found.event.id).collect();
    let mut expected = vec![paid("o-1").id, paid("o-3").id];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    older.take_over().await.expect("leads again");
    older.publish(&[paid("o-4")]).await.expect("published");
}

/// Without a take-over nothing is published, and the error asks for one.
pub(crate) async fn nothing_is_published_before_a_take_over(make: Maker<'_>) {
    let publisher = make();
    let refused = publisher.publish(&[paid("o-1")]).await;
    assert!(matches!(refused, Err(PublishError::InDoubt { .. })), "{refused:?}");
    assert!(all(&publisher).await.events.is_empty());
}

/// The topic in memory keeps the same contract; the real one is held to it in `kafka::publisher`.
mod memory {
    use std::sync::Arc;

    use order_payments::adapters::memory::event_publisher::{MemoryEventPublisher, MemoryTopic};

    macro_rules! contract {
        ($($name:ident),+ $(,)?) => {
            $(#[tokio::test]
            async fn $name() {
                let topic: Arc<MemoryTopic> = Arc::default();
                super::$name(&|| Arc::new(MemoryEventPublisher::new(Arc::clone(&topic)))).await;
            })+
        };
    }

    contract!(
        what_is_published_is_found_as_it_was_sent,
        the_outcomes_of_an_order_keep_their_order,
        a_tail_goes_on_where_the_last_one_ended,
        a_long_tail_is_read_in_stretches,
        a_publisher_that_was_taken_over_publishes_nothing,
        nothing_is_published_before_a_take_over,
    );
}
