//! Which activities a round has, and which of them have anything to do.

use std::collections::VecDeque;
use std::time::Duration;

use order_payments::application::relay_outbox::Relayed;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::PaymentState;

use crate::explore::records::Standing;
use crate::explore::scenario::{Relay, START, Team};
use crate::explore::task::{Activity, at_once};
use crate::explore::watch::Watch;
use crate::explore::world::World;

/// Activities that go on at once, each at an instance's place.
pub(crate) type Group = Vec<(Activity, usize)>;

/// When the gateway's list is compared: once even an object that nobody charges counts as left behind.
const SWEPT_AFTER: Duration = Duration::from_hours(25);

/// How often the quiet relay is asked in a round: once for what waits, once to see that nothing does.
const QUIET_ROUNDS: usize = 4;

/// The groups of a round, one after the other.
pub(crate) fn groups(world: &World, is_first: bool) -> VecDeque<Group> {
    let deliver = |place| (0..world.records.len()).map(move |record| (Activity::Deliver(record), place));
    let mut groups: VecDeque<Group> = match world.scenario.team {
        Team::Twins if is_first => VecDeque::from([vec![(Activity::Deliver(0), 0), (Activity::Deliver(0), 1)]]),
        Team::Twins => {
            let together = vec![(Activity::Deliver(0), 0), (Activity::Reconcile, 1)];
            let refunds = vec![(Activity::RequestRefunds, 0), (Activity::Refund, 1)];
            VecDeque::from([vec![(Activity::Review, 0)], together, refunds])
        }
        Team::Alone => {
            let rest = [Activity::KeepGate, Activity::Review, Activity::RequestRefunds];
            let rest = rest
                .into_iter()
                .chain([Activity::Reconcile, Activity::Refund, Activity::Sweep])
                .map(|activity| (activity, 0));
            deliver(0).chain(rest).map(|one| vec![one]).collect()
        }
    };
    let relays: Group = match world.scenario.team {
        Team::Twins => vec![(Activity::Relay, 0), (Activity::Relay, 1)],
        Team::Alone => vec![(Activity::Relay, 0)],
    };
    groups.push_back(relays);
    groups.push_front(vec![(Activity::CatchUp, 0)]);
    groups
}

/// Whether an activity has anything to do.
pub(crate) fn is_needed(activity: Activity, world: &World, watch: &Watch) -> bool {
    // A database that was restored learns first what the world was told.
    if !world.is_caught_up && activity != Activity::CatchUp {
        return false;
    }
    let stored = || at_once(world.store.orders.find(world.order_id())).expect("it is in memory");
    match activity {
        Activity::CatchUp => !world.is_caught_up,
        // The records of one order are read in their order.
        Activity::Deliver(record) => {
            let earlier = &world.records[..record];
            let is_next = earlier.iter().all(|earlier| earlier.standing != Standing::Unread);
            is_next && world.records[record].standing == Standing::Unread
        }
        Activity::RequestRefunds => {
            let is_paid = || stored().is_some_and(|stored| stored.order.status() == OrderStatus::Paid);
            !world.scenario.refunds.is_empty() && !watch.refunds_requested && is_paid()
        }
        Activity::Reconcile => true,
        Activity::Refund => {
            let refunds = at_once(world.store.refunds.refunds_of(world.order_id())).expect("it is in memory");
            !refunds.is_empty()
        }
        Activity::Sweep => !world.is_swept && world.now().since(START) >= SWEPT_AFTER,
        Activity::KeepGate => world.keeper.is_some(),
        Activity::Relay => world.scenario.relay == Relay::Explored,
        Activity::Review => {
            let payment = stored().and_then(|stored| stored.payment);
            let is_reviewed = payment.is_some_and(|payment| matches!(payment.state, PaymentState::Review { .. }));
            is_reviewed && watch.may_be_reviewed()
        }
    }
}

/// Publishes what waits, where the relay is not explored.
pub(crate) fn publish_quietly(world: &mut World) {
    if world.scenario.relay == Relay::Explored {
        return;
    }
    let mut relay = world.quiet_relay.take().expect("it does one round at a time");
    for _round in 0..QUIET_ROUNDS {
        match at_once(relay.run_once()) {
            Ok(Relayed::Published(_) | Relayed::Refused) => {}
            Ok(Relayed::Idle | Relayed::Standby) | Err(_) => break,
        }
    }
    world.quiet_relay = Some(relay);
}
