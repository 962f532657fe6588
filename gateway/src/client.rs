//! Who asks, and for which host: what is believed of the headers, and what of them goes on.

use std::net::IpAddr;

use common::http::Edge as Hops;
use http::header::{HOST, HeaderMap};
use http::{HeaderName, HeaderValue, Uri};

use crate::rescue::Failure;
use crate::unbelieved;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Introduced {
    /// The client's address.
    pub(crate) address: IpAddr,
    /// Whether there were headers about the way here that were not believed.
    pub(crate) unbelieved: bool,
}

/// Finds out who asks and rewrites the headers for the services: of the connection's own and the
/// inner ones nothing goes on, and `X-Forwarded-*` says what is true.
///
/// # Errors
/// [`Failure::Ambiguous`] where two readers of the same request could come to two conclusions.
pub(crate) fn introduce(
    headers: &mut HeaderMap,
    uri: &Uri,
    peer: IpAddr,
    hops: &Hops,
) -> Result<Introduced, Failure> {
    let peer = peer.to_canonical();
    let peer_is_trusted = hops.trusted_proxies.iter().any(|range| range.contains(&peer));
    let host = host(headers, uri)?;
    if headers.get_all(http::header::AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Failure::Ambiguous("There is more than one Authorization header."));
    }

    let address = hops.client(peer, headers);
    let forwarded_host =
        peer_is_trusted.then(|| forwarded_host(headers)).flatten().unwrap_or_else(|| host.clone());
    let proto = if peer_is_trusted && says_https(headers) {
        HeaderValue::from_static("https")
    } else {
        HeaderValue::from_static("http")
    };

    let unbelieved = !peer_is_trusted && unbelieved::claims(headers);
    strip(headers);

    headers.insert(HOST, host);
    // One address, already cleared of the hops that are trusted here: a service needs to trust the
    // gateway only.
    if let Ok(address) = HeaderValue::try_from(address.to_string()) {
        headers.insert(X_FORWARDED_FOR, address);
    }
    headers.insert(X_FORWARDED_HOST, forwarded_host);
    headers.insert(X_FORWARDED_PROTO, proto);
    Ok(Introduced { address, unbelieved })
}

/// The host that the client meant: the request line's, if it names one, else the header's (RFC
/// 9112, 3.2).
fn host(headers: &HeaderMap, uri: &Uri) -> Result<HeaderValue, Failure> {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next();
    if hosts.next().is_some() {
        return Err(Failure::Ambiguous("There is more than one Host header."));
    }
    let host = match uri.authority() {
        Some(authority) => HeaderValue::try_from(authority.as_str()).ok(),
        None => first.cloned(),
    };
    host.filter(is_host).ok_or(Failure::Ambiguous("The Host header is missing or is not a host."))
}

/// A name or address with an optional port: no user, no path, no list.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=255).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(byte))
}

fn forwarded_host(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut hosts = headers.get_all(X_FORWARDED_HOST).iter();
    let host = hosts.next()?;
    (hosts.next().is_none() && is_host(host)).then(|| host.clone())
}

