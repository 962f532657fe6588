//! A connection on which nobody says more than anybody has to say.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is read between two writes. The longest that is usual is a server's part of a TLS
/// handshake, some 8 KiB; a line of an answer has 512 bytes (RFC 5321, 4.5.3.1.5).
const UNASKED_BYTES_MAX: usize = 32 * 1024;

/// Ends with an error where the other side says more than that in one go: what reads an answer
/// keeps all of it, and looks at it anew for each line.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: TcpStream,
    left: usize,
}

impl Bounded {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, left: UNASKED_BYTES_MAX }
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        let Some(left) = self.left.checked_sub(read) else {
            // Whoever gets an error has got nothing.
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::other("the server says too much")));
        };
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.left = UNASKED_BYTES_MAX;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn so_much_is_read_for_each_write_and_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&vec![b'x'; UNASKED_BYTES_MAX]).await.unwrap();
            stream.read_u8().await.unwrap();
            // It may be cut off in the middle of this.
            let _ = stream.write_all(&vec![b'x'; UNASKED_BYTES_MAX + 1]).await;
        });
        let mut bounded = Bounded::new(TcpStream::connect(address).await.unwrap());
        let mut answer = vec![0; UNASKED_BYTES_MAX];
        bounded.read_exact(&mut answer).await.unwrap();
        bounded.write_all(b"x").await.unwrap();
        let mut all = Vec::new();
        let error = bounded.read_to_end(&mut all).await.unwrap_err();
        assert!(error.to_string().contains("too much") && all.len() <= UNASKED_BYTES_MAX);
        drop(bounded);
        server.await.unwrap();
    }
}
