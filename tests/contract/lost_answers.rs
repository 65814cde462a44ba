//! Settled means settled when it is not known whether a step was stored: its answer is lost on the way,
//! or its caller gives up. Whoever repeats it finds one order and one outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use order_payments::adapters::postgres::PostgresOrderRepository;
use order_payments::adapters::sql::config::Config;
use order_payments::domain::evidence::Evidence;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::{ChargeFlow, Payment};
use order_payments::ports::order_repository::{Begun, RepositoryError, Settling, Standing};

use tokio::time::timeout;

use crate::contract::database::{Database, Kind, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{NOW, armed, begun, failed, id, paid, request, stored_payment, token};
use crate::support::proxy::{Entrance, Mode, Proxy};

every_repository_keeps!(a_step_whose_caller_gave_up_may_be_repeated);

async fn a_step_whose_caller_gave_up_may_be_repeated(database: &Database) {
    let store = database.open().await;
    for number in 0..20 {
        let name = format!("ord_{number}");
        let request = request(&name);
        let asked = store.begin(&request, ChargeFlow::TwoStep, NOW).now_or_never();
        let payment = begun(&*store, &name).await;
        assert!(asked.is_none_or(|told| told.is_ok_and(|told| told == Begun::Prepare(payment.clone()))));
        let reference = token("pi_1");
        let _given_up = store.arm(&payment, &reference, NOW, &Evidence::default()).now_or_never();
        let told = store.arm(&payment, &reference, NOW, &Evidence::default()).await.expect("an answer");
        let Standing::Armed(armed) = told else { panic!("expected to charge, was told {told:?}") };
        let _given_up = store.park(&armed.payment().unresolved(), None).now_or_never();
        let _given_up = store.settle(&failed(&armed)).now_or_never();
        let told = store.settle(&failed(&armed)).await.expect("an answer");
        assert!(matches!(told, Settling::Stored | Settling::Before), "{told:?}");
    }
    assert_eq!(store.tally().await.expect("read").failed, 20);
    assert_eq!(store.unpublished(100).await.expect("read").len(), 20);
}

/// How an answer is lost: none of it arrives, or no more than its first byte.
const LOSSES: [Mode; 2] = [Mode::Mute, Mode::Bitten(1)];

/// A loss counts that came after the commit. Another one, say of the statement's preparation, may come
/// before; so each is tried until it counts.
const TRIES: usize = 10;

/// How long a step may take to be stored.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same PostgreSQL twice: over a network that loses answers, and directly.
struct Lossy {
    database: Database,
    proxy: Proxy,
    through: Arc<dyn Store>,
    direct: Arc<dyn Store>,
}

impl Lossy {
    /// One connection: what prepares a statement is what sends it later.
    async fn new() -> Self {
        Self::with_connections(1).await
    }

    async fn with_connections(max_connections: u32) -> Self {
        let database = Database::create(Kind::Postgres).await;
        let mut url: url::Url = database.url().parse().expect("a url");
        let proxy = Entrance::open().await.lead_to(url.port().unwrap_or(5432));
        url.set_port(Some(proxy.address.port())).expect("a url with a host");
        let config = Config { url: String::from(url).into(), max_connections };
        let through = Arc::new(PostgresOrderRepository::connect(&config).await.expect("a database"));
        let direct = database.open().await;
        Self { database, proxy, through, direct }
    }

    /// Takes every step once, so that the connection in use knows their statements.
    async fn warm_up(&self, name: &str) {
        let (store, name) = (&self.through, format!("{name}-before"));
        let request = request(&name);
        repeated(async || store.begin(&request, ChargeFlow::TwoStep, NOW).await).await;
        let payment = stored_payment(&*self.direct, &name).await;
        let armed = payment.armed(token("pi_1"), NOW);
        repeated(async || store.arm(&payment, &token("pi_1"), NOW, &Evidence::default()).await).await;
        repeated(async || store.park(&armed.payment().unresolved(), Some(NOW)).await).await;
        repeated(async || store.settle(&paid(&armed)).await).await;
    }

    /// Makes a call whose answer is lost; whether it was stored although its caller could not know.
    async fn lose<T>(
        &self,
        loss: Mode,
        call: impl Future<Output = Result<T, RepositoryError>>,
        is_stored: impl AsyncFn() -> bool,
    ) -> bool {
        self.proxy.set(loss);
        let watch = async {
            let deadline = Instant::now() + PATIENCE;
            let mut stored = false;
            while !stored && Instant::now() < deadline {
                stored = is_stored().await;
            }
            self.proxy.set(Mode::Cut);
            stored
        };
        let (told, stored) = tokio::join!(call, watch);
        self.proxy.set(Mode::Pass);
        stored && matches!(told, Err(RepositoryError::Unavailable(_)))
    }
}

/// Repeats a call until the database answers: connections that died are noticed one by one.
async fn repeated<T>(call: impl AsyncFn() -> Result<T, RepositoryError>) -> T {
    for _ in 0..TRIES {
        match call().await {
            Err(RepositoryError::Unavailable(_)) => {}
            told => return told.expect("an answer"),
        }
    }
    panic!("the database does not answer although nothing is lost any more")
}

/// Tries a step under every loss, each time with another order, until it was stored and its answer lost.
async fn until_it_counts(step: &str, attempt: impl AsyncFn(Mode, &str) -> bool) {
    for loss in LOSSES {
        let mut counted = false;
        for number in 0..TRIES {
            let name = format!("{step}-{number}-{}", if loss == Mode::Mute { "mute" } else { "bitten" });
            counted = counted || attempt(loss, &name).await;
        }
        assert!(counted, "{step}: no answer was lost after the commit, by {loss:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_begin_whose_answer_is_lost_has_begun_one_payment() {
    let lossy = Lossy::new().await;
    until_it_counts("begin", async |loss, name| {
        lossy.warm_up(name).await;
        let request = request(name);
        let call = lossy.through.begin(&request, ChargeFlow::TwoStep, NOW);
        let counted = lossy.lose(loss, call, async || find(&lossy, name).await.is_some()).await;
        let told = repeated(async || lossy.through.begin(&request, ChargeFlow::TwoStep, NOW).await).await;
        assert_eq!(told, Begun::Prepare(stored_payment(&*lossy.direct, name).await));
        counted
    })
    .await;
    lossy.database.destroy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arm_whose_answer_is_lost_has_stored_one_reference() {
    let lossy = Lossy::new().await;
    until_it_counts("arm", async |loss, name| {
        lossy.warm_up(name).await;
        let payment = begun(&*lossy.direct, name).await;
        let (first, second) = (token("pi_first"), token("pi_second"));
        let is_armed = async || find(&lossy, name).await.is_some_and(|payment| payment.reference().is_some());
        let counted = lossy.lose(loss, lossy.through.arm(&payment, &first, NOW, &Evidence::default()), is_armed).await;
        let expected = if is_armed().await { &first } else { &second };
        let told = repeated(async || lossy.through.arm(&payment, &second, NOW, &Evidence::default()).await).await;
        let Standing::Armed(told) = told else { panic!("it may be charged: {told:?}") };
        assert_eq!(told.payment(), payment.armed(expected.clone(), NOW).payment());
        counted
    })
    .await;
    lossy.database.destroy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_whose_answer_is_lost_tells_one_outcome() {
    let lossy = Lossy::new().await;
    until_it_counts("settle", async |loss, name| {
        lossy.warm_up(name).await;
        let armed = armed(&*lossy.direct, name).await;
        let told_before = lossy.direct.unpublished(1_000).await.expect("read").len();
        let is_paid = async || status(&*lossy.direct, name).await == OrderStatus::Paid;
        let counted = lossy.lose(loss, lossy.through.settle(&paid(&armed)), is_paid).await;
        let expected = if is_paid().await { Settling::Before } else { Settling::Stored };
        assert_eq!(repeated(async || lossy.through.settle(&paid(&armed)).await).await, expected);
        let contradicts = Settling::Contradicts(paid(&armed).outcome.order);
        assert_eq!(repeated(async || lossy.through.settle(&failed(&armed)).await).await, contradicts);
        assert_eq!(lossy.direct.unpublished(1_000).await.expect("read").len(), told_before + 1);
        counted
    })
    .await;
    lossy.database.destroy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_park_whose_answer_is_lost_may_be_repeated() {
    let lossy = Lossy::new().await;
    until_it_counts("park", async |loss, name| {
        lossy.warm_up(name).await;
        let waiting = armed(&*lossy.direct, name).await.payment().unresolved();
        let is_parked = async || find(&lossy, name).await.is_some_and(|payment| payment == waiting.payment);
        let counted = lossy.lose(loss, lossy.through.park(&waiting, Some(NOW)), is_parked).await;
        repeated(async || lossy.through.park(&waiting, Some(NOW)).await).await;
        assert_eq!(stored_payment(&*lossy.direct, name).await, waiting.payment);
        counted
    })
    .await;
    lossy.database.destroy().await;
}

async fn find(lossy: &Lossy, name: &str) -> Option<Payment> {
    lossy.direct.find(&id(name)).await.expect("read").and_then(|stored| stored.payment)
}

async fn status(store: &dyn Store, name: &str) -> OrderStatus {
    store.get(&id(name)).await.expect("read").expect("stored").status()
}

/// How long a call may wait for a database that does not answer. Thrice the longest statement.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How long a call may take once the database answers again, be its connection an old one or not.
const PROMPT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_falls_silent_is_given_up_and_then_reached_anew() {
    let lossy = Lossy::with_connections(8).await;
    for name in ["a", "b", "c", "d"] {
        lossy.warm_up(name).await;
    }
    lossy.proxy.set(Mode::HalfOpen);
    let (name, other) = (id("ord_1"), request("ord_2"));
    let calls = async {
        tokio::join!(
            lossy.through.begin(&other, ChargeFlow::TwoStep, NOW),
            lossy.through.find(&name),
            lossy.through.lead("relay", Duration::from_secs(1)),
        )
    };
    let told = timeout(LONGEST_WAIT, calls).await.expect("no call waits for ever");
    assert!(matches!(told, (Err(_), Err(_), Err(_))), "nothing can be known: {told:?}");
    lossy.proxy.set(Mode::Pass);
    for number in 0..10 {
        let request = request(&format!("ord_{number}"));
        let begin = lossy.through.begin(&request, ChargeFlow::TwoStep, NOW);
        timeout(PROMPT, begin).await.expect("silent connections are not tried again").expect("an answer");
    }
    lossy.database.destroy().await;
}
