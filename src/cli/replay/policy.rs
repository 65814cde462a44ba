//! What a replay does about records.

use anyhow::Context;

/// What is done about records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Policy {
    Observe,
    RepublishOutcomes,
    Reconcile,
    Process,
}

impl Policy {
    const ALL: [Self; 4] = [Self::Observe, Self::RepublishOutcomes, Self::Reconcile, Self::Process];

    /// The name on the command line and in reports.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::RepublishOutcomes => "republish-outcomes",
            Self::Reconcile => "reconcile",
            Self::Process => "process",
        }
    }

    /// Whether the gateway is asked for it.
    pub(super) const fn asks_gateway(self) -> bool {
        matches!(self, Self::Reconcile | Self::Process)
    }

    /// The policy of that name.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn of(name: &str) -> anyhow::Result<Self> {
        let known = Self::ALL.into_iter().find(|policy| policy.as_str() == name);
        known.with_context(|| format!("the report is of the policy {name:?}, which this version does not know"))
    }
}
