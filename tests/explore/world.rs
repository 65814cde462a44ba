//! One case's world: the storage, the provider, the topic, the clock, and the instances of the service.

use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::memory::clock::ManualClock;
use order_payments::adapters::memory::event_publisher::{MemoryEventPublisher, MemoryTopic};
use order_payments::adapters::memory::order_repository::MemoryOrderRepository;
use order_payments::adapters::memory::payment_gateway::SimulatedGateway;
use order_payments::adapters::simulator::provider::{Provider, ProviderConfig};
use order_payments::application::gatekeeper::{GatePolicy, Gatekeeper};
use order_payments::application::guarded_gateway::GuardedGateway;
use order_payments::application::process_payment::{PaymentPolicy, ProcessPayment};
use order_payments::application::reconcile::Reconcile;
use order_payments::application::refund_payment::RefundPayment;
use order_payments::application::relay_outbox::{CatchUp, RelayOutbox, RelayPolicy};
use order_payments::application::review::Review;
use order_payments::application::sweep::Sweep;
use order_payments::domain::order::OrderId;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::clock::Clock;
use order_payments::ports::event_publisher::EventPublisher;
use order_payments::ports::payment_gateway::PaymentGateway;
use order_payments::ports::store::Store;
use tokio::sync::Notify;

use crate::explore::mutants::{self, Mutant};
use crate::explore::outsiders;
use crate::explore::ports::gateway::SteppedGateway;
use crate::explore::ports::publisher::SteppedPublisher;
use crate::explore::ports::truth::Truth;
use crate::explore::ports::{stepped, stepped_gateway};
use crate::explore::records::Record;
use crate::explore::runtime;
use crate::explore::scenario::{START, Scenario};
use crate::explore::stage::Stage;
use crate::explore::task::{Activity, Done, Task};

/// The topic that outcomes are published to.
pub(crate) const TOPIC: &str = "outcomes";
/// Outcomes that a relay publishes at once.
pub(crate) const BATCH: usize = 10;
/// How long a relay leads without renewing that.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// As the service's defaults have it.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(5);
const ABANDON_AFTER: Duration = Duration::from_mins(15);

/// Everything there is.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) stage: Arc<Stage>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) topic: Arc<MemoryTopic>,
    pub(crate) storage: Arc<MemoryOrderRepository>,
    /// The storage as a mutant shows it, without steps: what the invariants look at.
    pub(crate) store: Store,
    gateway: Arc<dyn PaymentGateway>,
    pub(crate) keeper: Option<Arc<Gatekeeper>>,
    pub(crate) instances: [Instance; 2],
    pub(crate) quiet_relay: Option<RelayOutbox>,
    pub(crate) records: Vec<Record>,
    /// Whether the gateway's list was compared, or need not be.
    pub(crate) is_swept: bool,
    /// Whether the database knows what the world was told.
    pub(crate) is_caught_up: bool,
    /// How many instances there were.
    born: u32,
    /// Up to when the runtime's time has followed the clock.
    relays_know: Timestamp,
}

/// One process of the service, as far as a case needs it.
pub(crate) struct Instance {
    /// Which it is, from 1: one that is started anew has another number.
    pub(crate) number: u32,
    pub(crate) process_payment: Arc<ProcessPayment>,
    pub(crate) reconcile: Arc<Reconcile>,
    pub(crate) refund_payment: Arc<RefundPayment>,
    pub(crate) review: Arc<Review>,
    pub(crate) sweep: Arc<Sweep>,
    pub(crate) catch_up: CatchUp,
    /// Away while it is running.
    pub(crate) relay: Option<RelayOutbox>,
}

impl World {
    /// The world at the start of a case.
    pub(crate) fn new(scenario: &Scenario, mutant: Option<Mutant>, stage: Arc<Stage>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let config = ProviderConfig { search_lag: scenario.search_lag, ..ProviderConfig::default() };
        let provider = Arc::new(Provider::new(config, clock.clone()));
        if let Some(cents) = scenario.foreign_cents {
            outsiders::charge(&provider, cents);
        }
        let storage = Arc::new(MemoryOrderRepository::new(clock.clone()));
        let store = mutants::store(mutant, &storage);
        let simulated = Arc::new(SimulatedGateway::new(Arc::clone(&provider)));
        let gateway = mutants::gateway(mutant, Arc::new(Truth::new(&stage, simulated)));
        let gateway = stepped_gateway(SteppedGateway {
            stage: Arc::clone(&stage),
            provider: Arc::clone(&provider),
            clock: clock.clone(),
            script: scenario.script,
            gateway,
        });
        let topic = Arc::new(MemoryTopic::default());
        let records = Record::of(scenario);
        let (keeper, gateway) = guarded(scenario, &store, &stage, clock.clone(), gateway);
        let ports = Ports { stage: &stage, store: &store, gateway: &gateway, topic: &topic, clock: &clock };
        let instances = [1, 2].map(|number| ports.instance(number, scenario, mutant));
        let quiet_relay = Some(ports.quiet_relay(mutant));
        Self {
            scenario: scenario.clone(),
            mutant,
            stage,
            clock,
            provider,
            topic,
            storage,
            store,
            gateway,
            keeper,
            instances,
            quiet_relay,
            records,
            is_swept: !scenario.is_swept,
            is_caught_up: true,
            born: 2,
            relays_know: START,
        }
    }

