//! What a run is about: chosen on the command line, or said by the report that it goes on with.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use uuid::Uuid;

use crate::adapters::kafka::scan::Log;
use crate::adapters::system::SystemClock;
use crate::adapters::wire::outcome::rfc3339;
use crate::cli::replay::policy::Policy;
use crate::cli::replay::report::{self, Header};
use crate::cli::replay::run::Args;
use crate::config::Settings;
use crate::ports::clock::Clock;

/// A run that may begin.
pub(super) struct Run<'a> {
    pub(super) args: &'a Args,
    pub(super) settings: &'a Settings,
    pub(super) header: Header,
    pub(super) policy: Policy,
    pub(super) path: PathBuf,
    pub(super) log: Log,
    pub(super) is_new: bool,
}

impl<'a> Run<'a> {
    /// What the command line chooses. A report that is there is never gone on with by this: what it selects may
    /// be more than what the command line says.
    ///
    /// # Errors
    /// In words; nothing was done.
    pub(super) async fn chosen(args: &'a Args, settings: &'a Settings) -> anyhow::Result<Self> {
        let policy = args.policy.context("--policy is needed")?;
        let is_republishing = policy == Policy::RepublishOutcomes;
        if !is_republishing && (args.to_topic.is_some() || args.with_refunds) {
            bail!("--to-topic and --with-refunds are for --policy republish-outcomes; nothing was done");
        }
        let now = SystemClock.now();
        let (cluster, log) = args.choice.log(settings, None).await?;
        let selection = args.choice.selection(&cluster.brokers, &log, now).await?;
        let replay = Uuid::new_v4();
        let path = args.report.clone().unwrap_or_else(|| format!("replay-{replay}.ndjson").into());
        let header = Header {
            replay: replay.to_string(),
            policy: policy.as_str().to_owned(),
            actor: args.person.actor.clone(),
            reason: args.person.reason.clone(),
            started_at: rfc3339(now),
            to_topic: args.to_topic.clone(),
            with_refunds: args.with_refunds,
            selection,
        };
        if path.exists() {
            bail!("{0} is there already: go on with it by --resume {0}, or name another file", path.display());
        }
        Ok(Self { args, settings, header, policy, path, log, is_new: true })
    }

    /// What the report says that is gone on with.
    ///
    /// # Errors
    /// In words; nothing was done.
    pub(super) async fn resumed(args: &'a Args, settings: &'a Settings, path: &Path) -> anyhow::Result<Self> {
        if args.choice.is_given() || args.choice.names_topic() {
            bail!("--resume goes on with what its report selects: leave the selection out; nothing was done");
        }
        let header = report::header(path)?;
        let (cluster, log) = args.choice.log(settings, Some(&header.selection.topic)).await?;
        if cluster.brokers != header.selection.brokers {
            bail!(
                "the report is of the cluster {:?}, and this is {:?}: name its settings by --source-config",
                header.selection.brokers,
                cluster.brokers
            );
        }
        let policy = Policy::of(&header.policy)?;
        eprintln!(
            "order-payments: goes on with {}: {} over {} at {}, begun at {}",
            path.display(),
            policy.as_str(),
            header.selection.described(),
            header.selection.brokers,
            header.started_at
        );
        Ok(Self { args, settings, header, policy, path: path.to_owned(), log, is_new: false })
    }
}
