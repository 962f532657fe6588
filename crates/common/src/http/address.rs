//! Who calls, and under which address the caller sees us.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use ipnet::IpNet;
use url::Url;

use crate::config::ServiceSettings;
use crate::problem::Problem;

/// Hops of `X-Forwarded-For` that are looked at; a longer list is not believed.
const HOPS_MAX: usize = 32;

/// What stands between us and the caller.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The address under which the outside sees us, if that is fixed.
    pub public_url: Option<Url>,
    /// Hosts that a link may be made of otherwise.
    pub allowed_hosts: Vec<String>,
    /// Whose `X-Forwarded-*` headers count.
    pub trusted_proxies: Vec<IpNet>,
}

impl Edge {
    /// As the settings say.
    #[must_use]
    pub fn of(settings: &ServiceSettings) -> Self {
        Self {
            public_url: settings.public_url.clone(),
            allowed_hosts: settings.allowed_hosts.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(&address))
    }

    /// The address made of this host, if it is one of ours. It is compared after
    /// parsing: `localhost:80@elsewhere.example` begins with a name of ours.
    fn allowed_url(&self, scheme: &str, host: &str) -> Option<Url> {
        let is_plain =
            host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
        let url = is_plain.then(|| Url::parse(&format!("{scheme}://{host}")).ok())??;
        let name = url.host_str()?;
        self.allowed_hosts
            .iter()
            .any(|allowed| allowed.trim().eq_ignore_ascii_case(name))
            .then_some(url)
    }

    /// The caller's address: the last hop that is not one of ours. Only what our
    /// own hops added is believed, so the list is read from its end.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let hops: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
            .collect();
        for hop in hops.iter().rev().take(HOPS_MAX) {
            let Some(address) = hop_address(hop) else {
                break;
            };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// The address under which the caller sees us, or 421.
    pub fn base_url(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        authority: Option<&str>,
    ) -> Result<Url, Problem> {
        if let Some(public) = &self.public_url {
            return Ok(public.clone());
        }
        let is_trusted = peer.is_some_and(|peer| self.trusts(peer.to_canonical()));
        let forwarded = |name: &str| {
            let value = headers.get(name).filter(|_| is_trusted)?.to_str().ok()?;
            value.split(',').next().map(str::trim)
        };
        // The request line's own, where it names one, wins over the header (RFC 9112, 3.2.2).
        let host = forwarded("x-forwarded-host")
            .or(authority)
            .or_else(|| headers.get(header::HOST)?.to_str().ok())
            .unwrap_or_default();
        let scheme = match forwarded("x-forwarded-proto") {
            Some("https") => "https",
            _ => "http",
        };
        self.allowed_url(scheme, host).ok_or_else(misdirected)
    }
}

fn misdirected() -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected-request",
        "This host name is not served here.",
    )
}

/// One hop of `X-Forwarded-For`; some proxies add the port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let address = hop
        .parse::<IpAddr>()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

fn edge_of(parts: &Parts) -> Result<Arc<Edge>, Problem> {
    parts.extensions.get::<Arc<Edge>>().cloned().ok_or_else(|| {
        tracing::error!("the router was not wrapped in the server's stack");
        Problem::internal()
    })
}

fn peer_of(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())
}

/// The caller's address: behind our own hops the one that they name, else the
/// peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let edge = edge_of(parts)?;
        let peer = peer_of(parts).ok_or_else(|| {
            tracing::error!("the server does not tell the peer's address");
            Problem::internal()
        })?;
        Ok(Self(edge.client(peer, &parts.headers)))
    }
}

/// The address under which the caller sees us, for links and `Location`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(pub Url);

impl BaseUrl {
    /// The absolute address of a path of ours, `/notes/1` or `/notes?page=2`.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}/{}", self.0.as_str().trim_end_matches('/'), path.trim_start_matches('/'))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let edge = edge_of(parts)?;
        let authority = parts.uri.authority().map(|authority| authority.as_str());
        edge.base_url(peer_of(parts), &parts.headers, authority).map(Self)
    }
}

#[cfg(test)]
mod tests;