    /// The order of the case.
    pub(crate) fn order_id(&self) -> &OrderId {
        self.records[0].request.order.id()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Goes on with a task; the runtime's own time, by which relays lead, goes as the clock does.
    pub(crate) fn polled(&mut self, task: &mut Task) -> Option<Done> {
        if task.activity == Activity::Relay {
            let lag = self.now().since(self.relays_know);
            if !lag.is_zero() {
                self.relays_know = self.now();
                runtime::advance(lag);
            }
        }
        task.poll()
    }

    /// A new process in the place of one that has died or stands still.
    pub(crate) fn restart(&mut self, place: usize) {
        self.born += 1;
        self.instances[place] = self.ports().instance(self.born, &self.scenario, self.mutant);
    }

    /// Every process dies, and this is what the database holds from now on.
    pub(crate) fn restore(&mut self, backup: MemoryOrderRepository) {
        self.storage = Arc::new(backup);
        self.store = mutants::store(self.mutant, &self.storage);
        self.quiet_relay = Some(self.ports().quiet_relay(self.mutant));
        for place in 0..self.instances.len() {
            self.restart(place);
        }
        for record in &mut self.records {
            record.forget();
        }
        self.is_caught_up = false;
    }

    fn ports(&self) -> Ports<'_> {
        let Self { stage, store, gateway, topic, clock, .. } = self;
        Ports { stage, store, gateway, topic, clock }
    }
}

fn guarded(
    scenario: &Scenario,
    store: &Store,
    stage: &Arc<Stage>,
    clock: Arc<dyn Clock>,
    gateway: Arc<dyn PaymentGateway>,
) -> (Option<Arc<Gatekeeper>>, Arc<dyn PaymentGateway>) {
    if !scenario.is_guarded {
        return (None, gateway);
    }
    let policy = GatePolicy {
        gateway: "simulated".to_owned(),
        interval: Duration::from_secs(1),
        probe_interval: Duration::from_secs(5),
        max_failures: 2,
        max_refusals: 2,
        max_unresolved: 10,
    };
    let keeper = Arc::new(Gatekeeper::new(Arc::clone(&gateway), stepped(stage, store), clock, policy));
    (Some(Arc::clone(&keeper)), Arc::new(GuardedGateway::new(gateway, keeper)))
}

/// What an instance is made of.
struct Ports<'a> {
    stage: &'a Arc<Stage>,
    store: &'a Store,
    gateway: &'a Arc<dyn PaymentGateway>,
    topic: &'a Arc<MemoryTopic>,
    clock: &'a Arc<ManualClock>,
}

impl Ports<'_> {
    fn instance(&self, number: u32, scenario: &Scenario, mutant: Option<Mutant>) -> Instance {
        let store = stepped(self.stage, self.store);
        let (gateway, clock) = (Arc::clone(self.gateway), self.clock.clone() as Arc<dyn Clock>);
        let policy = PaymentPolicy {
            flow: scenario.flow,
            default_payment_method: None,
            first_look_after: FIRST_LOOK_AFTER,
            abandon_after: ABANDON_AFTER,
        };
        let bell = Arc::new(Notify::new());
        let process_payment =
            ProcessPayment::new(store.clone(), Arc::clone(&gateway), clock.clone(), policy, bell.clone());
        let process_payment = Arc::new(process_payment);
        let reconcile = Reconcile::new(
            Arc::clone(&store.orders),
            Arc::clone(&gateway),
            clock.clone(),
            Arc::clone(&process_payment),
        );
        let refund_payment = RefundPayment::new(store.clone(), Arc::clone(&gateway), clock.clone(), bell);
        let review = Review::new(store.clone(), Arc::clone(&gateway), clock.clone(), Arc::clone(&process_payment));
        let reconcile = Arc::new(reconcile);
        let sweep = Sweep::new(store.clone(), gateway, clock, Arc::clone(&process_payment), Arc::clone(&reconcile));
        let publisher = Arc::new(SteppedPublisher::new(self.stage, self.publisher(mutant)));
        let catch_up = CatchUp::new(Arc::clone(&store.outbox), publisher.clone(), TOPIC);
        Instance {
            number,
            process_payment,
            reconcile,
            refund_payment: Arc::new(refund_payment),
            review: Arc::new(review),
            sweep: Arc::new(sweep),
            catch_up,
            relay: Some(RelayOutbox::new(store.outbox, publisher, relay_policy(format!("relay-{number}")))),
        }
    }

    fn quiet_relay(&self, mutant: Option<Mutant>) -> RelayOutbox {
        RelayOutbox::new(Arc::clone(&self.store.outbox), self.publisher(mutant), relay_policy("relay".to_owned()))
    }

    fn publisher(&self, mutant: Option<Mutant>) -> Arc<dyn EventPublisher> {
        mutants::publisher(mutant, Arc::new(MemoryEventPublisher::new(Arc::clone(self.topic))))
    }
}

fn relay_policy(name: String) -> RelayPolicy {
    RelayPolicy {
        name,
        topic: TOPIC.to_owned(),
        batch_size: BATCH,
        lease: LEASE,
        poll_interval: Duration::from_secs(1),
    }
}
