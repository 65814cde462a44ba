//! A TCP proxy that stands for a bad network: it cuts, stalls, slows, and keeps silent.
//!
//! ```text
//! client ──► up ────► server        a mode holds for both ways, for connections open and to come
//! client ◄──── down ◄ server
//! ```
//! Never changes a byte: what arrives is what was sent, or nothing.

mod sieve;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use sieve::Sieve;

/// How long a server is left with a connection whose client is gone and could not say so.
const GONE_UNTOLD: Duration = Duration::from_secs(30);

/// The most that is carried at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It arrives.
    Pass,
    /// Connections are closed, and so are new ones.
    Cut,
    /// It arrives once this mode has ended.
    Stall,
    /// Each piece arrives this much later.
    Slow(Duration),
    /// Nothing arrives, either way, and no one is told. A connection that has met this never recovers.
    HalfOpen,
    /// As `HalfOpen`, but what clients send does arrive.
    Mute,
    /// So many bytes of answers arrive, then the connection is closed.
    Bitten(usize),
    /// A connection to Kafka that is opened now never carries a fetch; whatever else is asked for arrives.
    Fetchless,
}

/// A proxy that listens and does not know yet where to.
pub(crate) struct Entrance(TcpListener);

/// A running proxy; it ends, with its connections, when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    _connections: JoinSet<()>,
}

impl Entrance {
    /// Listens at a free port.
    pub(crate) async fn open() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("it listens").port()
    }

    /// Carries connections on to this port of this machine.
    pub(crate) fn lead_to(self, port: u16) -> Proxy {
        let address = self.0.local_addr().expect("it listens");
        let (mode, modes) = watch::channel(Mode::Pass);
        let mut connections = JoinSet::new();
        connections.spawn(serve(self.0, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), modes));
        Proxy { address, mode, _connections: connections }
    }
}

