//! Where the application's tasks meet the one who schedules them: at every call of a port.
//!
//! ```text
//! task: port call ──► arrives, waits ──► told how to go on ──► effect ──► (waits once more, or dies) ──► answer
//! ```
//! Everything is on one thread and polled by hand, so the same plan gives the same run.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use order_payments::ports::event_publisher::PublishError;
use order_payments::ports::order_repository::RepositoryError;
use order_payments::ports::payment_gateway::GatewayError;

use crate::explore::calls::Call;
use crate::explore::events::Event;
use crate::explore::plan::Action;

/// The meeting point of one case.
#[derive(Default)]
pub(crate) struct Stage(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The task that is polled now.
    task: u32,
    /// What its call meets.
    action: Option<Action>,
    arrivals: u64,
    waiting: Vec<Waiting>,
    /// The arrivals that may go on, and how: each does once its future is polled.
    called: Vec<(u64, Option<Action>)>,
    events: Vec<(u32, Event)>,
    is_idle: bool,
    is_verbose: bool,
    note: Option<String>,
}

/// A task that waits at a call.
struct Waiting {
    arrival: u64,
    task: u32,
    call: Call,
    has_effect: bool,
    waker: Waker,
}

/// Errors that a port's adapter may lawfully give.
pub(crate) trait Trouble {
    /// Nothing was done; `None` where the port's faults come from the provider itself.
    fn before(action: Action) -> Option<Self>
    where
        Self: Sized;
    /// It was done, or may have been.
    fn after(action: Action) -> Option<Self>
    where
        Self: Sized;
}

