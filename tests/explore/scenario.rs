//! What happens in a case before anything is done to it: the order, its card, who works, and how the
//! provider is by itself.

use std::time::Duration;

use order_payments::adapters::simulator::faults::Fault;
use order_payments::domain::payment::ChargeFlow;
use order_payments::domain::timestamp::Timestamp;

use crate::explore::calls::Call;

/// 2026-01-01T00:00:00Z: every case begins then.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// The order's total, in cents.
pub(crate) const TOTAL_CENTS: u64 = 1_234;

/// The pauses between the rounds of a case; the last one is repeated.
const USUAL: &[Duration] = &[
    Duration::from_secs(6),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_secs(700),
    Duration::from_secs(2_000),
    Duration::from_secs(8_000),
    Duration::from_hours(6),
    Duration::from_hours(12),
];

/// Where nothing but waiting happens: a few looks, and then the moment when an unknown is given up.
const HURRIED: &[Duration] =
    &[Duration::from_secs(6), Duration::from_mins(20), Duration::from_hours(26), Duration::from_hours(6)];

/// A setting to be explored.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Without its flow.
    pub(crate) name: &'static str,
    pub(crate) flow: ChargeFlow,
    /// What is charged; its name says what happens, as in the simulator.
    pub(crate) method: &'static str,
    pub(crate) script: Script,
    pub(crate) pace: &'static [Duration],
    pub(crate) team: Team,
    pub(crate) relay: Relay,
    /// The refunds that are asked for once the order is PAID; `None` for all that is left.
    pub(crate) refunds: &'static [Option<&'static str>],
    /// Whether the gateway's list is compared with the store in the end.
    pub(crate) is_swept: bool,
    /// Whether the gateway is behind its gate.
    pub(crate) is_guarded: bool,
    /// A further record of the same order, with this amount, read after the first.
    pub(crate) second_record: Option<&'static str>,
    /// How far the provider's search lags behind.
    pub(crate) search_lag: Duration,
    /// What the provider has taken for the order already, in cents, whoever asked for it.
    pub(crate) foreign_cents: Option<u64>,
    /// Whether the database may be restored, or somebody else may act at the provider.
    pub(crate) extra: Extra,
}

/// Who works at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Team {
    /// One instance; another takes over when it stands still.
    Alone,
    /// Two instances with the same record, at once.
    Twins,
}

/// Whether the relay's calls are steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relay {
    /// They are not: outcomes are published after each round.
    Quiet,
    /// They are.
    Explored,
}

/// What else may be done in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    Nothing,
    /// The database may be set back at any step to any earlier one.
    Restores,
    /// Somebody else may confirm or cancel at the provider.
    Outsiders,
}

/// How the provider is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// It works.
    Works,
    /// The charges of the first attempt never arrive.
    LosesCharges,
    /// The first attempt is declined, and later ones are not.
    DeclinesFirst,
    /// Nothing arrives until so long after the start.
    DownFor(Duration),
    /// The first charges of all attempts arrive, and nothing comes back until so long after the start.
    MuteFor(Duration),
}

impl Script {
    /// What befalls this call where nothing is planned for it.
    pub(crate) fn fault(self, call: Call, attempt: u32, now: Timestamp) -> Option<Fault> {
        let is_within = |span: Duration| now.since(START) < span;
        match self {
            Self::Works => None,
            Self::DeclinesFirst => (call == Call::Charge && attempt == 1).then_some(Fault::Decline),
            Self::LosesCharges => (call == Call::Charge && attempt == 1).then_some(Fault::CutBefore),
            Self::DownFor(span) => is_within(span).then_some(Fault::CutBefore),
            Self::MuteFor(span) => {
                let mute = if call == Call::Charge { Fault::CutAfter } else { Fault::CutBefore };
                (is_within(span) && call != Call::Prepare).then_some(mute)
            }
        }
    }
}

