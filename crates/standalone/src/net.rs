//! Free ports and a small HTTP question.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The first port that is handed out. The range lies below the one from which
/// systems take the ports of outgoing connections, so that a process that was
/// killed finds its port free when it is started again.
const FIRST: u16 = 20_000;
/// How many ports go together.
const BLOCK: u16 = 40;
/// How many blocks there are.
const BLOCKS: u16 = 300;

/// Some ports that no other test on this machine gets meanwhile.
#[derive(Debug)]
pub struct PortBlock {
    next: u16,
    end: u16,
    _lock: Flock<File>,
}

impl PortBlock {
    /// Takes a block of which no port is in use.
    ///
    /// # Errors
    ///
    /// There is none left.
    pub fn take() -> io::Result<Self> {
        let folder = lock_folder()?;
        // Different processes begin at different blocks, or each would try all
        // those of the others first.
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or_default();
        for step in 0..BLOCKS {
            let block = (start + step) % BLOCKS;
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(folder.join(format!("{block}.lock")))?;
            let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else { continue };
            let first = FIRST + block * BLOCK;
            if (first..first + BLOCK).all(is_free) {
                return Ok(Self { next: first, end: first + BLOCK, _lock: lock });
            }
        }
        Err(io::Error::other("no block of free ports is left"))
    }

    /// The next port of the block.
    ///
    /// # Errors
    ///
    /// All are used up.
    pub fn port(&mut self) -> io::Result<u16> {
        if self.next == self.end {
            return Err(io::Error::other("the block of ports is used up"));
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

fn lock_folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("online-loan-ports-{}", nix::unistd::getuid()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Whether nobody listens on a port of this machine.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The status of an answer to `GET path`, or none if there was no answer in time.
pub async fn http_status(address: SocketAddr, path: &str, patience: Duration) -> Option<u16> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        // "HTTP/1.1 200" is all that matters.
        stream.take(12).read_to_end(&mut answer).await.ok()?;
        std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
    };
    tokio::time::timeout(patience, ask).await.ok().flatten()
}

/// Whether whoever listens answers `hello` with anything in time: the kernel takes
/// connections also for a process that stands still.
pub async fn answers(address: SocketAddr, hello: &[u8], patience: Duration) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(hello).await.ok()?;
        stream.read_u8().await.ok()
    };
    tokio::time::timeout(patience, ask).await.ok().flatten().is_some()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn two_blocks_have_no_port_in_common() {
        let (mut one, mut other) = (PortBlock::take().unwrap(), PortBlock::take().unwrap());
        let one: Vec<u16> = std::iter::from_fn(|| one.port().ok()).collect();
        let other: Vec<u16> = std::iter::from_fn(|| other.port().ok()).collect();
        assert_eq!(one.len(), usize::from(BLOCK));
        assert!(one.iter().all(|port| !other.contains(port)));
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }

    #[tokio::test]
    async fn the_status_of_an_answer_is_read() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 512];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        assert_eq!(http_status(address, "/readyz", Duration::from_secs(5)).await, Some(503));
        assert!(server.await.unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
        assert_eq!(http_status(address, "/readyz", Duration::from_secs(5)).await, None);
    }
}
