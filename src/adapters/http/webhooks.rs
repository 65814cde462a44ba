//! `POST /webhooks/stripe`: takes what the payment provider wants to tell. Anyone may knock here, so every
//! delivery is bounded in size, in time and in number before it is looked at, and nothing of it is logged.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The largest delivery that is read; an event about a payment has some ten kilobytes.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// How long a delivery may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Deliveries that are held at once; further ones are told to come again.
const MAX_AT_ONCE: usize = 32;

/// Who takes a provider's webhooks.
#[async_trait]
pub trait WebhookReceiver: Send + Sync {
    /// Takes one delivery: its signature, as it stands in its header, and its body.
    async fn receive(&self, signature: Option<&str>, body: &[u8]) -> Received;
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// What it asks for is durably stored, or it asks for nothing.
    Stored,
    /// It is not the provider's, or cannot be read. It need not come again.
    Refused,
    /// It could not be stored. It has to come again.
    NotStored,
}

#[derive(Clone)]
struct Desk {
    receiver: Arc<dyn WebhookReceiver>,
    places: Arc<Semaphore>,
}

/// The routes of the webhooks.
pub(super) fn routes(receiver: Arc<dyn WebhookReceiver>) -> Router {
    let desk = Desk { receiver, places: Arc::new(Semaphore::new(MAX_AT_ONCE)) };
    Router::new().route("/webhooks/stripe", post(deliver)).with_state(desk)
}

async fn deliver(State(desk): State<Desk>, headers: HeaderMap, body: Body) -> Response {
    let (status, result) = match desk.places.try_acquire() {
        Ok(_place) => received(desk.receiver.as_ref(), &headers, body).await,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
    };
    metrics::counter!("order_payments_webhooks_total", "result" => result).increment(1);
    match status {
        StatusCode::SERVICE_UNAVAILABLE => (status, [(header::RETRY_AFTER, "5")]).into_response(),
        status => status.into_response(),
    }
}

async fn received(receiver: &dyn WebhookReceiver, headers: &HeaderMap, body: Body) -> (StatusCode, &'static str) {
    let body = match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "refused"),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "refused"),
    };
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    match receiver.receive(signature, &body).await {
        Received::Stored => (StatusCode::OK, "stored"),
        Received::Refused => (StatusCode::BAD_REQUEST, "refused"),
        Received::NotStored => (StatusCode::SERVICE_UNAVAILABLE, "not_stored"),
    }
}

#[cfg(test)]
mod tests;
