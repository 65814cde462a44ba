//! Deliveries over real sockets: what each answer is, and what is bounded.

use std::net::SocketAddr;
use std::sync::Mutex;

use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::adapters::http::server::{Check, HttpServer, Vitals};

struct Silent;

impl Vitals for Silent {
    fn liveness(&self) -> Vec<Check> {
        Vec::new()
    }

    fn readiness(&self) -> Vec<Check> {
        Vec::new()
    }

    fn metrics(&self) -> String {
        String::new()
    }
}

/// Answers as it is told to, once it is let; keeps what it was given.
struct Told {
    answer: Received,
    permits: Semaphore,
    seen: Mutex<Vec<(Option<String>, usize)>>,
}

impl Told {
    fn to(answer: Received) -> Arc<Self> {
        Arc::new(Self { answer, permits: Semaphore::new(Semaphore::MAX_PERMITS), seen: Mutex::default() })
    }

    fn to_wait() -> Arc<Self> {
        Arc::new(Self { answer: Received::Stored, permits: Semaphore::new(0), seen: Mutex::default() })
    }

    fn seen(&self) -> Vec<(Option<String>, usize)> {
        self.seen.lock().expect("no test panics with it").clone()
    }
}

#[async_trait]
impl WebhookReceiver for Told {
    async fn receive(&self, signature: Option<&str>, body: &[u8]) -> Received {
        self.seen.lock().expect("no test panics with it").push((signature.map(str::to_owned), body.len()));
        let _permit = self.permits.acquire().await.expect("never closed");
        self.answer
    }
}

struct Served {
    address: SocketAddr,
    _running: JoinSet<std::io::Result<()>>,
}

impl Served {
    async fn with(receiver: Option<Arc<Told>>) -> Self {
        let mut server = HttpServer::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        if let Some(receiver) = receiver {
            server = server.with_webhooks(receiver);
        }
        let (address, mut running) = (server.address(), JoinSet::new());
        running.spawn(server.run(Arc::new(Silent), CancellationToken::new()));
        Self { address, _running: running }
    }

    async fn post(&self, body: Vec<u8>) -> reqwest::Result<reqwest::Response> {
        let url = format!("http://{}/webhooks/stripe", self.address);
        client().post(url).header("Stripe-Signature", "t=1,v1=ab").body(body).send().await
    }
}

fn client() -> Client {
    // An error says that another test of this process has installed it already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(20)).build().expect("TLS has its provider")
}

#[tokio::test]
async fn each_delivery_is_answered_by_what_became_of_it() {
    for (answer, status) in [(Received::Stored, 200), (Received::Refused, 400), (Received::NotStored, 503)] {
        let receiver = Told::to(answer);
        let served = Served::with(Some(Arc::clone(&receiver))).await;
        let response = served.post(b"{}".to_vec()).await.expect("an answer");
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("retry-after"), status == 503);
        assert_eq!(receiver.seen(), [(Some("t=1,v1=ab".to_owned()), 2)]);
    }
}

#[tokio::test]
async fn nobody_is_at_home_where_no_secret_is_set() {
    let served = Served::with(None).await;
    assert_eq!(served.post(Vec::new()).await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn only_a_post_is_taken() {
    let served = Served::with(Some(Told::to(Received::Stored))).await;
    let answer = client().get(format!("http://{}/webhooks/stripe", served.address)).send().await.expect("an answer");
    assert_eq!(answer.status(), 405);
    let live = client().get(format!("http://{}/livez", served.address)).send().await.expect("an answer");
    assert_eq!(live.status(), 200);
}

#[tokio::test]
async fn a_delivery_that_is_too_large_is_not_looked_at() {
    let receiver = Told::to(Received::Stored);
    let served = Served::with(Some(Arc::clone(&receiver))).await;
    let answer = served.post(vec![b'a'; MAX_BODY_BYTES + 1]).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 413));
    assert!(receiver.seen().is_empty());
    assert_eq!(served.post(vec![b'a'; MAX_BODY_BYTES]).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn more_deliveries_than_there_are_places_are_told_to_come_again() {
    let receiver = Told::to_wait();
    let served = Arc::new(Served::with(Some(Arc::clone(&receiver))).await);
    let mut held = JoinSet::new();
    for _ in 0..MAX_AT_ONCE {
        let served = Arc::clone(&served);
        held.spawn(async move { served.post(b"{}".to_vec()).await.expect("an answer").status() });
    }
    while receiver.seen().len() < MAX_AT_ONCE {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.post(b"{}".to_vec()).await.expect("an answer").status(), 503);
    receiver.permits.add_permits(MAX_AT_ONCE);
    while let Some(status) = held.join_next().await {
        assert_eq!(status.expect("no panic"), 200);
    }
    assert_eq!(served.post(b"{}".to_vec()).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_delivery_that_never_ends_loses_its_place() {
    let receiver = Told::to(Received::Stored);
    let served = Served::with(Some(Arc::clone(&receiver))).await;
    let mut stream = TcpStream::connect(served.address).await.expect("it listens");
    let head = "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("it reads");
    tokio::time::pause(); // From here on waits end as soon as nothing else is to be done.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(receiver.seen().is_empty());
}