fn says_https(headers: &HeaderMap) -> bool {
    headers
        .get_all(X_FORWARDED_PROTO)
        .iter()
        .next_back()
        .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Takes out what must not go on. What `Connection` nominates goes first, so that a client can't
/// have headers removed that are set here later (`Connection: X-Forwarded-For`).
fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(http::header::CONNECTION) {
        let nominated: Vec<HeaderName> = headers
            .get_all(http::header::CONNECTION)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .filter_map(|name| HeaderName::try_from(name.trim()).ok())
            .collect();
        for name in nominated {
            headers.remove(name);
        }
    }
    // An empty vector allocates nothing, and most requests have nothing to take out but their own
    // length.
    let mut doomed = Vec::new();
    for name in headers.keys() {
        if is_ours_alone(name.as_str()) {
            doomed.push(name.clone());
        }
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// Whether a header belongs to one connection (RFC 9110, 7.6.1), is made anew here, or is one that
/// only an inner hop may set. A name with an underscore is one of the latter in disguise for
/// whoever reads headers as CGI does.
fn is_ours_alone(name: &str) -> bool {
    match name {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authorization"
        | "proxy-authenticate"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade"
        | "http2-settings"
        | "expect"
        | "content-length"
        | "forwarded"
        | "true-client-ip" => true,
        _ => {
            name.strip_prefix("x-").is_some_and(|rest| {
                [
                    "forwarded",
                    "real-",
                    "client-",
                    "original-",
                    "rewrite-",
                    "http-method",
                    "method-",
                    "internal",
                    "cluster-",
                    "envoy-",
                ]
                .iter()
                .any(|prefix| rest.starts_with(prefix))
            }) || name.starts_with("ce-")
                || name.contains('_')
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const PROXY: &str = "10.0.0.5";
    const STRANGER: &str = "203.0.113.9";

    fn trusting(ranges: &[&str]) -> Hops {
        Hops {
            public_url: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("bank.example"));
        for (name, value) in pairs {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn introduced(peer: &str, pairs: &[(&str, &str)]) -> (IpAddr, HeaderMap) {
        let mut headers = headers(pairs);
        let introduced = introduced_by(peer, &mut headers);
        (introduced.address, headers)
    }

    fn introduced_by(peer: &str, headers: &mut HeaderMap) -> Introduced {
        let uri = Uri::from_static("/loanRequests");
        introduce(headers, &uri, peer.parse().unwrap(), &trusting(&["10.0.0.0/8"])).unwrap()
    }

    #[test]
    fn that_somebody_was_not_believed_is_told() {
        for (peer, pairs, unbelieved) in [
            (STRANGER, &[("x-forwarded-for", "198.51.100.7")][..], true),
            (STRANGER, &[("forwarded", "for=198.51.100.7")], true),
            (
                STRANGER,
                &[("connection", "x-forwarded-proto"), ("x-forwarded-proto", "https")],
                true,
            ),
            (STRANGER, &[], false),
            (PROXY, &[("x-forwarded-for", "198.51.100.7")], false),
        ] {
            let introduced = introduced_by(peer, &mut headers(pairs));
            assert_eq!(introduced.unbelieved, unbelieved, "{peer} {pairs:?}");
        }
    }

    #[test]
    fn a_stranger_s_forwarded_headers_are_overwritten() {
        let (address, headers) = introduced(
            STRANGER,
            &[
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-port", "1"),
                ("forwarded", "for=127.0.0.1"),
                ("x-real-ip", "127.0.0.1"),
                ("x_forwarded_for", "127.0.0.1"),
            ],
        );
        assert_eq!(address.to_string(), STRANGER);
        assert_eq!(headers[X_FORWARDED_FOR], STRANGER);
        assert_eq!(headers[X_FORWARDED_HOST], "bank.example");
        assert_eq!(headers[X_FORWARDED_PROTO], "http");
        assert_eq!(headers.len(), 4, "{headers:?}");
    }

    #[test]
    fn behind_a_trusted_hop_the_last_untrusted_address_is_the_client() {
        for (chain, client) in [
            (vec!["198.51.100.7"], "198.51.100.7"),
            (vec!["127.0.0.1, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            (vec!["127.0.0.1", "198.51.100.7,10.1.1.1"], "198.51.100.7"),
            (vec!["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            (vec!["198.51.100.7:4711"], "198.51.100.7"),
            (vec!["[2001:db8::7]:80"], "2001:db8::7"),
            (vec!["::ffff:198.51.100.7"], "198.51.100.7"),
            (vec!["198.51.100.7, unknown"], PROXY),
            (vec![], PROXY),
        ] {
            let pairs: Vec<(&str, &str)> =
                chain.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let (address, headers) = introduced(PROXY, &pairs);
            assert_eq!(address.to_string(), client, "{chain:?}");
            assert_eq!(headers[X_FORWARDED_FOR], client);
            assert_eq!(headers.get_all(X_FORWARDED_FOR).iter().count(), 1);
        }
    }

    #[test]
    fn a_trusted_hop_s_host_and_scheme_are_believed_if_they_are_one() {
        let (_, headers) = introduced(
            PROXY,
            &[("x-forwarded-host", "loans.bank.example:8443"), ("x-forwarded-proto", "https")],
        );
        assert_eq!(headers[X_FORWARDED_HOST], "loans.bank.example:8443");
        assert_eq!(headers[X_FORWARDED_PROTO], "https");
        for odd in ["a/b", "user@host", "a, b", "a b", ""] {
            let (_, headers) = introduced(
                PROXY,
                &[("x-forwarded-host", odd), ("x-forwarded-proto", "javascript")],
            );
            assert_eq!(headers[X_FORWARDED_HOST], "bank.example", "{odd:?}");
            assert_eq!(headers[X_FORWARDED_PROTO], "http");
        }
    }

    #[test]
    fn a_client_can_t_have_our_headers_removed_by_nominating_them() {
        let (_, headers) = introduced(
            STRANGER,
            &[
                ("connection", "close, X-Forwarded-For, x-secret"),
                ("x-secret", "1"),
                ("x-kept", "2"),
            ],
        );
        assert_eq!(headers[X_FORWARDED_FOR], STRANGER);
        assert!(!headers.contains_key("connection"));
        assert!(!headers.contains_key("x-secret"));
        assert_eq!(headers["x-kept"], "2");
    }

    #[test]
    fn connection_headers_and_inner_ones_do_not_go_on_and_others_do() {
        let gone = [
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "expect",
            "content-length",
            "proxy-authorization",
            "x-internal-user",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "x-client-ip",
            "ce-type",
            "ce_type",
            "true-client-ip",
        ];
        let kept = [
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "last-event-id",
            "prefer",
            "accept",
            "x-request-id",
            "traceparent",
            "tracestate",
            "user-agent",
        ];
        let pairs: Vec<(&str, &str)> = gone.iter().chain(&kept).map(|name| (*name, "1")).collect();
        let (_, headers) = introduced(STRANGER, &pairs);
        for name in gone {
            assert!(!headers.contains_key(name), "{name}");
        }
        for name in kept {
            assert!(headers.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_request_with_two_readings_is_refused() {
        let peer = STRANGER.parse().unwrap();
        let relative = Uri::from_static("/");
        for (name, value) in [("host", "other.example"), ("authorization", "Bearer b")] {
            let mut headers = headers(&[("authorization", "Bearer a"), (name, value)]);
            let refused = introduce(&mut headers, &relative, peer, &trusting(&[]));
            assert!(matches!(refused, Err(Failure::Ambiguous(_))), "{name}");
        }
        let mut none = HeaderMap::new();
        assert!(introduce(&mut none, &relative, peer, &trusting(&[])).is_err());
        let absolute = Uri::from_static("http://meant.example/loanRequests");
        let mut headers = headers(&[]);
        introduce(&mut headers, &absolute, peer, &trusting(&[])).unwrap();
        assert_eq!(headers[HOST], "meant.example");
    }
}
