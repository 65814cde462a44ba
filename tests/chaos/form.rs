//! How long and how rough a run is: the short form in the suite, the full one by `make chaos`.

use std::path::PathBuf;
use std::time::Duration;

use order_payments::adapters::simulator::faults::Fault;

/// What goes wrong at the gateway, by share, two kinds at a time.
pub(crate) const GATEWAY_FAULTS: [Fault; 14] = Fault::ALL;

/// Instances of the service.
pub(crate) const INSTANCES: usize = 3;

/// How much happens in a run.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) orders: usize,
    /// Kills followed by quiet, so that the recovery is seen by itself.
    pub(crate) lone_kills: usize,
    /// Kills in the middle of something else.
    pub(crate) crowded_kills: usize,
    /// SIGSTOP, beyond the session timeout, and SIGCONT.
    pub(crate) pauses: usize,
    /// SIGTERM, and a new start later.
    pub(crate) leaves: usize,
    /// Restarts of Kafka and as many of PostgreSQL.
    pub(crate) restarts: usize,
    /// Times that the network is bad.
    pub(crate) network_faults: usize,
    /// Quiet after a kill that is to be seen by itself.
    pub(crate) quiet: Duration,
    /// The longest that a bad network, or one kind of gateway faults, lasts.
    pub(crate) longest_fault: Duration,
    /// Kafka's session timeout; the service's default where none is said.
    pub(crate) session_timeout: Option<Duration>,
    /// How long everything may take to be settled and told once nothing goes wrong any more: the bound
    /// of liveness. A payment without an answer rests for a quarter of its age.
    pub(crate) settle_within: Duration,
    /// After how long an unknown outcome is given up for another attempt: longer than a request of these
    /// networks may take to arrive.
    pub(crate) abandon_after: Duration,
    /// How often the gateway's list is compared with the orders.
    pub(crate) sweep_interval: Duration,
    /// How orders are charged: in one step where the seed is even.
    pub(crate) charge_flow: &'static str,
    /// Where the account is written as well.
    pub(crate) account_file: Option<PathBuf>,
}

impl Form {
    fn short() -> Self {
        Self {
            name: "short",
            seed: 1,
            orders: 2_000,
            lone_kills: 1,
            crowded_kills: 3,
            pauses: 1,
            leaves: 1,
            restarts: 1,
            network_faults: 5,
            quiet: Duration::from_secs(1),
            longest_fault: Duration::from_millis(1_500),
            session_timeout: Some(Duration::from_secs(6)),
            settle_within: Duration::from_mins(3),
            abandon_after: Duration::from_secs(8),
            sweep_interval: Duration::from_secs(5),
            charge_flow: "two-step",
            account_file: None,
        }
    }

    fn full() -> Self {
        Self {
            name: "full",
            orders: 20_000,
            lone_kills: 30,
            crowded_kills: 22,
            pauses: 6,
            leaves: 6,
            restarts: 6,
            network_faults: 18,
            quiet: Duration::from_secs(15),
            longest_fault: Duration::from_secs(8),
            session_timeout: None,
            settle_within: Duration::from_mins(8),
            abandon_after: Duration::from_secs(15),
            sweep_interval: Duration::from_secs(15),
            ..Self::short()
        }
    }

    /// The form that the environment asks for.
    #[expect(clippy::disallowed_methods, reason = "the one place where a run of chaos is chosen")]
    pub(crate) fn asked_for() -> Self {
        let read = |name: &str| std::env::var(format!("ORDER_PAYMENTS_CHAOS{name}")).ok();
        let mut form = match read("").as_deref() {
            None | Some("" | "short") => Self::short(),
            Some("full") => Self::full(),
            Some(other) => panic!("ORDER_PAYMENTS_CHAOS is \"full\" or \"short\", not {other:?}"),
        };
        if let Some(seed) = read("_SEED").filter(|seed| !seed.is_empty()) {
            form.seed = seed.parse().expect("ORDER_PAYMENTS_CHAOS_SEED is a number");
        }
        if form.seed.is_multiple_of(2) {
            form.charge_flow = "one-step";
        }
        form.account_file = read("_ACCOUNT").map(PathBuf::from);
        form
    }
}
