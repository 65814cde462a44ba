//! Asks a server over HTTP as plainly as it goes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The status of what is at `host:port/path`, and the whole answer with its headers.
pub(crate) async fn get(url: &str) -> (u16, String) {
    let (address, path) = url.split_once('/').expect("host:port/path");
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    (status, answer)
}
