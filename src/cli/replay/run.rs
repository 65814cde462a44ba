//! `order-payments replay run`: does what was chosen about the records, and reports on each.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::adapters::kafka::resender::KafkaEventResender;
use crate::adapters::kafka::scan::Log;
use crate::adapters::system::SystemClock;
use crate::app::{Adapters, UseCases, decode_options, stop_requested};
use crate::application::replay::foresight::Place;
use crate::application::replay::{BATCH_RECORDS, Effect, Replay};
use crate::cli::person::{Consent, Person};
use crate::cli::replay::choice::Choice;
use crate::cli::replay::plan::foresee;
use crate::cli::replay::policy::Policy;
use crate::cli::replay::reading::Reading;
use crate::cli::replay::report::{Line, Report};
use crate::cli::replay::start::Run;
use crate::cli::replay::tally::{Tally, TallyView};
use crate::cli::{deployment, exit, print};
use crate::config::{Needs, Settings};
use crate::ports::audit_trail::Act;
use crate::ports::clock::Clock;
use crate::ports::order_repository::JournalEntry;
use crate::ports::store::Store;

/// Do something about records that were read before, and report on each of them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Policies:\n  observe             nothing: as plan, with a report\n  republish-outcomes  send the stored outcomes of settled orders again: same bytes, headers, key and id\n  reconcile           look orders up at the gateway and settle what it has ended; never a new charge\n  process             as if the records came anew; what is unknown here is looked up at the gateway, then charged\n\nExamples:\n  order-payments replay run --policy process --from 2h --actor ada --reason \"lost by a bad release\"\n  order-payments replay run --policy republish-outcomes --order-id o-1 --to-topic payments.outcomes.again --actor ada --reason \"the shop lost its table\" --yes\n  order-payments replay run --resume replay-UUID.ndjson --actor ada --reason \"goes on\" --yes\n\nThe service may run beside it: its group is not joined. A run that was stopped or killed goes on with --resume.\n\nExit codes: 0 done, 1 could not, 2 bad command line, 4 something came otherwise than foreseen or is to be tried again."
)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) choice: Choice,
    /// What to do.
    #[arg(long, value_name = "POLICY", required_unless_present = "resume")]
    pub(super) policy: Option<Policy>,
    /// Send outcomes to this topic, which must be there; otherwise to `kafka.outcome_topic`.
    #[arg(long, value_name = "NAME")]
    pub(super) to_topic: Option<String>,
    /// Send the outcomes of refunds as well.
    #[arg(long)]
    pub(super) with_refunds: bool,
    /// Records that are handled in a second, at the most; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// The report, a new file; without it replay-UUID.ndjson.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Go on with the replay of this report: what it selects and does is said there.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "report", "to_topic", "with_refunds"])]
    pub(super) resume: Option<PathBuf>,
    /// Print the sums as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    pub(super) person: Person,
}

#[derive(Debug, Serialize)]
struct RunView {
    replay: String,
    policy: &'static str,
    report: String,
    ended: bool,
    #[serde(flatten)]
    sums: TallyView,
}

impl Args {
    /// Which settings are needed for it.
    pub(super) fn needs(&self) -> Needs {
        let is_without = self.policy.is_some_and(|policy| !policy.asks_gateway());
        if is_without { Needs::DatabaseAndKafka } else { Needs::Everything }
    }
}

pub(super) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let run = match &args.resume {
        Some(path) => Run::resumed(args, settings, path).await?,
        None => Run::chosen(args, settings).await?,
    };
    if run.policy.asks_gateway() {
        let (adapters, use_cases) = deployment::open(settings).await?;
        let _kept = deployment::may_decide(&adapters.store, &use_cases, settings).await?;
        let effect = run.deciding(&adapters, &use_cases);
        return run.go(&adapters.store, effect).await;
    }
    let store = deployment::store(settings).await?;
    let effect = run.harmless().await?;
    run.go(&store, effect).await
}

