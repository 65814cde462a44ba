//! Sends one request to Stripe, again where that is safe, and says what it came to.
//!
//! A request is repeated only where `classify` says so, and then byte for byte under the same key.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, redirect, retry};
use secrecy::ExposeSecret;
use tokio::time::sleep;
use url::Url;

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::classify::classify;
use crate::adapters::stripe::journal::Entry;
use crate::adapters::stripe::observation::{Answer, Asked, Failure, Seen};
use crate::adapters::stripe::rate::Rate;
use crate::adapters::stripe::{Config, SetupError};
use crate::domain::evidence::Exchanges;

/// The API version that the forms and `wire.rs` are written for. A part of the promise, as the bytes
/// are: another version is another request. <https://docs.stripe.com/api/versioning>
pub(crate) const API_VERSION: &str = "2025-08-27.basil";
/// An answer longer than this is not Stripe's: a page of a hundred intents has some 300 kB.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Idle connections are given up sooner than servers do, or a request may meet one just closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait before the second try lies between nothing and this; it doubles with each further try.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// A wait that Stripe asks for is kept within a call up to this; beyond it the call ends instead.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A request, whole: what is sent again is a copy of it.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Reads; repeating it is always safe.
    Get(Url),
    /// Acts, once per key.
    Post { url: Url, key: HeaderValue, form: Bytes },
}

/// The connection to Stripe, shared by all calls.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    rate: Rate,
    max_tries: u32,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Self, SetupError> {
        // An error means that the process has chosen a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .default_headers(default_headers(config)?)
            .user_agent(concat!("order-payments/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(usize::MAX)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            // Settings come from the configuration alone, not from HTTP_PROXY.
            .no_proxy()
            // A redirected POST would be a second request, to somewhere we did not choose.
            .redirect(redirect::Policy::none())
            .retry(retry::never());
        if config.api_base.scheme() == "http" {
            builder = builder.tls_certs_only([]); // No certificate is met, so the system's are not loaded.
        }
        let http = builder.build().map_err(|error| SetupError::Client(Box::new(error)))?;
        Ok(Self { http, rate: Rate::new(config.requests_per_second), max_tries: config.max_tries.max(1) })
    }

    /// Sends the call until it has a class that stands, `max_tries` times at the most. Notes every try.
    pub(crate) async fn send(&self, call: &Call, asked: &Asked<'_>, sent: &mut Exchanges) -> Class {
        let entry = Entry::of(call, asked);
        let mut in_doubt = false;
        let mut tries = 1;
        sent.reserve_exact(1); // Most calls are one request.
        loop {
            self.rate.turn(asked.endpoint()).await;
            let start = Instant::now();
            let seen = self.observe(call).await;
            let (class, took) = (classify(&seen, asked), start.elapsed());
            metrics::histogram!("order_payments_gateway_request_seconds",
                "operation" => asked.label(), "class" => class.label())
            .record(took);
            let Some((executed, after)) = self.next_try(&seen, &class, asked, tries) else {
                let class = class.concluded(in_doubt);
                sent.push(entry.exchange(&seen, &class, took));
                return class;
            };
            sent.push(entry.exchange(&seen, &class, took));
            in_doubt |= executed;
            sleep(after.unwrap_or_default() + backoff(tries)).await;
            tries += 1;
        }
    }

    /// Whether to try again: then whether this try may have been executed, and how long to wait.
    fn next_try(&self, seen: &Seen, class: &Class, asked: &Asked<'_>, tries: u32) -> Option<(bool, Option<Duration>)> {
        let Class::Retry { executed, after, detail } = class else { return None };
        // A limit that one call meets holds for all of them.
        if !executed && matches!(seen, Seen::Answered(answer) if answer.status == 429) {
            match after {
                Some(after) => self.rate.hold(*after),
                None => self.rate.slow_down(asked.endpoint()),
            }
        }
        let is_over = tries == self.max_tries || after.is_some_and(|after| after > MAX_RETRY_AFTER);
        if is_over {
            return None;
        }
        tracing::debug!(tries, executed, "sending a request to the payment gateway again after {detail}");
        Some((*executed, *after))
    }

    async fn observe(&self, call: &Call) -> Seen {
        let request = match call {
            Call::Get(url) => self.http.request(Method::GET, url.clone()),
            Call::Post { url, key, form } => {
                let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, key.clone()), (CONTENT_TYPE, FORM)]);
                self.http.request(Method::POST, url.clone()).headers(headers).body(form.clone())
            }
        };
        match request.send().await {
            Ok(response) => Seen::Answered(answer(response).await),
            Err(error) => Seen::Failed { failure: failure(&error), detail: innermost(&error) },
        }
    }
}

/// Full jitter: callers that failed together do not come back together.
fn backoff(tries: u32) -> Duration {
    let most = FIRST_BACKOFF.saturating_mul(1 << (tries - 1).min(16)).min(MAX_BACKOFF);
    most.mul_f64(fastrand::f64())
}

fn default_headers(config: &Config) -> Result<HeaderMap, SetupError> {
    let bearer = format!("Bearer {}", config.api_key.expose_secret());
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| SetupError::ApiKey)?;
    bearer.set_sensitive(true);
    let version = HeaderValue::from_static(API_VERSION);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer), (HeaderName::from_static("stripe-version"), version)]))
}

async fn answer(mut response: reqwest::Response) -> Answer {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut answer = Answer {
        status: response.status().as_u16(),
        should_retry: header("stripe-should-retry").and_then(|value| value.parse().ok()),
        replayed: header("idempotent-replayed") == Some("true"),
        retry_after: header(RETRY_AFTER.as_str()).and_then(|value| value.parse().ok()).map(Duration::from_secs),
        request_id: header("request-id").map(ToOwned::to_owned),
        body: Vec::new(),
    };
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if answer.body.len() + chunk.len() <= MAX_ANSWER_BYTES => {
                answer.body.extend_from_slice(&chunk);
            }
            Ok(None) => return answer,
            // Cut off or endless: half a document is none, but the status still counts.
            Ok(Some(_)) | Err(_) => return Answer { body: Vec::new(), ..answer },
        }
    }
}

/// How far the request got. `is_connect` is only true where no connection was made; a reused connection
/// that closes before a byte of the request was taken is replaced below us, and never seen here.
fn failure(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        Failure::NotBuilt
    } else if !error.is_connect() {
        Failure::Lost
    } else if has_certificate_error(error) {
        Failure::Certificate
    } else {
        Failure::NotConnected
    }
}

fn has_certificate_error(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// The error and its causes. An I/O error's own content is not among its sources, yet holds rustls's.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let content = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        content.map(|content| content as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// The first cause alone: the texts around it repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    const MAX_CHARACTERS: usize = 200;
    causes(error).last().map_or_else(String::new, |cause| cause.to_string().chars().take(MAX_CHARACTERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_certificate_error_is_found_wherever_it_is_wrapped() {
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let once = io::Error::new(io::ErrorKind::InvalidData, certificate);
        assert!(has_certificate_error(&Outer(io::Error::other(once))));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure);
        assert!(!has_certificate_error(&Outer(io::Error::other(alert))));
        assert!(!has_certificate_error(&Outer(io::Error::from(io::ErrorKind::ConnectionRefused))));
    }

    #[test]
    fn the_wait_between_tries_grows_and_is_bounded() {
        for tries in 1..40 {
            assert!(backoff(tries) <= MAX_BACKOFF);
        }
        assert!(backoff(1) <= FIRST_BACKOFF);
    }
}
