//! How long and how rough a run is: the short form in the suite, the full one by `make chaos`.

use std::path::PathBuf;
use std::time::Duration;

use order_payments::adapters::simulator::faults::Fault;

/// What goes wrong at the gateway, by share, one or two kinds at a time.
///
/// An answer that is kept under its key (`ErrorBeforeSticky`, `ErrorAfterSticky`) needs a second attempt
/// under a new key.
pub(crate) const GATEWAY_FAULTS: [Fault; 12] = [
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::RateLimited,
    Fault::Unauthorized,
    Fault::Conflict,
    Fault::Timeout,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::Late,
    Fault::Garbage,
    Fault::Slow,
    Fault::Decline,
];

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
        form.account_file = read("_ACCOUNT").map(PathBuf::from);
        form
    }
}