impl Proxy {
    /// Changes what becomes of what is sent from now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn serve(listener: TcpListener, target: SocketAddr, modes: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("files enough for the tests");
        connections.spawn(carry(client, target, modes.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until both ends are done or it is cut.
async fn carry(client: TcpStream, target: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let mode = *modes.borrow_and_update();
    match mode {
        Mode::Cut => return,
        Mode::HalfOpen => return swallow(client, modes).await,
        _ => {}
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("a TCP option");
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = Way::new(Direction::Up, mode, modes.clone()).carry(from_client, to_server);
    let down = Way::new(Direction::Down, mode, modes).carry(from_server, to_client);
    tokio::pin!(up, down);
    tokio::select! {
        end = &mut up => if end == End::Closed { down.await; },
        end = &mut down => if end == End::Closed { up.await; },
    }
}

/// Accepts and never answers, until the client goes.
async fn swallow(mut client: TcpStream, mut modes: watch::Receiver<Mode>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        tokio::select! {
            read = client.read(&mut buffer) => if !matches!(read, Ok(1..)) { return },
            _ = modes.wait_for(|mode| *mode == Mode::Cut) => return,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// How one way of a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// By its sender, or because its receiver is gone.
    Closed,
    /// By the proxy, for the other way as well.
    Cut,
}

/// One way of a connection.
struct Way {
    direction: Direction,
    modes: watch::Receiver<Mode>,
    /// It has met silence, and stays silent.
    is_silent: bool,
    /// What may still arrive before the connection is bitten off.
    left: Option<usize>,
    /// Takes the fetches out of what is sent.
    sieve: Option<Sieve>,
}

impl Way {
    fn new(direction: Direction, mode: Mode, modes: watch::Receiver<Mode>) -> Self {
        let sieve = (mode == Mode::Fetchless && direction == Direction::Up).then(Sieve::default);
        let mut way = Self { direction, modes, is_silent: false, left: None, sieve };
        way.note(mode);
        way
    }

    /// Takes in a mode; whether the connection goes on.
    fn note(&mut self, mode: Mode) -> bool {
        let is_answer = self.direction == Direction::Down;
        self.is_silent |= mode == Mode::HalfOpen || (mode == Mode::Mute && is_answer);
        self.left = match mode {
            Mode::Bitten(bytes) if is_answer => Some(bytes),
            _ => None,
        };
        mode != Mode::Cut
    }

    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> End {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let read = tokio::select! {
                changed = self.modes.changed() => {
                    if changed.is_err() || !self.note_latest() {
                        return End::Cut;
                    }
                    continue;
                }
                read = from.read(&mut buffer) => read,
            };
            match read {
                Ok(read @ 1..) => {
                    let sifted = self.sieve.as_mut().map(|sieve| sieve.sift(&buffer[..read]));
                    if let Some(end) = self.deliver(&mut to, sifted.as_deref().unwrap_or(&buffer[..read])).await {
                        return end;
                    }
                }
                Ok(0) | Err(_) => return self.close(to).await,
            }
        }
    }

    fn note_latest(&mut self) -> bool {
        let mode = *self.modes.borrow_and_update();
        self.note(mode)
    }

    /// Delivers a piece as the mode says; how the way ends, if it does.
    async fn deliver(&mut self, to: &mut OwnedWriteHalf, mut piece: &[u8]) -> Option<End> {
        let mut is_due = false;
        while !self.is_silent {
            let mode = *self.modes.borrow();
            let changed = match mode {
                Mode::Slow(late) if !is_due => {
                    is_due = true;
                    timeout(late, self.modes.changed()).await.is_ok()
                }
                Mode::Stall if self.modes.changed().await.is_err() => return Some(End::Cut), // The proxy is gone.
                Mode::Stall => true,
                _ => break,
            };
            if changed && !self.note_latest() {
                return Some(End::Cut);
            }
        }
        if self.is_silent {
            return None;
        }
        if let Some(left) = &mut self.left {
            piece = &piece[..piece.len().min(*left)];
            *left -= piece.len();
        }
        tokio::select! {
            written = to.write_all(piece) => match written {
                Ok(()) => (self.left == Some(0)).then_some(End::Cut),
                Err(_) => Some(End::Closed),
            },
            _ = self.modes.wait_for(|mode| *mode == Mode::Cut) => Some(End::Cut),
        }
    }

    /// The sender is gone: the receiver is told, unless the way is silent.
    async fn close(mut self, mut to: OwnedWriteHalf) -> End {
        if self.is_silent {
            let cut = self.modes.wait_for(|mode| *mode == Mode::Cut);
            let _held_long_enough = timeout(GONE_UNTOLD, cut).await;
            return End::Cut;
        }
        let _receiver_is_gone_too = to.shutdown().await;
        End::Closed
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    /// A server that sends back what it is sent, behind a proxy, and a connection to it.
    async fn echo() -> (Proxy, TcpStream, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _client_is_gone = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        let proxy = Entrance::open().await.lead_to(port);
        let client = TcpStream::connect(proxy.address).await.expect("it listens");
        (proxy, client, server)
    }

    /// What comes back of six bytes: how many, or that nothing does in a while, or how it ends.
    async fn ask(client: &mut TcpStream) -> Option<Result<usize, ErrorKind>> {
        let mut answer = [0; 6];
        if let Err(error) = client.write_all(b"abcdef").await {
            return Some(Err(error.kind()));
        }
        let mut read = 0;
        while read < answer.len() {
            match timeout(SHORT, client.read(&mut answer[read..])).await {
                Err(_) => return None,
                Ok(Ok(0)) => break,
                Ok(Ok(more)) => read += more,
                Ok(Err(error)) => return Some(Err(error.kind())),
            }
        }
        Some(Ok(read))
    }

    #[tokio::test]
    async fn what_is_sent_arrives_unless_the_network_is_bad() {
        let (proxy, mut client, _server) = echo().await;
        assert_eq!(ask(&mut client).await, Some(Ok(6)));
        proxy.set(Mode::Stall);
        assert_eq!(ask(&mut client).await, None);
        proxy.set(Mode::Pass);
        let mut late = [0; 6];
        client.read_exact(&mut late).await.expect("a stall ends");
        proxy.set(Mode::Bitten(1));
        assert_eq!(ask(&mut client).await, Some(Ok(1)));
        proxy.set(Mode::Cut);
        assert!(!matches!(ask(&mut client).await, Some(Ok(1..)) | None));
    }

    #[tokio::test]
    async fn a_connection_that_met_silence_never_recovers_and_a_new_one_works() {
        for silence in [Mode::HalfOpen, Mode::Mute] {
            let (proxy, mut client, _server) = echo().await;
            assert_eq!(ask(&mut client).await, Some(Ok(6)));
            proxy.set(silence);
            assert_eq!(ask(&mut client).await, None);
            proxy.set(Mode::Pass);
            assert_eq!(ask(&mut client).await, None, "{silence:?}");
            let mut new = TcpStream::connect(proxy.address).await.expect("it listens");
            assert_eq!(ask(&mut new).await, Some(Ok(6)));
        }
    }

    #[tokio::test]
    async fn a_connection_without_fetches_carries_whatever_else_is_asked() {
        let (fetch, other) = (*b"\0\0\0\x03\0\x01f", *b"\0\0\0\x03\0\x03o");
        let (proxy, mut before, _server) = echo().await;
        assert_eq!(ask(&mut before).await, Some(Ok(6)));
        proxy.set(Mode::Fetchless);
        let mut client = TcpStream::connect(proxy.address).await.expect("it listens");
        client.write_all(&[&fetch[..], &other[..2]].concat()).await.expect("sent");
        client.write_all(&[&other[2..], &fetch[..]].concat()).await.expect("sent");
        let mut answer = [0; 7];
        client.read_exact(&mut answer).await.expect("the other request is answered");
        assert_eq!(answer, other);
        assert!(timeout(SHORT, client.read(&mut answer)).await.is_err(), "and nothing more");
        proxy.set(Mode::Pass);
        client.write_all(&fetch).await.expect("sent");
        assert!(timeout(SHORT, client.read(&mut answer)).await.is_err(), "it stays as it was opened");
        assert_eq!(ask(&mut before).await, Some(Ok(6)));
    }
}
