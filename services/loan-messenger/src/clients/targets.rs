//! Where a web-hook may lead. Its address is a stranger's: it must not make this
//! service speak to what is inside ("server-side request forgery", OWASP).

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Addresses that are nobody's on the internet, from the special-purpose registries of
/// IANA (RFC 6890 and its successors). 169.254.0.0/16 and fd00:ec2::/32 hold what
/// clouds tell their own machines. What IPv4 hides in (mapped, translated, 6to4, Teredo)
/// is refused whole.
const FORBIDDEN: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The name leads to an address that is not on the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name leads to an address that is not allowed")]
pub struct Forbidden;

/// Looks names up, and knows no address but those on the internet. It is asked for
/// the addresses that are then connected to, so that a name which has another one a
/// moment later ("rebinding") gains nothing.
#[derive(Clone, Debug)]
pub struct PublicNames {
    forbidden: std::sync::Arc<Vec<IpNet>>,
}

impl Default for PublicNames {
    fn default() -> Self {
        let forbidden = FORBIDDEN.iter().filter_map(|net| net.parse().ok()).collect();
        Self { forbidden: std::sync::Arc::new(forbidden) }
    }
}

impl PublicNames {
    /// Whether this is an address on the internet.
    #[must_use]
    pub fn is_public(&self, address: IpAddr) -> bool {
        !self.forbidden.iter().any(|net| net.contains(&address))
    }
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            // One bad address spoils all: no honest name has any.
            if found.iter().any(|address| !names.is_public(address.ip())) {
                return Err(Forbidden.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_range_is_one() {
        assert_eq!(PublicNames::default().forbidden.len(), FORBIDDEN.len());
    }

    #[test]
    fn nothing_inside_is_public() {
        let names = PublicNames::default();
        for inside in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!names.is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2400::1"] {
            assert!(names.is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_has_no_address() {
        let error = PublicNames::default().resolve("localhost".parse().unwrap()).await.err();
        assert!(error.unwrap().downcast_ref::<Forbidden>().is_some());
    }
}
