//! The account of a run: what was asked for, what became of it, what went wrong, how long it took.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use order_payments::adapters::simulator::faults::Fault;

use crate::chaos::checker::Findings;
use crate::chaos::form::Form;
use crate::chaos::instances::Event;
use crate::chaos::plan::{Act, Plan, Server};
use crate::chaos::recovery::{Passage, Silence, Spread, everywhere, next_outcome, silences};

/// Findings that are printed at the most.
const MAX_WRONGS: usize = 50;

/// Within this time after a kill begins what the kill is the cause of.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Silences that are printed at the most.
const MAX_SILENCES: usize = 30;

/// Everything that a run showed.
pub(crate) struct Account {
    pub(crate) form: Form,
    pub(crate) plan: Plan,
    pub(crate) records: usize,
    pub(crate) requested: usize,
    pub(crate) findings: Findings,
    pub(crate) events: Vec<(Instant, usize, Event)>,
    pub(crate) passages: Vec<Passage>,
    /// When no instance could reach a server, or none was there.
    pub(crate) outages: Vec<Silence>,
    /// When the plan and the load began.
    pub(crate) start: Instant,
    pub(crate) last_sent: Instant,
    pub(crate) gateway_faults: BTreeMap<Fault, u64>,
    /// How long after the last fault everything was settled and told; nothing where it never was.
    pub(crate) settled_after: Option<Duration>,
    pub(crate) took: Duration,
}

impl Account {
    /// Whether every order came to one end that was told once, in time.
    pub(crate) fn is_flawless(&self) -> bool {
        self.findings.wrongs().is_empty() && self.settled_after.is_some()
    }

    /// Prints itself, what is wrong first, and writes itself where the form says.
    pub(crate) fn tell(&self) {
        for wrong in self.findings.wrongs().iter().take(MAX_WRONGS) {
            println!("{wrong}");
        }
        self.tell_longest_silences();
        println!("{self}");
        if let Some(file) = &self.form.account_file {
            std::fs::write(file, self.to_string()).expect("the account can be written");
        }
    }

    /// Tells when they were, for whoever looks for their cause in the plan and in the logs.
    fn tell_longest_silences(&self) {
        let by_partition = silences(&self.passages, |passage| passage.request_partition, self.last_sent);
        let of = |(partition, of): (i32, Vec<Silence>)| of.into_iter().map(move |silence| (silence, partition));
        let mut all: Vec<_> = by_partition.into_iter().flat_map(of).collect();
        all.sort_by_key(|(silence, _)| std::cmp::Reverse(silence.net_length(&self.outages)));
        for (silence, partition) in all.iter().take(MAX_SILENCES) {
            let (from, length) = ((silence.from - self.start).as_secs_f64(), silence.length().as_secs_f64());
            let net = silence.net_length(&self.outages).as_secs_f64();
            println!("{from:7.1} s request partition {partition} silent for {length:.1} s, {net:.1} s without outages");
        }
    }

