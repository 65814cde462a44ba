//! A server that plays a script: one act for each request, in order, over as many connections as are
//! made. Raw sockets, because it must also do what no decent HTTP server does.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is done with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answered; then the connection stays open or is closed.
    Reply { head: String, body: String, then: Then },
    /// The connection is closed without an answer.
    Close,
    /// The answer breaks off in its body.
    CutShort,
    /// Nothing ever comes.
    Hang,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Open,
    Closed,
}

impl Act {
    pub(crate) fn reply(status: u16, body: &Value) -> Self {
        let body = body.to_string();
        Self::Reply { head: format!("HTTP/1.1 {status} -\r\nContent-Length: {}", body.len()), body, then: Then::Open }
    }

    /// Answers without a word about closing, and closes.
    pub(crate) fn reply_and_close(status: u16, body: &Value) -> Self {
        match Self::reply(status, body) {
            Self::Reply { head, body, .. } => Self::Reply { head, body, then: Then::Closed },
            act => act,
        }
    }

    pub(crate) fn with_header(self, header: &str) -> Self {
        match self {
            Self::Reply { head, body, then } => Self::Reply { head: format!("{head}\r\n{header}"), body, then },
            act => act,
        }
    }
}

/// A request as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Play {
    acts: Mutex<VecDeque<Act>>,
    heard: Mutex<Vec<Heard>>,
}

/// The server; it stops when it is dropped.
pub(crate) struct Stage {
    base: String,
    play: Arc<Play>,
    _tasks: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn set(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let play = Arc::new(Play { acts: Mutex::new(acts.into_iter().collect()), ..Play::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&play)));
        Self { base, play, _tasks: tasks }
    }

    /// An address at which nobody listens.
    pub(crate) async fn deserted() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        format!("http://{}", listener.local_addr().expect("an address"))
    }

    pub(crate) fn base(&self) -> String {
        self.base.clone()
    }

    pub(crate) fn requests(&self) -> Vec<Heard> {
        self.play.heard.lock().expect("no test panics with it").clone()
    }
}

async fn serve(listener: TcpListener, play: Arc<Play>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&play)));
    }
}

async fn converse(mut stream: TcpStream, play: Arc<Play>) {
    while let Some(heard) = hear(&mut stream).await {
        play.heard.lock().expect("no test panics with it").push(heard);
        let act = play.acts.lock().expect("no test panics with it").pop_front();
        let (text, then) = match act {
            Some(Act::Reply { head, body, then }) => (format!("{head}\r\n\r\n{body}"), then),
            Some(Act::CutShort) => ("HTTP/1.1 200 -\r\nContent-Length: 400\r\n\r\n{\"id\":".to_owned(), Then::Closed),
            Some(Act::Hang) => return pending().await,
            Some(Act::Close) | None => return,
        };
        if stream.write_all(text.as_bytes()).await.is_err() || then == Then::Closed {
            return;
        }
    }
}

/// The next request of the connection; `None` at its end.
async fn hear(stream: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    loop {
        if let Some(heard) = parse(&bytes) {
            return Some(heard);
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Heard> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (preamble, body) = text.split_once("\r\n\r\n")?;
    let (line, headers) = preamble.split_once("\r\n")?;
    let headers: Vec<_> = headers
        .lines()
        .filter_map(|header| header.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let heard = Heard { line: line.to_owned(), headers, body: body.to_owned() };
    let length = heard.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    (body.len() == length).then_some(heard)
}
