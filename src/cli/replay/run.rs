//! `order-payments replay run`: does what was chosen about the records, and reports on each.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::Serialize;

use crate::adapters::kafka::resender::KafkaEventResender;
use crate::adapters::kafka::scan::Log;
use crate::adapters::system::SystemClock;
use crate::app::{Adapters, UseCases};
use crate::application::replay::foresight::Place;
use crate::application::replay::verdict::Deed;
use crate::application::replay::{Effect, Replay};
use crate::cli::person::{Consent, Person};
use crate::cli::replay::choice::Choice;
use crate::cli::replay::plan::foresee;
use crate::cli::replay::policy::Policy;
use crate::cli::replay::report::{Report, ToldBefore};
use crate::cli::replay::start::Run;
use crate::cli::replay::tally::{Tally, TallyView};
use crate::cli::{deployment, exit, print};
use crate::config::{Needs, Settings};
use crate::ports::audit_trail::Act;
use crate::ports::order_repository::JournalEntry;
use crate::ports::store::Store;

/// Do something about records that were read before, and report on each of them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Policies:\n  observe             nothing: as plan, with a report\n  republish-outcomes  send the stored outcomes of settled orders again: same bytes, headers, key and id\n  reconcile           look orders up at the gateway and settle what it has ended; never a new charge\n  process             as if the records came anew; what is unknown here is looked up at the gateway, then charged\n\nExamples:\n  order-payments replay run --policy process --from 2h --actor ada --reason \"lost by a bad release\"\n  order-payments replay run --policy republish-outcomes --order-id o-1 --to-topic payments.outcomes.again --actor ada --reason \"the shop lost its table\" --yes\n  order-payments replay run --resume replay-UUID.ndjson --actor ada --reason \"goes on\" --yes\n\nThe service may run beside it: its group is not joined. A run that was stopped or killed goes on with --resume.\n\nExit codes: 0 done, 1 could not, 2 bad command line, 4 something came otherwise than foreseen, is to be looked at or to be tried again."
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
    pub(super) rate: u32,
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
        let mut tally = Tally::default();
        if self.is_new && !self.is_agreed(store, ToldBefore::new()).await? {
            return Ok(ExitCode::FAILURE);
        }
        let (mut report, told) = self.open(&mut replay, &mut tally)?;
        if !self.is_new && !self.is_agreed(store, told.clone()).await? {
            return Ok(ExitCode::FAILURE);
        }
        let report_path = self.path.display();
        eprintln!("order-payments: the report is {report_path}");
        let went = self.went(store, &mut replay, &mut report, told, &mut tally).await;
        let ended = went.with_context(|| format!("not at its end: go on with --resume {report_path}"))?;
        self.tell(&tally, ended)
    }

    /// Goes through the records between two entries in the journal, whatever ends it.
    async fn went(
        &self,
        store: &Store,
        replay: &mut Replay,
        report: &mut Report,
        told: ToldBefore,
        tally: &mut Tally,
    ) -> anyhow::Result<bool> {
        let described = self.header.selection.described();
        let note = format!("{}; {described}: {}", self.policy.as_str(), self.args.person.reason);
        self.enter(store, if self.is_new { "STARTED" } else { "RESUMED" }, note).await?;
        let went = self.all(store, replay, report, told, tally).await;
        let (state, note) = match &went {
            Ok(true) => ("ENDED", tally.noted()),
            Ok(false) => ("STOPPED", tally.noted()),
            Err(error) => ("STOPPED", format!("{}; {error:#}", tally.noted())),
        };
        let entered = self.enter(store, state, note).await;
        // What ended the replay says more than that it could not be noted down.
        went.and_then(|ended| entered.map(|()| ended))
    }

    /// The report, begun or gone on with, and what it tells already.
    fn open(&self, replay: &mut Replay, tally: &mut Tally) -> anyhow::Result<(Report, ToldBefore)> {
        if self.is_new {
            return Ok((Report::begin(&self.path, &self.header)?, ToldBefore::new()));
        }
        Report::resume(&self.path, |line| {
            let place = Place { partition: line.partition, offset: line.offset };
            if line.result == Deed::Republished.as_str()
                && let Some(order_id) = line.order_id.as_ref().and_then(|id| id.parse().ok())
            {
                replay.remember_sent(place, order_id);
            }
            tally.add_line(line)
        })
    }

    /// Whether the person agrees, where money can move, orders end or others are told: after the plan was shown.
    async fn is_agreed(&self, store: &Store, told: ToldBefore) -> anyhow::Result<bool> {
        if self.args.consent.is_given() || self.policy == Policy::Observe {
            return Ok(true);
        }
        let selection = &self.header.selection;
        let plan = foresee(store, self.settings, &self.log, selection, told, &mut |_| {}).await?;
        eprintln!("{}\n{}", selection.described(), plan.plan());
        let question = match self.policy {
            Policy::Process => {
                format!("handle them anew, and charge up to {} orders ({})?", plan.may_charge(), plan.at_stake())
            }
            Policy::Reconcile => {
                format!("look up the orders of {} records, and end those that the gateway has ended?", plan.open())
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
            let end = if ended { String::new() } else { format!("\nnot at its end: go on with --resume {report}") };
            print::text(&format_args!("{}\nreport: {report}{end}", tally.results()))?;
        }
        Ok(if ended && tally.is_well() { ExitCode::SUCCESS } else { ExitCode::from(exit::ATTENTION) })
    }
}