    fn happened(&self, is_wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, _, event)| is_wanted(event)).count()
    }

    fn kills(&self) -> Vec<Instant> {
        let at = |(at, _, event): &(Instant, usize, Event)| matches!(event, Event::Killed { .. }).then_some(*at);
        self.events.iter().filter_map(at).collect()
    }

    /// Kills that were planned to be seen by themselves, and were: a server may take longer to start again
    /// than was planned.
    fn lone_kills(&self) -> Vec<Instant> {
        let is_lone = |at: Instant| {
            let quiet = self.form.quiet;
            self.outages.iter().all(|outage| outage.to + quiet < at || outage.from > at + quiet)
        };
        let at = |(at, _, event): &(Instant, usize, Event)| match event {
            Event::Killed { is_lone: true } if is_lone(*at) => Some(*at),
            _ => None,
        };
        self.events.iter().filter_map(at).collect()
    }

    /// The longest silence of any partition that began at each of these moments.
    fn silences_after(&self, moments: &[Instant], partition: impl Fn(&Passage) -> i32) -> Vec<Duration> {
        let all: Vec<_> = silences(&self.passages, partition, self.last_sent).into_values().flatten().collect();
        let longest = |moment: &Instant| {
            let begun = all.iter().filter(|silence| silence.from < *moment + AT_ONCE && silence.to > *moment);
            begun.map(|silence| silence.to - silence.from.max(*moment)).max()
        };
        moments.iter().filter_map(longest).collect()
    }

    /// The longest silence of each partition, without what these outages took of it.
    fn longest_silences(&self, partition: impl Fn(&Passage) -> i32, outages: &[Silence]) -> Spread {
        let by_partition = silences(&self.passages, partition, self.last_sent);
        let longest = |of: Vec<Silence>| of.iter().map(|silence| silence.net_length(outages)).max();
        Spread::of(by_partition.into_values().filter_map(longest))
    }

    fn write_recovery(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kills) in [("lone kills", self.lone_kills()), ("all kills", self.kills())] {
            let next = kills.iter().filter_map(|at| next_outcome(&self.passages, *at));
            let every = kills.iter().filter_map(|at| everywhere(&self.passages, *at));
            let of_requests = self.silences_after(&kills, |passage| passage.request_partition);
            let of_outcomes = self.silences_after(&kills, |passage| passage.outcome_partition);
            let rows = [
                ("kill -9 to the next outcome", Spread::of(next)),
                ("kill -9 to a new order's outcome everywhere", Spread::of(every)),
                ("longest silence of a request partition", Spread::of(of_requests)),
                ("longest silence of an outcome partition", Spread::of(of_outcomes)),
            ];
            for (what, spread) in rows {
                writeln!(formatter, "  {what:<44} {spread} after {name}")?;
            }
        }
        for (name, outages) in [("in all", &[][..]), ("without the servers' own outages", &self.outages[..])] {
            let of_requests = self.longest_silences(|passage| passage.request_partition, outages);
            let of_outcomes = self.longest_silences(|passage| passage.outcome_partition, outages);
            writeln!(formatter, "  {:<44} {of_requests} {name}", "longest silence of each request partition")?;
            writeln!(formatter, "  {:<44} {of_outcomes} {name}", "longest silence of each outcome partition")?;
        }
        Ok(())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { form, plan, findings, .. } = self;
        let killed = self.happened(|event| matches!(event, Event::Killed { .. }));
        let paused = self.happened(|event| matches!(event, Event::Paused));
        let left = self.happened(|event| matches!(event, Event::Left));
        let ended = self.happened(|event| matches!(event, Event::Ended(_)));
        let failed = self.happened(|event| matches!(event, Event::Ended(code) if *code != Some(1)));
        let restarts = |wanted| plan.count(|act| matches!(act, Act::Restart { server, .. } if *server == wanted));
        let networks = plan.count(|act| matches!(act, Act::Network { .. }));
        let struck: u64 = self.gateway_faults.values().sum();
        let settled = match self.settled_after {
            Some(after) => format!("{:.1} s after the last fault", after.as_secs_f64()),
            None => format!("NOT within {} s after the last fault", form.settle_within.as_secs()),
        };
        writeln!(
            formatter,
            "chaos: {} form, seed {}, {}, {:.0} s",
            form.name,
            form.seed,
            form.charge_flow,
            self.took.as_secs_f64()
        )?;
        writeln!(formatter, "  did        {killed} kills (-9), {paused} pauses, {left} leaves and joins")?;
        writeln!(
            formatter,
            "             {} restarts of Kafka, {} of PostgreSQL, {networks} network faults, {struck} gateway faults",
            restarts(Server::Kafka),
            restarts(Server::Postgres),
        )?;
        writeln!(formatter, "  saw        {ended} instances give up and started them again, {failed} of them crashed")?;
        writeln!(formatter, "  requested  {} orders in {} records", self.requested, self.records)?;
        writeln!(formatter, "  settled    {} paid, {} failed, all {settled}", findings.paid, findings.failed)?;
        writeln!(
            formatter,
            "  wrong      {} doubles, {} lost, {} duplicate outcomes, {} mismatches, {} dead letters, \
             {} keys with two bodies, {} in review, {} unpublished",
            findings.doubles.len(),
            findings.lost.len(),
            findings.duplicates.len(),
            findings.mismatches.len(),
            findings.dead_letters,
            findings.two_bodies.len(),
            findings.review.len(),
            findings.unpublished,
        )?;
        self.write_recovery(formatter)
    }
}
