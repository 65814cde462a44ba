//! Whatever is asked of the provider, in whatever order: the sums hold and states move lawfully.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::intent::{RefundStatus, Status};

const METHODS: [&str; 6] = [
    "pm_card_visa",
    "pm_card_visa_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_usBankAccount_success",
    "pm_usBankAccount_insufficientFunds",
    "pm_card_refundFail",
];

#[derive(Clone, Debug)]
enum Step {
    Create { method: usize, confirm: bool, key: u8 },
    Confirm { intent: usize, method: usize, key: u8 },
    Cancel { intent: usize, key: u8 },
    Refund { intent: usize, amount: i64, key: u8 },
    Wait,
}

fn step() -> impl Strategy<Value = (Step, Option<Fault>)> {
    let key = 0..6_u8;
    // Half of the cards simply work, so that there is money to give back.
    let method = prop_oneof![Just(0), 0..METHODS.len()];
    let step = prop_oneof![
        (method.clone(), any::<bool>(), key.clone()).prop_map(|(method, confirm, key)| Step::Create {
            method,
            confirm,
            key
        }),
        (0..4_usize, method, key.clone()).prop_map(|(intent, method, key)| Step::Confirm { intent, method, key }),
        (0..4_usize, key.clone()).prop_map(|(intent, key)| Step::Cancel { intent, key }),
        (0..2_usize, -1..1300_i64, key).prop_map(|(intent, amount, key)| Step::Refund { intent, amount, key }),
        Just(Step::Wait),
    ];
    (step, proptest::option::weighted(0.15, proptest::sample::select(&Fault::ALL[..])))
}

fn take(bench: &Bench, step: &Step, intents: &[String]) {
    let named = |intent: &usize| intents.get(*intent).cloned().unwrap_or_else(|| "pi_unknown".to_owned());
    // Keys are few and shared by all operations, so that replays, mismatches and conflicts happen.
    let (path, form, key) = match step {
        Step::Create { method, confirm, key } => {
            let method = METHODS[*method];
            let form =
                format!("amount=1250&currency=eur&payment_method={method}&confirm={confirm}&metadata[order_id]=o-1");
            ("/v1/payment_intents".to_owned(), form, key)
        }
        Step::Confirm { intent, method, key } => {
            let form = format!("payment_method={}", METHODS[*method]);
            (format!("/v1/payment_intents/{}/confirm", named(intent)), form, key)
        }
        Step::Cancel { intent, key } => (format!("/v1/payment_intents/{}/cancel", named(intent)), String::new(), key),
        Step::Refund { intent, amount, key } => {
            ("/v1/refunds".to_owned(), format!("payment_intent={}&amount={amount}", named(intent)), key)
        }
        Step::Wait => return bench.wait(Duration::from_secs(3)),
    };
    let key = (*key > 0).then(|| format!("k{key}"));
    bench.reply(&path, &form, key.as_deref());
}

/// The moves of Stripe's life cycle that a client's calls and time can cause.
fn is_lawful(from: Status, to: Status) -> bool {
    match from {
        Status::Succeeded | Status::Canceled => false,
        // Canceled: declined first, then met by a late cancellation within the same wait.
        Status::Processing => matches!(to, Status::Succeeded | Status::RequiresPaymentMethod | Status::Canceled),
        Status::RequiresCapture => to == Status::Canceled,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {
            !matches!(to, Status::RequiresConfirmation | Status::RequiresCapture)
        }
    }
}

proptest! {
    #[test]
    fn money_adds_up_and_states_move_lawfully(steps in proptest::collection::vec(step(), 1..40)) {
        let bench = Bench::new();
        let mut before: HashMap<String, Status> = HashMap::new();
        let mut intents: Vec<String> = Vec::new();
        for (step, fault) in &steps {
            if let Some(fault) = fault {
                bench.provider.inject(*fault);
            }
            take(&bench, step, &intents);
            let ledger = bench.provider.ledger();
            let order = ledger.orders.get("o-1").cloned().unwrap_or_default();
            for intent in &order.intents {
                prop_assert!(intent.refunded <= intent.amount_received);
                prop_assert!(intent.amount_received <= intent.amount);
                prop_assert_eq!(intent.status == Status::Succeeded, intent.amount_received == intent.amount);
                // Not bounded by the intent's own field, but by what the refunds say of themselves.
                let given: u64 = intent.refunds.iter().filter(|r| r.status != RefundStatus::Failed).map(|r| r.amount).sum();
                prop_assert_eq!(given, intent.refunded);
                if let Some(from) = before.insert(intent.id.clone(), intent.status) {
                    prop_assert!(from == intent.status || is_lawful(from, intent.status), "{:?} -> {:?}", from, intent.status);
                }
            }
            prop_assert_eq!(order.successes, ledger.totals.charges);
            prop_assert_eq!(ledger.double_charged.is_empty(), order.successes <= 1);
            intents = order.intents.into_iter().map(|intent| intent.id).collect();
        }
    }
}