impl Stage {
    pub(crate) fn verbose() -> Self {
        Self(Mutex::new(Inner { is_verbose: true, ..Inner::default() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no one panics while holding it")
    }

    /// The call that this task waits at, and whether it has had its effect.
    pub(crate) fn call_of(&self, task: u32) -> Option<(Call, bool)> {
        let inner = self.inner();
        inner.waiting.iter().find(|waiting| waiting.task == task).map(|waiting| (waiting.call, waiting.has_effect))
    }

    /// From now on this task is polled.
    pub(crate) fn enter(&self, task: u32) {
        self.inner().task = task;
    }

    /// Lets the task go on from where it waits.
    pub(crate) fn call(&self, task: u32, action: Option<Action>) {
        let mut inner = self.inner();
        inner.task = task;
        inner.is_idle = false;
        let found = inner.waiting.iter().position(|waiting| waiting.task == task);
        let waiting = inner.waiting.remove(found.expect("only a task that waits is called"));
        inner.called.push((waiting.arrival, action));
        drop(inner);
        waiting.waker.wake();
    }

    /// What the plan has for the call that goes on now.
    pub(crate) fn action(&self) -> Option<Action> {
        self.inner().action
    }

    /// Notes something for the invariants.
    pub(crate) fn tell(&self, event: Event) {
        let mut inner = self.inner();
        let task = inner.task;
        inner.events.push((task, event));
    }

    pub(crate) fn take_events(&self) -> Vec<(u32, Event)> {
        std::mem::take(&mut self.inner().events)
    }

    /// The call found nothing to do: no fault at it is worth a case.
    pub(crate) fn idle(&self) {
        self.inner().is_idle = true;
    }

    pub(crate) fn was_idle(&self) -> bool {
        self.inner().is_idle
    }

    pub(crate) fn take_note(&self) -> Option<String> {
        self.inner().note.take()
    }

    fn note(&self, text: impl FnOnce() -> String) {
        let mut inner = self.inner();
        if inner.is_verbose {
            inner.note = Some(text());
        }
    }

    fn arrive(self: &Arc<Self>, call: Call, has_effect: bool) -> Arrival {
        Arrival { stage: Arc::clone(self), number: None, call, has_effect }
    }

    /// A port call: waits, meets what the plan has for it, and gives the answer.
    pub(crate) async fn pass<T: Debug, E: Trouble + Debug>(
        self: &Arc<Self>,
        call: Call,
        subject: impl Fn() -> String,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let action = self.arrive(call, false).await;
        if let Some(trouble) = action.and_then(E::before) {
            self.note(|| format!("{} ──► {trouble:?}", subject()));
            return Err(trouble);
        }
        let answer = effect.await;
        let answer = match action.and_then(E::after) {
            Some(trouble) if answer.is_ok() => Err(trouble),
            _ => answer,
        };
        self.note(|| format!("{} ──► {}", subject(), shortened(&format!("{answer:?}"))));
        if matches!(action, Some(Action::CrashAfter | Action::NapAfter | Action::SleepAfter)) {
            self.arrive(call, true).await;
        }
        answer
    }
}

/// An answer without the request that every payment in it carries.
fn shortened(answer: &str) -> String {
    let Some((before, request)) = answer.split_once("request: PaymentRequest {") else { return answer.to_owned() };
    let mut depth = 1;
    let end = request.char_indices().find(|(_, letter)| {
        depth += i32::from(*letter == '{') - i32::from(*letter == '}');
        depth == 0
    });
    let rest = end.map_or("", |(end, _)| request[end + 1..].trim_start_matches(", "));
    format!("{before}{}", shortened(rest))
}

/// Waits until it is called.
struct Arrival {
    stage: Arc<Stage>,
    number: Option<u64>,
    call: Call,
    has_effect: bool,
}

impl Future for Arrival {
    type Output = Option<Action>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Action>> {
        let stage = Arc::clone(&self.stage);
        let mut inner = stage.inner();
        let Some(number) = self.number else {
            inner.arrivals += 1;
            let (arrival, task, waker) = (inner.arrivals, inner.task, context.waker().clone());
            let (call, has_effect) = (self.call, self.has_effect);
            inner.waiting.push(Waiting { arrival, task, call, has_effect, waker });
            self.number = Some(arrival);
            return Poll::Pending;
        };
        if let Some(place) = inner.called.iter().position(|(arrival, _)| *arrival == number) {
            self.number = None;
            let (_, action) = inner.called.remove(place);
            inner.action = action;
            return Poll::Ready(action);
        }
        if let Some(waiting) = inner.waiting.iter_mut().find(|waiting| waiting.arrival == number) {
            waiting.waker.clone_from(context.waker());
        }
        Poll::Pending
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut inner = self.stage.inner();
            inner.waiting.retain(|waiting| waiting.arrival != number);
            inner.called.retain(|(arrival, _)| *arrival != number);
        }
    }
}

impl Trouble for RepositoryError {
    fn before(action: Action) -> Option<Self> {
        match action {
            Action::FailBefore => Some(Self::Unavailable("the connection was lost before the commit".into())),
            Action::Refuse => {
                let (order_id, source) = ("the order".to_owned(), "the data is refused".into());
                Some(Self::Refused { order_id, source })
            }
            _ => None,
        }
    }

    fn after(action: Action) -> Option<Self> {
        let lost = || Self::Unavailable("the connection was lost during the commit".into());
        (action == Action::FailAfter).then(lost)
    }
}

impl Trouble for PublishError {
    fn before(action: Action) -> Option<Self> {
        match action {
            Action::FailBefore => Some(Self::NotPublished { detail: "the broker is away".to_owned() }),
            Action::Refuse => Some(Self::Refused { detail: "it is too large".to_owned() }),
            Action::DoubtBefore => Some(Self::InDoubt { detail: "the broker went away".to_owned() }),
            _ => None,
        }
    }

    fn after(action: Action) -> Option<Self> {
        let doubt = || Self::InDoubt { detail: "the broker went away during the commit".to_owned() };
        (action == Action::FailAfter).then(doubt)
    }
}

impl Trouble for GatewayError {
    fn before(action: Action) -> Option<Self> {
        let refused = || Self::Rejected { detail: "a parameter is refused".to_owned() };
        (action == Action::Reject).then(refused)
    }

    fn after(action: Action) -> Option<Self> {
        let contradicts = || Self::Contradiction { detail: "made in another mode".to_owned() };
        (action == Action::Contradict).then(contradicts)
    }
}