impl Run<'_> {
    /// What is done with the gateway.
    fn deciding(&self, adapters: &Adapters, use_cases: &UseCases) -> Effect {
        if self.policy == Policy::Process {
            return Effect::Process(Arc::clone(&use_cases.process_payment));
        }
        Effect::Reconcile(Box::new(use_cases.repair(adapters, self.settings)))
    }

    /// What is done without it.
    async fn harmless(&self) -> anyhow::Result<Effect> {
        if self.policy == Policy::Observe {
            return Ok(Effect::Observe);
        }
        let kafka = &self.settings.kafka;
        let topic = self.header.to_topic.as_deref().unwrap_or(&kafka.outcome_topic);
        if topic == kafka.request_topic || topic == kafka.dead_letter_topic {
            bail!("outcomes do not belong on {topic:?}, which is read for requests; nothing was done");
        }
        Log::of(kafka, topic).await.context("the topic that outcomes are to be sent to cannot be used")?;
        let resender = Arc::new(KafkaEventResender::new(kafka, topic)?);
        Ok(Effect::Republish { resender, with_refunds: self.header.with_refunds })
    }

    async fn go(&self, store: &Store, effect: Effect) -> anyhow::Result<ExitCode> {
        let mut replay = Replay::new(store, Arc::new(SystemClock), effect);
        if self.is_new && !self.is_agreed(store, HashSet::new()).await? {
            return Ok(ExitCode::FAILURE);
        }
        let (mut report, told) = if self.is_new {
            (Report::begin(&self.path, &self.header)?, HashSet::new())
        } else {
            let remember = |line: &Line| {
                let place = Place { partition: line.partition, offset: line.offset };
                if let Some(order_id) = line.order_id.as_ref().and_then(|id| id.parse().ok()) {
                    replay.remember(place, order_id, &line.foreseen, &line.result);
                }
            };
            Report::resume(&self.path, remember)?
        };
        if !self.is_new && !self.is_agreed(store, told.clone()).await? {
            return Ok(ExitCode::FAILURE);
        }
        let note =
            format!("{}; {}: {}", self.policy.as_str(), self.header.selection.described(), self.args.person.reason);
        self.enter(store, if self.is_new { "STARTED" } else { "RESUMED" }, note).await?;
        let (tally, ended) = self.all(&mut replay, &mut report, told).await?;
        self.enter(store, if ended { "ENDED" } else { "STOPPED" }, tally.noted()).await?;
        self.tell(&tally, ended)
    }

    /// Handles batch after batch, until the end, a signal, or a world that takes nothing.
    async fn all(
        &self,
        replay: &mut Replay,
        report: &mut Report,
        told: HashSet<Place>,
    ) -> anyhow::Result<(Tally, bool)> {
        let mut stop = std::pin::pin!(stop_requested()?);
        let (selection, options) = (&self.header.selection, decode_options(self.settings));
        let mut reading = Reading::new(&self.log, selection, options, selection.is_own(self.settings), told)?;
        let mut tally = Tally::default();
        let started = Instant::now();
        let ended = loop {
            let batch = tokio::select! {
                biased;
                () = &mut stop => break false,
                batch = reading.batch(batch_size(self.args.rate), SystemClock.now()) => batch?,
            };
            if batch.is_empty() {
                break true;
            }
            let (records, not_now) = (batch.len() as u64, tally.not_now);
            let mut tell = |told| {
                report.tell(&told);
                tally.add(&told);
            };
            let ran = replay.run(batch, &mut tell).await;
            ran.context("the orders could not be read; go on later with --resume")?;
            report.keep()?;
            if tally.not_now - not_now == records {
                eprintln!("order-payments: nothing can be done now; go on later with --resume {}", self.path.display());
                break false;
            }
            let pace = sleep_until(started + pace(tally.records, self.args.rate));
            tokio::select! {
                () = &mut stop => break false,
                () = pace => {}
            }
        };
        reading.bar.finish_and_clear();
        Ok((tally, ended))
    }

    /// Whether the person agrees, where money can move or others are told: after the plan was shown.
    async fn is_agreed(&self, store: &Store, told: HashSet<Place>) -> anyhow::Result<bool> {
        if self.args.consent.is_given() || !matches!(self.policy, Policy::Process | Policy::RepublishOutcomes) {
            return Ok(true);
        }
        let selection = &self.header.selection;
        let plan = foresee(store, self.settings, &self.log, selection, told, &mut |_| {}).await?;
        eprintln!("{}\n{}", selection.described(), plan.plan());
        let question = match self.policy {
            Policy::Process => {
                format!("handle them anew, and charge up to {} orders ({})?", plan.may_charge(), plan.at_stake())
            }
            _ => format!("send the outcomes of the orders of {} records again?", plan.settled()),
        };
        self.args.consent.to(&question)
    }

    async fn enter(&self, store: &Store, state: &'static str, note: String) -> anyhow::Result<()> {
        let subject = JournalEntry::subject_of_replay(&self.header.replay);
        loop {
            let version = store.audit.entries_under(&subject).await?.len() as u64 + 1;
            let actor = self.args.person.actor.clone();
            let act = Act { subject: subject.clone(), version, state, actor, note: note.clone() };
            if store.audit.enter(&[act]).await? == [true] {
                return Ok(());
            }
        }
    }

    fn tell(&self, tally: &Tally, ended: bool) -> anyhow::Result<ExitCode> {
        let report = self.path.display();
        if self.args.json {
            print::json(&RunView {
                replay: self.header.replay.clone(),
                policy: self.policy.as_str(),
                report: report.to_string(),
                ended,
                sums: tally.view(true),
            })?;
        } else {
            let end = if ended { "" } else { "\nnot at its end: go on with --resume" };
            print::text(&format_args!("{}\nreport: {report}{end}", tally.results()))?;
        }
        let is_well = ended && tally.not_now == 0 && tally.otherwise == 0;
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(exit::ATTENTION) })
    }
}

/// So few that a slow pace is even.
fn batch_size(rate: u32) -> usize {
    match rate {
        0 => BATCH_RECORDS,
        rate => usize::try_from(rate / 4).unwrap_or(BATCH_RECORDS).clamp(1, BATCH_RECORDS),
    }
}

/// How long that many records take at this rate.
fn pace(records: u64, rate: u32) -> Duration {
    match u64::from(rate) {
        0 => Duration::ZERO,
        rate => Duration::from_micros(records.saturating_mul(1_000_000) / rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_kept_in_small_steps() {
        assert_eq!((batch_size(0), pace(500, 0)), (BATCH_RECORDS, Duration::ZERO));
        assert_eq!((batch_size(1), pace(10, 1)), (1, Duration::from_secs(10)));
        assert_eq!((batch_size(100), pace(25, 100)), (25, Duration::from_millis(250)));
        assert_eq!(batch_size(u32::MAX), BATCH_RECORDS);
    }
}
