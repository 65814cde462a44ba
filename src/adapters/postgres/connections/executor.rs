//! Statements on [`Connections`] and on one [`Connection`], as sqlx's queries expect to be carried out:
//! each within its time, and each connection given back only where all went well.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo, Postgres};
use sqlx::{Describe, Either, Error, Execute, Executor, SqlStr};
use tokio::time::timeout;

use crate::adapters::postgres::connections::{ANSWER_TIMEOUT, Connection, Connections};

type Step = Either<PgQueryResult, PgRow>;

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        // All of it, then the caller: no one holds a connection while it looks at rows.
        let steps = async move {
            let mut live = self.take()?;
            let steps = timeout(ANSWER_TIMEOUT, live.raw.fetch_many(query).try_collect::<Vec<_>>()).await;
            self.judge(live, steps)
        };
        stream::once(steps).map_ok(|steps| stream::iter(steps.into_iter().map(Ok))).try_flatten().boxed()
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let rows = async move {
            let mut live = self.take()?;
            let rows = timeout(ANSWER_TIMEOUT, live.raw.fetch_all(query)).await;
            self.judge(live, rows)
        };
        rows.boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let row = async move {
            let mut live = self.take()?;
            let row = timeout(ANSWER_TIMEOUT, live.raw.fetch_optional(query)).await;
            self.judge(live, row)
        };
        row.boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, types: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let statement = async move {
            let mut live = self.take()?;
            let statement = timeout(ANSWER_TIMEOUT, live.raw.prepare_with(sql, types)).await;
            self.judge(live, statement)
        };
        statement.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let description = async move {
            let mut live = self.take()?;
            let description = timeout(ANSWER_TIMEOUT, live.raw.describe(sql)).await;
            self.judge(live, description)
        };
        description.boxed()
    }
}

impl<'c> Executor<'c> for &'c Connections {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let steps = async move {
            let mut connection = self.acquire().await?;
            let steps: Result<Vec<Step>, Error> = connection.fetch_many(query).try_collect().await;
            connection.give_back();
            steps
        };
        stream::once(steps).map_ok(|steps| stream::iter(steps.into_iter().map(Ok))).try_flatten().boxed()
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let rows = async move {
            let mut connection = self.acquire().await?;
            let rows = connection.fetch_all(query).await;
            connection.give_back();
            rows
        };
        rows.boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let row = async move {
            let mut connection = self.acquire().await?;
            let row = connection.fetch_optional(query).await;
            connection.give_back();
            row
        };
        row.boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, types: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        async move { self.acquire().await?.prepare_with(sql, types).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        async move { self.acquire().await?.describe(sql).await }.boxed()
    }
}
