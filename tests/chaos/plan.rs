//! What goes wrong, when and where: all of it follows from the form and its seed.

use std::time::Duration;

use fastrand::Rng;
use order_payments::adapters::simulator::faults::Fault;

use crate::chaos::form::{Form, GATEWAY_FAULTS, INSTANCES};
use crate::support::proxy::Mode;

/// Before the first thing goes wrong the group forms and the first orders pass.
const HEAD_START: Duration = Duration::from_secs(4);

/// The rest after something that is not to be seen by itself.
const BREATH: Duration = Duration::from_secs(1);

/// Kills that share the quiet time before the first of them.
const LONE_KILLS_IN_A_ROW: usize = 5;

/// How much longer than the session timeout a pause lasts, so that the group goes on without it.
const BEYOND_SESSION: Duration = Duration::from_secs(2);

/// The service's default, as `config/default.toml` has it.
const DEFAULT_SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// One of the programs that instances talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Server {
    Kafka,
    Postgres,
    Gateway,
}

impl Server {
    pub(crate) const ALL: [Self; 3] = [Self::Kafka, Self::Postgres, Self::Gateway];
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// `kill -9` of an instance, and a new start after this long.
    Kill { instance: usize, down: Duration, is_lone: bool },
    /// SIGSTOP of an instance for this long.
    Pause { instance: usize, lasts: Duration },
    /// SIGTERM of an instance, and a new start after this long.
    Leave { instance: usize, away: Duration },
    /// A server ends by this signal and starts again.
    Restart { server: Server, signal: &'static str },
    /// The network between some instances and a server is bad for this long.
    Network { instances: Vec<usize>, server: Server, mode: Mode, lasts: Duration },
    /// The gateway misbehaves for this long, by these shares.
    Gateway { shares: Vec<(Fault, f64)>, lasts: Duration },
}

/// An act and when it begins, from the start of the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) act: Act,
}

/// Everything that goes wrong in a run, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// When the last of it is over, as far as that is planned.
    pub(crate) lasts: Duration,
}

impl Plan {
    pub(crate) fn of(form: &Form) -> Self {
        let mut maker = Maker { rng: Rng::with_seed(form.seed), form, free_from: [Duration::ZERO; INSTANCES] };
        let mut steps = maker.processes_and_networks();
        let lasts = steps.iter().map(|step| step.at + step.act.lasts()).max().unwrap_or_default() + form.quiet;
        steps.extend(maker.gateway(lasts));
        steps.sort_by_key(|step| step.at);
        Self { steps, lasts }
    }

    pub(crate) fn count(&self, is_wanted: impl Fn(&Act) -> bool) -> usize {
        self.steps.iter().filter(|step| is_wanted(&step.act)).count()
    }
}

impl Act {
    /// Whether all instances are without a server as long as it goes on.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Restart { .. } => true,
            Self::Network { instances, mode, .. } => instances.len() == INSTANCES && !matches!(mode, Mode::Slow(_)),
            Self::Kill { .. } | Self::Pause { .. } | Self::Leave { .. } | Self::Gateway { .. } => false,
        }
    }

    /// How long it goes on, as far as that is planned.
    pub(crate) fn lasts(&self) -> Duration {
        match self {
            Self::Kill { down: lasts, .. }
            | Self::Pause { lasts, .. }
            | Self::Leave { away: lasts, .. }
            | Self::Network { lasts, .. }
            | Self::Gateway { lasts, .. } => *lasts,
            Self::Restart { .. } => Duration::ZERO,
        }
    }
}

/// What is to happen, before it is known when and to whom.
#[derive(Clone, Copy)]
enum Intent {
    /// Nothing, so that what follows meets instances that do nothing but their work.
    Quiet,
    LoneKill,
    CrowdedKill,
    Pause,
    Leave,
    Restart(Server, &'static str),
    Network(Server, Mode),
}

struct Maker<'form> {
    rng: Rng,
    form: &'form Form,
    /// From when each instance runs undisturbed.
    free_from: [Duration; INSTANCES],
}

