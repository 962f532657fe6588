//! `--check-health`: the same program asks the process that runs with these settings
//! whether it is ready. A container's health check has no other program to ask with.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The argument's name.
pub(super) const ID: &str = "check-health";

/// The process answers within this time.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the admin port at this address.
///
/// # Errors
///
/// Why it is not ready, in one line.
pub(super) fn check(admin: SocketAddr) -> Result<(), String> {
    let address = reachable(admin);
    let away = |error: std::io::Error| format!("nobody answers at {address}: {error}");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(away)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(away)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(away)?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(away)?;
    // "HTTP/1.1 200" is all that matters.
    let mut head = [0; 12];
    stream.read_exact(&mut head).map_err(away)?;
    match &head[9..] {
        b"200" => Ok(()),
        status => Err(format!("not ready: {}", String::from_utf8_lossy(status))),
    }
}

/// Where somebody is asked who listens everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::TcpListener;

    use super::*;

    fn told(status: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let outcome = check(address);
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
        outcome
    }

    //
    #[test]
    fn it_is_ready_if_it_says_so() {
        assert_eq!(told("200 OK"), Ok(()));
        assert_eq!(told("503 Service Unavailable"), Err("not ready: 503".to_owned()));
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(check(nobody).unwrap_err().starts_with("nobody answers at"));
    }

    #[test]
    fn who_listens_everywhere_is_asked_here() {
        for (listens, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.0.0.7:9090", "10.0.0.7:9090"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
