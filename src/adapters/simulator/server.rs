//! The provider over HTTP, as Stripe's API has it. Carries requests and replies; decides nothing.
//!
//! Beside `/v1/…` it serves `GET /_ledger` (what was truly done; `?totals=true` for the sums alone),
//! `GET` and `POST /_faults` (the fault switch: what a `POST` does not name is off),
//! `POST /_refunds/{id}/fail` (a refund bounces, as it may for weeks) and `GET /_health`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode, header};
use axum::response::{IntoResponse, Response};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::adapters::simulator::connection::{CuttableListener, Scissors};
use crate::adapters::simulator::faults::Faults;
use crate::adapters::simulator::provider::{Provider, ProviderConfig};
use crate::adapters::simulator::request::{Answer, Method, Reply, Request};
use crate::ports::clock::Clock;

/// The largest form that is read; Stripe's own forms have a few hundred bytes.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Connections that may wait to be accepted, where the system allows it: services connect for thousands of orders at
/// once, and whoever finds no place may be cut off.
const BACKLOG: u32 = 16_384;

/// How long open connections may take to end at a shutdown.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Where the simulator listens and how it behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatorConfig {
    /// The address to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How the provider behaves.
    pub provider: ProviderConfig,
}

impl Default for SimulatorConfig {
    /// A free port of this machine alone, no declines, no latency, no faults.
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), provider: ProviderConfig::default() }
    }
}

/// The simulator cannot listen.
#[derive(Debug, Error)]
#[error("the payment simulator cannot listen at {address}")]
pub struct SimulatorError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// A running simulator. Stops when it is dropped; `shutdown` also waits for its end.
pub struct Simulator {
    address: SocketAddr,
    provider: Arc<Provider>,
    tasks: JoinSet<()>,
    stop: DropGuard,
}

impl Simulator {
    /// Starts to listen. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`SimulatorError`] where the address is taken or not this machine's; nothing was started.
    pub fn start(config: SimulatorConfig, clock: Arc<dyn Clock>) -> Result<Self, SimulatorError> {
        let failed = |source| SimulatorError { address: config.listen, source };
        let listener = bind(config.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let provider = Arc::new(Provider::new(config.provider, clock));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&provider), stop.clone()));
        Ok(Self { address, provider, tasks, stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of its API, as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The provider behind it, for its ledger and its faults.
    pub fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }

    /// Stops: hanging requests are cut at once, others may finish within five seconds.
    pub async fn shutdown(mut self) {
        self.stop.disarm().cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_LIMIT, ended).await.is_err() {
            tracing::warn!(address = %self.address, "the payment simulator's connections did not end in time");
        }
    }
}

#[derive(Clone)]
struct Desk {
    provider: Arc<Provider>,
    stop: CancellationToken,
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(listener: TcpListener, provider: Arc<Provider>, stop: CancellationToken) {
    let desk = Desk { provider, stop: stop.clone() };
    // One handler that routes by itself: the provider knows its paths, and a lookup less is time saved.
    let routes = Router::new().fallback(answer).with_state(desk);
    let service = routes.into_make_service_with_connect_info::<Scissors>();
    let server = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "the payment simulator stopped listening");
    }
}

async fn answer(
    State(desk): State<Desk>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the form is too large or broke off").into_response();
    };
    if parts.uri.path().starts_with("/_") {
        return operate(&desk.provider, &parts, &body);
    }
    let method = match parts.method {
        HttpMethod::GET => Method::Get,
        HttpMethod::POST => Method::Post,
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    // A simulator that is gone must not go on charging over connections that are still open.
    if desk.stop.is_cancelled() {
        return cut(&scissors);
    }
    let Reply { after, answer } = desk.provider.handle(&read(method, &parts, &body));
    let stopped = !after.is_zero() && tokio::time::timeout(after, desk.stop.cancelled()).await.is_ok();
    match answer {
        Some(answer) if !stopped => written(answer),
        _ => cut(&scissors),
    }
}

fn read<'a>(method: Method, parts: &'a Parts, body: &'a Bytes) -> Request<'a> {
    let header = |name: HeaderName| text_of(&parts.headers, &name);
    Request {
        method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        body,
        authorization: header(header::AUTHORIZATION),
        idempotency_key: header(HeaderName::from_static("idempotency-key")),
        api_version: header(HeaderName::from_static("stripe-version")),
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Nothing of this response is ever written: the connection ends when the server tries to.
fn cut(scissors: &Scissors) -> Response {
    scissors.cut();
    StatusCode::NO_CONTENT.into_response()
}

fn written(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if answer.replayed {
        headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    }
    if let Some(Ok(request_id)) = answer.request_id.map(HeaderValue::try_from) {
        headers.insert(HeaderName::from_static("request-id"), request_id);
    }
    if let Some(should_retry) = answer.should_retry {
        let value = HeaderValue::from_static(if should_retry { "true" } else { "false" });
        headers.insert(HeaderName::from_static("stripe-should-retry"), value);
    }
    response
}

/// The endpoints that a real provider does not have.
fn operate(provider: &Provider, parts: &Parts, body: &Bytes) -> Response {
    let query = parts.uri.query().unwrap_or_default();
    match (&parts.method, parts.uri.path()) {
        (&HttpMethod::GET, "/_health") => "ok\n".into_response(),
        (&HttpMethod::GET, "/_ledger") if query == "totals=true" => axum::Json(provider.totals()).into_response(),
        (&HttpMethod::GET, "/_ledger") => axum::Json(provider.ledger()).into_response(),
        (&HttpMethod::GET, "/_faults") => axum::Json(provider.faults()).into_response(),
        (&HttpMethod::POST, "/_faults") => match faults_from(query, body) {
            Ok(faults) => {
                provider.set_faults(faults.clone());
                axum::Json(faults).into_response()
            }
            Err(problem) => (StatusCode::BAD_REQUEST, problem).into_response(),
        },
        (&HttpMethod::POST, path) => {
            match path.strip_prefix("/_refunds/").and_then(|rest| rest.strip_suffix("/fail")) {
                Some(id) if provider.fail_refund(id) => StatusCode::NO_CONTENT.into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The switch as JSON where there is a body, else from the query.
fn faults_from(query: &str, body: &[u8]) -> Result<Faults, String> {
    let faults = if body.is_empty() {
        Faults::from_query(query)
    } else {
        serde_json::from_slice::<Faults>(body).map_err(|error| error.to_string())?.checked()
    };
    faults.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
