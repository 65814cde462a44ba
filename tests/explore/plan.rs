//! What is done to a case, at which of its steps. A plan has a name that plays it again.
//!
//! ```text
//! approved/two-step:4=cut-after,9=crash-before        the scenario, then step=action
//! ```

use std::fmt;

use order_payments::adapters::simulator::faults::Fault;

/// What is done at a step: at the moment when a task is about to make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The process dies before the call has an effect.
    CrashBefore,
    /// The process dies before it sees the answer.
    CrashAfter,
    /// The process stands still before the call, others take over, and it goes on soon.
    NapBefore,
    /// The process stands still before it sees the answer, others take over, and it goes on soon.
    NapAfter,
    /// As a nap, but for hours.
    SleepBefore,
    /// As a nap, but for hours.
    SleepAfter,
    /// The storage or the topic is unavailable; nothing was done.
    FailBefore,
    /// The storage or the topic breaks off after it was done: an ambiguous commit.
    FailAfter,
    /// The storage refuses the data.
    Refuse,
    /// The topic says that it does not know, and nothing was published.
    DoubtBefore,
    /// The provider does and answers what this fault says.
    Answer(Fault),
    /// The provider executes the request after the first look at it.
    Later,
    /// The provider's facts contradict ours, it is claimed, after it was done. A person is needed.
    Contradict,
    /// The request is refused as malformed, it is claimed. A person is needed.
    Reject,
    /// The other task goes first.
    Switch,
    /// Every process dies, and the database is set back to what it was after this step.
    Restore(u32),
    /// As a restoration, and days pass before the records are read again.
    RestoreLate(u32),
    /// Somebody else confirms what waits at the provider, with a good card.
    OutsideConfirm,
    /// Somebody else cancels what waits at the provider, and tells why.
    OutsideCancel,
}

const PLAIN: [(Action, &str); 16] = [
    (Action::CrashBefore, "crash-before"),
    (Action::CrashAfter, "crash-after"),
    (Action::NapBefore, "nap-before"),
    (Action::NapAfter, "nap-after"),
    (Action::SleepBefore, "sleep-before"),
    (Action::SleepAfter, "sleep-after"),
    (Action::FailBefore, "fail-before"),
    (Action::FailAfter, "fail-after"),
    (Action::Refuse, "refuse"),
    (Action::DoubtBefore, "doubt-before"),
    (Action::Later, "later"),
    (Action::Contradict, "contradict"),
    (Action::Reject, "reject"),
    (Action::Switch, "switch"),
    (Action::OutsideConfirm, "outside-confirm"),
    (Action::OutsideCancel, "outside-cancel"),
];

impl Action {
    /// Whether a person is needed after it, because it claims or makes what contradicts our records.
    pub(crate) const fn is_contradiction(self) -> bool {
        matches!(self, Self::Contradict | Self::Reject)
    }

    /// Whether a process ends or stands still before it calls.
    pub(crate) const fn is_before_the_call(self) -> bool {
        matches!(self, Self::CrashBefore | Self::NapBefore | Self::SleepBefore)
    }

    /// Whether another action does the same to the world and tells the application the same.
    pub(crate) const fn has_an_alike(self) -> bool {
        let alike = matches!(
            self,
            Self::Answer(Fault::ErrorBefore | Fault::Conflict | Fault::Garbage | Fault::Timeout | Fault::ErrorAfter)
        );
        alike || matches!(self, Self::Refuse)
    }

    fn from_name(name: &str) -> Option<Self> {
        let number = |prefix: &str| name.strip_prefix(prefix).and_then(|number| number.parse().ok());
        if let Some(step) = number("restore-late-") {
            return Some(Self::RestoreLate(step));
        }
        if let Some(step) = number("restore-") {
            return Some(Self::Restore(step));
        }
        let plain = PLAIN.iter().find(|(_, plain)| *plain == name).map(|(action, _)| *action);
        plain.or_else(|| Fault::from_name(&name.replace('-', "_")).map(Self::Answer))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(fault) => formatter.write_str(&fault.as_str().replace('_', "-")),
            Self::Restore(step) => write!(formatter, "restore-{step}"),
            Self::RestoreLate(step) => write!(formatter, "restore-late-{step}"),
            plain => {
                let name = PLAIN.iter().find(|(action, _)| action == plain).map_or("?", |(_, name)| name);
                formatter.write_str(name)
            }
        }
    }
}

/// What is done at which steps, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Plan(pub(crate) Vec<(u32, Action)>);

impl Plan {
    /// What is done at this step.
    pub(crate) fn at(&self, step: u32) -> Option<Action> {
        self.0.iter().find(|(at, _)| *at == step).map(|(_, action)| *action)
    }

    /// The step after which nothing is done any more.
    pub(crate) fn last_step(&self) -> u32 {
        self.0.iter().map(|(at, _)| *at).max().unwrap_or(0)
    }

    /// This plan, and something more at a later step.
    pub(crate) fn and(&self, step: u32, action: Action) -> Self {
        let mut plan = self.clone();
        plan.0.push((step, action));
        plan
    }

    /// The restoration that is planned for a later step than the last: to which step, and whether late.
    pub(crate) fn restoration_after(&self, steps: usize) -> Option<(u32, bool)> {
        self.0.iter().filter(|(at, _)| *at as usize > steps).find_map(|(_, action)| match action {
            Action::Restore(step) => Some((*step, false)),
            Action::RestoreLate(step) => Some((*step, true)),
            _ => None,
        })
    }

    /// The earlier steps of which the storage is to be remembered.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = u32> {
        self.0.iter().filter_map(|(_, action)| match action {
            Action::Restore(step) | Action::RestoreLate(step) => Some(*step),
            _ => None,
        })
    }

    /// The plan of that name, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let entries = text.split(',').filter(|entry| !entry.is_empty());
        let parsed = entries.map(|entry| {
            let (step, action) = entry.split_once('=')?;
            Some((step.parse().ok()?, Action::from_name(action)?))
        });
        parsed.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (step, action)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{step}={action}")?;
        }
        Ok(())
    }
}
