//! The one writer: the calls that wait share a transaction, each in a savepoint of its own, so that
//! one that is refused takes nothing with it.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqlitePool;
use sqlx::{Acquire, SqliteConnection};

use crate::adapters::sql::fault::DatabaseFault;
use crate::adapters::sql::group_commit::Step;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::ports::order_repository::RepositoryError;

/// A change to the file. May be applied again where its transaction was rolled back.
#[async_trait]
pub(in crate::adapters::sqlite) trait Write: Send + Sync + 'static {
    /// What the caller is told once the change is durable.
    type Answer: Send + 'static;

    /// The order that it is about, where it is one.
    fn order_id(&self) -> Option<&str> {
        None
    }

    /// Makes the change.
    async fn apply(&self, db: &mut SqliteConnection) -> Result<Self::Answer, RepositoryError>;
}

/// A [`Write`] whose answer's type is not known here.
#[async_trait]
pub(in crate::adapters::sqlite) trait AnyWrite: Send + Sync + 'static {
    fn order_id(&self) -> &str;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Box<dyn Any + Send>, RepositoryError>;
}

#[async_trait]
impl<W: Write> AnyWrite for W {
    fn order_id(&self) -> &str {
        Write::order_id(self).unwrap_or_default()
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Box<dyn Any + Send>, RepositoryError> {
        Ok(Box::new(Write::apply(self, db).await?))
    }
}

/// The step that executes whatever is to be written.
pub(in crate::adapters::sqlite) struct Writer {
    pub(in crate::adapters::sqlite) pool: SqlitePool,
}

#[async_trait]
impl Step for Writer {
    type Request = Box<dyn AnyWrite>;
    type Answer = Box<dyn Any + Send>;

    /// SQLite has one writer at a time; a second would only wait.
    const CONCURRENT: usize = 1;

    fn key(write: &Self::Request) -> &str {
        (**write).order_id()
    }

    async fn execute(
        &self,
        batch: &[Arc<Self::Request>],
    ) -> Result<Vec<Result<Self::Answer, RepositoryError>>, DatabaseFault> {
        // IMMEDIATE: a transaction that reads first and writes later could not be upgraded.
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut answers = Vec::with_capacity(batch.len());
        for write in batch {
            let mut savepoint = tx.begin().await?;
            let answer = (***write).apply(&mut savepoint).await;
            match &answer {
                Ok(_) => savepoint.commit().await?,
                // The file itself is in trouble, so nothing of the batch can be relied on.
                Err(RepositoryError::Unavailable(cause)) => return Err(DatabaseFault::of_the_world(cause.to_string())),
                Err(_) => savepoint.rollback().await?,
            }
            answers.push(answer);
        }
        tx.commit().await?;
        Ok(answers)
    }
}

impl SqliteOrderRepository {
    /// Writes, together with whatever else waits, and answers once it is durable.
    pub(in crate::adapters::sqlite) async fn write<W: Write>(&self, write: W) -> Result<W::Answer, RepositoryError> {
        let answer = self.writer.call(Box::new(write)).await?;
        Ok(*answer.downcast().expect("a write is answered by its own apply"))
    }
}