impl Maker<'_> {
    fn processes_and_networks(&mut self) -> Vec<Step> {
        let mut now = HEAD_START;
        let mut steps = Vec::new();
        for intent in self.intents() {
            let act = match intent {
                Intent::Quiet => {
                    now = (now + self.form.quiet).max(*self.free_from.iter().max().expect("there are instances"));
                    continue;
                }
                Intent::Restart(server, signal) => Act::Restart { server, signal },
                Intent::Network(server, mode) => self.network(server, mode),
                Intent::LoneKill | Intent::CrowdedKill | Intent::Pause | Intent::Leave => {
                    let instance = self.free_instance(&mut now);
                    let act = self.process(intent, instance);
                    self.free_from[instance] = now + act.lasts() + BREATH;
                    act
                }
            };
            let rest = match intent {
                Intent::Quiet => unreachable!("it is no act"),
                Intent::LoneKill => self.form.quiet,
                Intent::CrowdedKill | Intent::Pause | Intent::Leave => BREATH,
                Intent::Restart(..) => self.form.longest_fault,
                Intent::Network(..) => act.lasts() + BREATH,
            };
            steps.push(Step { at: now, act });
            now += rest + self.up_to(BREATH);
        }
        steps
    }

    /// Lone kills come some in a row after a quiet time, everything else as chance has it.
    fn intents(&mut self) -> Vec<Intent> {
        let mut runs: Vec<Vec<Intent>> = self.crowd().into_iter().map(|intent| vec![intent]).collect();
        let lone = vec![Intent::LoneKill; self.form.lone_kills];
        runs.extend(lone.chunks(LONE_KILLS_IN_A_ROW).map(|row| [&[Intent::Quiet], row].concat()));
        self.rng.shuffle(&mut runs);
        runs.concat()
    }

    fn crowd(&self) -> Vec<Intent> {
        let form = self.form;
        let mut intents = Vec::new();
        let counts =
            [(Intent::CrowdedKill, form.crowded_kills), (Intent::Pause, form.pauses), (Intent::Leave, form.leaves)];
        for (intent, count) in counts {
            intents.extend(std::iter::repeat_n(intent, count));
        }
        // PostgreSQL knows three ways to end: fast, at once as by a crash, and killed.
        let kafka = ["KILL", "TERM"].into_iter().map(|signal| Intent::Restart(Server::Kafka, signal));
        let postgres = ["KILL", "QUIT", "INT"].into_iter().map(|signal| Intent::Restart(Server::Postgres, signal));
        intents.extend(kafka.cycle().take(form.restarts));
        intents.extend(postgres.cycle().take(form.restarts));
        intents.extend(troubles().cycle().take(form.network_faults));
        intents
    }

    /// An instance that runs undisturbed now, or as soon as there is one.
    fn free_instance(&mut self, now: &mut Duration) -> usize {
        let soonest = *self.free_from.iter().min().expect("there are instances");
        *now = soonest.max(*now);
        let free: Vec<_> = (0..INSTANCES).filter(|instance| self.free_from[*instance] <= *now).collect();
        self.rng.choice(free).expect("one is free now")
    }

    fn process(&mut self, intent: Intent, instance: usize) -> Act {
        let session_timeout = self.form.session_timeout.unwrap_or(DEFAULT_SESSION_TIMEOUT);
        match intent {
            Intent::Pause => Act::Pause { instance, lasts: session_timeout + BEYOND_SESSION },
            Intent::Leave => Act::Leave { instance, away: self.up_to(self.form.longest_fault) },
            kill => {
                let is_lone = matches!(kill, Intent::LoneKill);
                Act::Kill { instance, down: self.up_to(self.form.longest_fault / 2), is_lone }
            }
        }
    }

    /// Bad for one instance more often than for all: then the others go on, and one knows less than they.
    fn network(&mut self, server: Server, mode: Mode) -> Act {
        let alone = self.rng.usize(0..INSTANCES);
        let is_everywhere = self.rng.u8(0..3) == 0;
        let instances = if is_everywhere { (0..INSTANCES).collect() } else { vec![alone] };
        let lasts = self.form.longest_fault / 2 + self.up_to(self.form.longest_fault / 2);
        Act::Network { instances, server, mode, lasts }
    }

    /// Every kind of gateway fault at least once, two at a time, half of the time.
    fn gateway(&mut self, lasts: Duration) -> Vec<Step> {
        let mut faults = GATEWAY_FAULTS;
        self.rng.shuffle(&mut faults);
        let rounds = GATEWAY_FAULTS.len().div_ceil(2);
        let round = u32::try_from(rounds).expect("few");
        let longest = self.form.longest_fault;
        let turns = (lasts.saturating_sub(HEAD_START).as_secs() / (2 * longest.as_secs().max(1))).max(u64::from(round));
        let pace = lasts.saturating_sub(HEAD_START) / u32::try_from(turns).expect("few");
        let pairs = faults.chunks(2).cycle().zip(0..turns);
        pairs
            .map(|(pair, turn)| {
                let at = HEAD_START + pace * u32::try_from(turn).expect("few");
                let shares = pair.iter().map(|fault| (*fault, 0.05 + 0.15 * self.rng.f64())).collect();
                Step { at, act: Act::Gateway { shares, lasts: (pace * 2 / 3).min(longest) } }
            })
            .collect()
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.rng.f64())
    }
}

/// Every trouble on the way to every server, those that hurt most first.
fn troubles() -> impl Iterator<Item = Intent> + Clone {
    let modes = [Mode::HalfOpen, Mode::Cut, Mode::Mute, Mode::Stall, Mode::Slow(Duration::from_millis(150))];
    (0..modes.len() * Server::ALL.len())
        .map(move |number| Intent::Network(Server::ALL[number % Server::ALL.len()], modes[number % modes.len()]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_one_another() {
        let form = Form::asked_for();
        let other = Form { seed: form.seed + 1, ..form.clone() };
        assert_eq!(Plan::of(&form), Plan::of(&form));
        assert_ne!(Plan::of(&form), Plan::of(&other));
    }

    #[test]
    fn a_plan_has_everything_that_its_form_asks_for() {
        for seed in 0..50 {
            let form = Form { seed, ..Form::asked_for() };
            let plan = Plan::of(&form);
            let kills = plan.count(|act| matches!(act, Act::Kill { .. }));
            assert_eq!(kills, form.lone_kills + form.crowded_kills);
            assert_eq!(plan.count(|act| matches!(act, Act::Restart { .. })), 2 * form.restarts);
            assert_eq!(plan.count(|act| matches!(act, Act::Network { .. })), form.network_faults);
            let faults: BTreeSet<Fault> = plan
                .steps
                .iter()
                .flat_map(|step| match &step.act {
                    Act::Gateway { shares, .. } => shares.iter().map(|(fault, _)| *fault).collect(),
                    _ => Vec::new(),
                })
                .collect();
            assert_eq!(faults, BTreeSet::from(GATEWAY_FAULTS), "seed {seed}");
            assert!(plan.steps.is_sorted_by_key(|step| step.at));
        }
    }

    #[test]
    fn fifteen_troubles_are_all_pairs_of_server_and_trouble() {
        let pairs: BTreeSet<String> = troubles()
            .map(|intent| match intent {
                Intent::Network(server, mode) => format!("{server:?} {mode:?}"),
                _ => unreachable!("only troubles of the network"),
            })
            .collect();
        assert_eq!(pairs.len(), 15);
    }
}
