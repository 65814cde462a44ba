//! What has to happen before records are handled on a database that was restored.

use async_trait::async_trait;

use crate::adapters::kafka::handler::with_causes;
use crate::application::relay_outbox::CatchUp;

/// Makes a restored database fit to go on with.
#[async_trait]
pub trait RestoreGuard: Send + Sync {
    /// Called once the group turns out to have read further than the database knows; no record of such a
    /// partition is handled before it has answered `Ok`. Called for every partition that comes, so it must
    /// be cheap the second time; may be dropped half-way.
    ///
    /// # Errors
    /// In words, why that cannot be done now: it is called again, soon.
    async fn restored(&self) -> Result<(), String>;
}

/// The world was told outcomes that the restored database has forgotten: they are taken over first.
#[async_trait]
impl RestoreGuard for CatchUp {
    async fn restored(&self) -> Result<(), String> {
        let adopted = self.run().await.map_err(|error| with_causes(&error))?;
        tracing::info!(
            outcomes.marked = adopted.marked,
            outcomes.stored = adopted.stored,
            "the restored database knows now what the world was told: {} outcomes were missing",
            adopted.marked + adopted.stored
        );
        Ok(())
    }
}
