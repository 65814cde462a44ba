//! Tests of the relay over a topic in memory: each outcome is visible once, whatever fails when.

use super::*;
use crate::adapters::memory::clock::ManualClock;
use crate::adapters::memory::event_publisher::{MemoryEventPublisher, MemoryTopic, PublishFault};
use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::application::relay_outbox::refused::REST_AFTER_REFUSAL;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::outcome::OutcomeKind;
use crate::domain::payment::ChargeFlow;
use crate::domain::request::{Origin, PaymentRequest};
use crate::domain::timestamp::Timestamp;
use crate::ports::event_publisher::Tail;
use crate::ports::order_repository::{Begun, OrderRepository, Standing};
use crate::ports::outbox::{Adopted, OutcomeEvent, Position, Published};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const TOPIC: &str = "outcomes";
const LEASE: Duration = Duration::from_secs(6);

struct Stage {
    store: Arc<MemoryOrderRepository>,
    clock: Arc<ManualClock>,
    topic: Arc<MemoryTopic>,
}

impl Stage {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let store = Arc::new(MemoryOrderRepository::new(Arc::clone(&clock) as _));
        Self { store, clock, topic: Arc::default() }
    }

    async fn with_settled_orders(count: usize) -> Self {
        let stage = Self::new();
        for number in 0..count {
            stage.settle(number).await;
        }
        stage
    }

    async fn settle(&self, number: usize) {
        let order = Order::new(
            format!("ord_{number}").parse().expect("an id"),
            "ada@example.com".parse().expect("an address"),
            Money::parse("12.50", "EUR").expect("an amount"),
        );
        let payment_method = "pm_card_visa".parse().expect("a token");
        let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
        let begun = self.store.begin(&request, ChargeFlow::OneStep, NOW).await.expect("memory answers");
        let Begun::Met(Standing::Armed(armed)) = begun else { panic!("a new one-step payment is armed") };
        let settlement = armed.payment().paid("pi_1".parse().expect("a token"), NOW).expect("pending");
        self.store.settle(&settlement).await.expect("memory answers");
    }

    fn publisher(&self) -> Arc<MemoryEventPublisher> {
        Arc::new(MemoryEventPublisher::new(Arc::clone(&self.topic)))
    }

    fn policy(name: &str) -> RelayPolicy {
        RelayPolicy {
            name: name.to_owned(),
            topic: TOPIC.to_owned(),
            batch_size: 3,
            lease: LEASE,
            poll_interval: Duration::from_millis(50),
        }
    }

    fn relay(&self, name: &str, publisher: &Arc<MemoryEventPublisher>) -> RelayOutbox {
        RelayOutbox::new(Arc::clone(&self.store) as _, Arc::clone(publisher) as _, Self::policy(name))
    }

    fn visible(&self) -> usize {
        self.topic.records().len()
    }

    /// The orders whose outcomes were not published yet.
    async fn waiting(&self) -> Vec<String> {
        let waiting = self.store.unpublished(100).await.expect("memory answers");
        waiting.iter().map(|event| event.order_id.to_string()).collect()
    }

    /// Lets a relay work until there is nothing left that it can do.
    async fn publish_all(&self, relay: &mut RelayOutbox) {
        for _ in 0..100 {
            if relay.run_once().await.expect("nothing fails") == Relayed::Idle {
                return;
            }
        }
        panic!("the relay comes to no end");
    }
}

