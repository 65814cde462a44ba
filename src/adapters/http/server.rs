//! Serves `/livez`, `/readyz` and `/metrics`, which read the service's state and never change it, and the
//! webhooks where somebody takes them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::adapters::http::webhooks::{self, WebhookReceiver};

/// What the service says of itself.
pub trait Vitals: Send + Sync {
    /// Checks that fail only where a restart would help.
    fn liveness(&self) -> Vec<Check>;
    /// Checks that fail while no order can be paid.
    fn readiness(&self) -> Vec<Check>;
    /// Every metric, in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, as `kafka`.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What was seen, for a person.
    pub detail: String,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

/// A server that listens already and answers once it runs.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    webhooks: Router,
}

impl HttpServer {
    /// Listens at this address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`std::io::Error`] where the address cannot be listened at.
    pub async fn bind(listen: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, webhooks: Router::new() })
    }

    /// Takes webhooks for this receiver, too.
    #[must_use]
    pub fn with_webhooks(self, receiver: Arc<dyn WebhookReceiver>) -> Self {
        Self { webhooks: webhooks::routes(receiver), ..self }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`.
    ///
    /// # Errors
    /// [`std::io::Error`] where the socket breaks.
    pub async fn run(self, vitals: Arc<dyn Vitals>, stop: CancellationToken) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(vitals)
            .merge(self.webhooks);
        axum::serve(self.listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await
    }
}

async fn livez(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    report(vitals.liveness())
}

async fn readyz(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    report(vitals.readiness())
}

async fn metrics(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], vitals.metrics()).into_response()
}

fn report(checks: Vec<Check>) -> Response {
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Report { ok, checks })).into_response()
}