impl Scenario {
    /// The name by which a case names its scenario.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.name, self.flow.as_str())
    }

    fn new(name: &'static str, flow: ChargeFlow, method: &'static str) -> Self {
        Self {
            name,
            flow,
            method,
            script: Script::Works,
            pace: USUAL,
            team: Team::Alone,
            relay: Relay::Quiet,
            refunds: &[],
            is_swept: false,
            is_guarded: false,
            second_record: None,
            search_lag: Duration::ZERO,
            foreign_cents: None,
            extra: Extra::Nothing,
        }
    }
}

const VISA: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_chargeDeclined";

/// Every scenario, in both flows.
pub(crate) fn all() -> Vec<Scenario> {
    [ChargeFlow::TwoStep, ChargeFlow::OneStep].into_iter().flat_map(of_flow).collect()
}

/// The scenario of that full name.
pub(crate) fn named(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.full_name() == name)
}

fn of_flow(flow: ChargeFlow) -> Vec<Scenario> {
    let new = |name, method| Scenario::new(name, flow, method);
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let hurried = |script, scenario| Scenario { script, pace: HURRIED, ..scenario };
    let swept = |scenario| Scenario { is_swept: true, pace: HURRIED, ..scenario };
    let mut scenarios = vec![
        new("approved", VISA),
        new("declined", DECLINED),
        new("refused", "pm_card_missing"),
        new("pending", "pm_usBankAccount_success"),
        new("pending-declined", "pm_usBankAccount_insufficientFunds"),
        Scenario { second_record: Some("12.34"), ..new("replayed", VISA) },
        Scenario { second_record: Some("99.99"), ..new("contradicted", VISA) },
        Scenario { is_guarded: true, ..new("guarded", VISA) },
        hurried(Script::LosesCharges, new("lost-charges", VISA)),
        hurried(Script::DownFor(minutes(15)), new("down", VISA)),
        hurried(Script::MuteFor(minutes(15)), new("mute", VISA)),
        hurried(Script::MuteFor(minutes(15)), new("mute-declined", DECLINED)),
        hurried(Script::DownFor(minutes(27 * 60)), new("down-for-a-day", VISA)),
        Scenario { team: Team::Twins, ..new("twins", VISA) },
        Scenario { team: Team::Twins, ..new("twins-declined", DECLINED) },
        Scenario { extra: Extra::Outsiders, ..new("outsiders", VISA) },
        Scenario { extra: Extra::Outsiders, ..new("outsiders-declined", DECLINED) },
        Scenario { extra: Extra::Restores, ..new("restored", VISA) },
        Scenario { extra: Extra::Restores, ..new("restored-declined", DECLINED) },
        Scenario { extra: Extra::Restores, ..hurried(Script::LosesCharges, new("restored-lost", VISA)) },
        Scenario { extra: Extra::Restores, script: Script::DeclinesFirst, ..new("restored-good", VISA) },
        Scenario { foreign_cents: Some(9_999), ..new("foreign", VISA) },
        swept(new("swept", VISA)),
        swept(new("swept-declined", DECLINED)),
        Scenario { script: Script::LosesCharges, ..swept(new("swept-lost", VISA)) },
        Scenario { relay: Relay::Explored, ..new("relayed", VISA) },
    ];
    if flow == ChargeFlow::OneStep {
        scenarios.push(Scenario { search_lag: minutes(2), ..new("lagging", VISA) });
    } else {
        // How the charge was made is all the same to what follows it.
        scenarios.extend([
            Scenario { relay: Relay::Explored, team: Team::Twins, ..new("relayed-twins", DECLINED) },
            Scenario { refunds: &[None], ..new("refund", VISA) },
            Scenario { refunds: &[Some("4.00"), Some("5.00"), Some("6.00")], ..new("refund-parts", VISA) },
            Scenario { refunds: &[Some("4.00"), None], ..swept(new("refund-swept", VISA)) },
            Scenario { extra: Extra::Restores, refunds: &[Some("4.00")], ..new("refund-restored", VISA) },
            Scenario { refunds: &[None], ..new("refund-pending", "pm_card_pendingRefund") },
            Scenario { refunds: &[Some("4.00")], ..new("refund-bounces", "pm_card_refundFail") },
            Scenario { refunds: &[Some("4.00")], team: Team::Twins, ..new("refund-twins", VISA) },
        ]);
    }
    scenarios
}