#[tokio::test]
async fn every_outcome_is_published_once_in_batches() {
    let stage = Stage::with_settled_orders(7).await;
    let mut relay = stage.relay("a", &stage.publisher());
    for expected in [Relayed::Published(3), Relayed::Published(3), Relayed::Published(1), Relayed::Idle] {
        assert_eq!(relay.run_once().await.expect("nothing fails"), expected);
    }
    assert_eq!(stage.visible(), 7);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_on_the_topic_and_not_repeated() {
    let stage = Stage::with_settled_orders(2).await;
    let publisher = stage.publisher();
    let mut relay = stage.relay("a", &publisher);
    publisher.fail_next(PublishFault::AfterCommit);
    assert!(relay.run_once().await.is_err());
    assert_eq!(relay.run_once().await.expect("nothing fails any more"), Relayed::Idle);
    assert_eq!(stage.visible(), 2);
}

#[tokio::test]
async fn a_batch_that_was_not_published_is_published_later() {
    let stage = Stage::with_settled_orders(2).await;
    let publisher = stage.publisher();
    let mut relay = stage.relay("a", &publisher);
    publisher.fail_next(PublishFault::BeforeCommit);
    assert!(relay.run_once().await.is_err());
    assert_eq!(relay.run_once().await.expect("nothing fails any more"), Relayed::Published(2));
    assert_eq!(stage.visible(), 2);
}

#[tokio::test]
async fn a_relay_that_died_between_commit_and_mark_costs_no_double() {
    let stage = Stage::with_settled_orders(2).await;
    let dead = stage.publisher();
    dead.take_over().await.expect("memory answers");
    dead.publish(&stage.store.unpublished(10).await.expect("memory answers")).await.expect("memory answers");
    let mut successor = stage.relay("b", &stage.publisher());
    assert_eq!(successor.run_once().await.expect("nothing fails"), Relayed::Idle);
    assert_eq!(stage.visible(), 2);
}

#[tokio::test]
async fn only_the_leader_publishes_and_a_silent_one_is_replaced_and_fenced() {
    let stage = Stage::with_settled_orders(1).await;
    let old_publisher = stage.publisher();
    let mut old = stage.relay("old", &old_publisher);
    assert_eq!(old.run_once().await.expect("nothing fails"), Relayed::Published(1));
    stage.settle(1).await;
    let mut new = stage.relay("new", &stage.publisher());
    assert_eq!(new.run_once().await.expect("nothing fails"), Relayed::Standby);

    stage.clock.advance(LEASE);
    assert_eq!(new.run_once().await.expect("nothing fails"), Relayed::Published(1));
    stage.settle(2).await;
    // The old one has not noticed: its own watch says that it still leads.
    assert!(matches!(old.run_once().await, Err(RelayError::Publisher(PublishError::Fenced))));
    assert_eq!(new.run_once().await.expect("nothing fails"), Relayed::Published(1));
    assert_eq!(stage.visible(), 3);
}

#[tokio::test]
async fn a_relay_that_resigns_is_replaced_at_once() {
    let stage = Stage::with_settled_orders(1).await;
    let mut first = stage.relay("first", &stage.publisher());
    assert_eq!(first.run_once().await.expect("nothing fails"), Relayed::Published(1));
    first.resign().await.expect("memory answers");
    let mut second = stage.relay("second", &stage.publisher());
    assert_eq!(second.run_once().await.expect("nothing fails"), Relayed::Idle);
}

#[tokio::test]
async fn a_stopping_relay_publishes_what_waits_first() {
    let stage = Stage::with_settled_orders(5).await;
    let stop = CancellationToken::new();
    stop.cancel();
    stage.relay("a", &stage.publisher()).run(stop, Arc::new(Notify::new())).await;
    assert_eq!(stage.visible(), 5);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_read_from_its_start() {
    let stage = Stage::with_settled_orders(2).await;
    let beyond = [Position { partition: 0, next_offset: 1_000_000 }];
    stage.store.adopt(TOPIC, &[], &[], &beyond).await.expect("memory answers");
    let mut relay = stage.relay("a", &stage.publisher());
    assert_eq!(relay.run_once().await.expect("nothing fails"), Relayed::Published(2));
    let successor = stage.publisher();
    assert_eq!(stage.relay("a", &successor).run_once().await.expect("nothing fails"), Relayed::Idle);
    assert_eq!(stage.visible(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_refused_keeps_no_other_waiting_and_is_tried_again_rarely() {
    let stage = Stage::with_settled_orders(8).await;
    stage.topic.set_refused("ord_4", true);
    let mut relay = stage.relay("a", &stage.publisher());
    stage.publish_all(&mut relay).await;
    assert_eq!((stage.visible(), stage.waiting().await), (7, vec!["ord_4".to_owned()]));
    stage.settle(8).await;
    assert_eq!(relay.run_once().await.expect("nothing fails"), Relayed::Published(1), "later ones do not wait");
    assert_eq!(relay.run_once().await.expect("nothing fails"), Relayed::Idle);

    for is_refused in [true, false] {
        stage.topic.set_refused("ord_4", is_refused);
        tokio::time::advance(REST_AFTER_REFUSAL / 2).await;
        stage.clock.advance(LEASE);
        assert_eq!(relay.run_once().await.expect("nothing fails"), Relayed::Idle);
        tokio::time::advance(REST_AFTER_REFUSAL / 2).await;
        let expected = if is_refused { Relayed::Refused } else { Relayed::Published(1) };
        assert_eq!(relay.run_once().await.expect("nothing fails"), expected);
    }
    assert_eq!((stage.visible(), stage.waiting().await.len()), (9, 0));
}

#[tokio::test]
async fn outcomes_that_are_refused_fill_no_batch() {
    let stage = Stage::with_settled_orders(12).await;
    for number in 0..6 {
        stage.topic.set_refused(&format!("ord_{number}"), true);
    }
    let mut relay = stage.relay("a", &stage.publisher());
    stage.publish_all(&mut relay).await;
    assert_eq!((stage.visible(), stage.waiting().await.len()), (6, 6));
}

#[tokio::test]
async fn a_database_that_is_restored_while_its_relay_leads_publishes_nothing_twice() {
    let stage = Stage::with_settled_orders(2).await;
    let mut relay = stage.relay("a", &stage.publisher());
    assert_eq!(relay.run_once().await.expect("nothing fails"), Relayed::Published(2));
    // As after the restore of a dump from before: the same orders are settled again, in a store that has
    // forgotten that they were told.
    let restored = Stage { topic: Arc::clone(&stage.topic), ..Stage::with_settled_orders(2).await };
    relay.outbox = Arc::clone(&restored.store) as _;
    relay.catch_up = CatchUp::new(Arc::clone(&restored.store) as _, Arc::clone(&relay.publisher), TOPIC);
    assert!(matches!(relay.run_once().await, Err(RelayError::Forgotten)));
    assert_eq!(relay.run_once().await.expect("nothing fails any more"), Relayed::Idle);
    assert_eq!((restored.visible(), restored.waiting().await.len()), (2, 0));
}

#[tokio::test]
async fn a_restored_database_is_told_what_the_world_was_told_and_no_one_is_fenced() {
    let stage = Stage::with_settled_orders(2).await;
    let mut leader = stage.relay("leader", &stage.publisher());
    assert_eq!(leader.run_once().await.expect("nothing fails"), Relayed::Published(2));
    let restored = Stage { topic: Arc::clone(&stage.topic), ..Stage::new() };
    let catch_up = CatchUp::new(Arc::clone(&restored.store) as _, restored.publisher(), TOPIC);
    assert_eq!(catch_up.run().await.expect("nothing fails"), Adopted { marked: 0, stored: 2 });
    let told = restored.store.told(&"ord_1".parse().expect("an id")).await.expect("memory answers");
    assert_eq!(told, Some(OutcomeKind::Paid));
    stage.settle(2).await;
    assert_eq!(leader.run_once().await.expect("nothing fails"), Relayed::Published(1));
}

/// A publisher whose broker takes its time.
struct Slow(Arc<MemoryEventPublisher>);

#[async_trait::async_trait]
impl EventPublisher for Slow {
    async fn take_over(&self) -> Result<(), PublishError> {
        self.0.take_over().await
    }
    async fn tail(&self, from: &[Position], limit: usize) -> Result<Tail, PublishError> {
        self.0.tail(from, limit).await
    }
    async fn publish(&self, batch: &[OutcomeEvent]) -> Result<Vec<Published>, PublishError> {
        tokio::time::sleep(LEASE * 2).await;
        self.0.publish(batch).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_with_a_slow_broker_keeps_its_lead() {
    let stage = Stage::with_settled_orders(1).await;
    let publisher = Arc::new(Slow(stage.publisher()));
    let mut slow = RelayOutbox::new(Arc::clone(&stage.store) as _, publisher, Stage::policy("slow"));
    let mut other = stage.relay("other", &stage.publisher());
    let clock = Arc::clone(&stage.clock);
    let (published, standby) = tokio::join!(slow.run_once(), async {
        for _ in 0..6 {
            tokio::time::sleep(LEASE / 3).await;
            clock.advance(LEASE / 3);
        }
        other.run_once().await
    });
    assert_eq!(standby.expect("nothing fails"), Relayed::Standby);
    assert_eq!(published.expect("nothing fails"), Relayed::Published(1));
}
