//! HTTP as bytes, for what no client library would send.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends bytes to an `http://` address and reads until the other side closes:
/// the status of the first answer (0 if there is none), and everything.
pub(crate) async fn exchange(address: &str, request: &[u8]) -> Result<(u16, String)> {
    let address = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    // The other side may close before it has read all: what it said counts.
    let written = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let Ok(read) = read else {
        let request = String::from_utf8_lossy(&request[..request.len().min(400)]);
        bail!("no end came after {text:?} to {request:?}");
    };
    if answer.is_empty() {
        written.and(read.map(|_| ()))?;
    }
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok((status.unwrap_or(0), text))
}
