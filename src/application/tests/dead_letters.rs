//! Decisions about dead letters: once each, and taken over from the dead alone.

use std::sync::Arc;
use std::time::Duration;

use crate::adapters::memory::clock::ManualClock;
use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::application::dead_letters::{Decision, Decisions, GIVEN_UP_AFTER, LetterId, Sent, Standing};
use crate::application::tests::stage::START;
use crate::ports::audit_trail::AuditTrail;

struct Desk {
    audit: Arc<dyn AuditTrail>,
    clock: Arc<ManualClock>,
}

impl Desk {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(START));
        Self { audit: Arc::new(MemoryOrderRepository::new(clock.clone())), clock }
    }

    async fn read(&self) -> Decisions {
        Decisions::read(Arc::clone(&self.audit), "dlq").await.expect("the memory answers")
    }

    async fn standing(&self, id: &LetterId) -> Standing {
        self.read().await.standing(id)
    }
}

fn letter(offset: i64) -> LetterId {
    LetterId { partition: 0, offset, written_at: Some(START) }
}

async fn redrives(decisions: &Decisions, id: LetterId) -> bool {
    decisions.decide(&[id], Decision::Redrive, "ada", "mended").await.expect("the memory answers") == [true]
}

#[tokio::test]
async fn of_two_who_saw_the_same_letter_open_one_alone_sends_it() {
    let desk = Desk::new();
    let (one, other) = (desk.read().await, desk.read().await);
    assert!(redrives(&one, letter(1)).await);
    assert!(!redrives(&other, letter(1)).await);
    let discards = other.decide(&[letter(1), letter(2)], Decision::Discard, "bob", "garbage").await;
    assert_eq!(discards.expect("the memory answers"), [false, true]);
    assert_eq!(desk.standing(&letter(1)).await, Standing::Redriving);
    assert_eq!(desk.standing(&letter(2)).await, Standing::Discarded);
    assert_eq!(desk.standing(&letter(3)).await, Standing::Open);
}

#[tokio::test]
async fn what_a_crash_left_is_taken_over_once_and_not_too_early() {
    let desk = Desk::new();
    let dead = desk.read().await;
    assert!(redrives(&dead, letter(1)).await);
    let (most, rest) = (GIVEN_UP_AFTER.mul_f64(0.99), GIVEN_UP_AFTER.mul_f64(0.01));
    desk.clock.advance(most);
    assert_eq!(desk.standing(&letter(1)).await, Standing::Redriving);
    desk.clock.advance(rest);
    assert_eq!(desk.standing(&letter(1)).await, Standing::Interrupted);

    let (one, other) = (desk.read().await, desk.read().await);
    assert!(redrives(&one, letter(1)).await);
    assert!(!redrives(&other, letter(1)).await);
    assert_eq!(desk.standing(&letter(1)).await, Standing::Redriving, "by the one who took it over");
    // The one that was thought dead was only slow: its end is not that of the other.
    dead.conclude(&[(letter(1), Sent::Confirmed, "late".to_owned())], "ada").await.expect("the memory answers");
    one.conclude(&[(letter(1), Sent::Confirmed, "t/0/7".to_owned())], "bob").await.expect("the memory answers");
    let read = desk.read().await;
    let states: Vec<_> = read.history(&letter(1)).iter().map(|entry| (entry.version, entry.state.as_str())).collect();
    assert_eq!(states, [(1, "REDRIVING"), (2, "REDRIVING"), (3, "REDRIVEN")]);
    assert_eq!(read.standing(&letter(1)), Standing::Redriven);
}

#[tokio::test]
async fn a_letter_that_the_cluster_refuses_is_open_again() {
    let desk = Desk::new();
    let decisions = desk.read().await;
    assert!(redrives(&decisions, letter(1)).await);
    let refused = [(letter(1), Sent::Refused, "too large".to_owned())];
    decisions.conclude(&refused, "ada").await.expect("the memory answers");
    assert_eq!(desk.standing(&letter(1)).await, Standing::Open);
    assert!(redrives(&desk.read().await, letter(1)).await);
}

#[tokio::test]
async fn a_letter_of_a_topic_that_was_made_anew_is_another_one() {
    let desk = Desk::new();
    assert!(redrives(&desk.read().await, letter(1)).await);
    let anew = LetterId { written_at: Some(START.plus(Duration::from_hours(1))), ..letter(1) };
    assert_eq!(desk.standing(&anew).await, Standing::Open);
    assert_eq!(desk.standing(&LetterId { written_at: None, ..letter(1) }).await, Standing::Open);
}
