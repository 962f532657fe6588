//! How many requests a client may send.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use common::http::subscriber;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::rescue::Failure;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A bucket refills within a second, so one that was idle for longer says nothing any more.
const BUCKET_IDLE: Duration = Duration::from_secs(10);

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// A bucket per client address, and one per client and costly route, of which only so many are kept:
/// the one used least makes room. An attacker with more addresses than that gains fresh buckets,
/// never the gateway's memory.
pub(crate) struct Rate {
    of_client: Quota,
    of_route: Quota,
    policy: HeaderValue,
    costly_policy: HeaderValue,
    clock: DefaultClock,
    /// By the client and, for its rate on a costly route, that route's path.
    buckets: moka::sync::Cache<(IpAddr, Option<&'static str>), Arc<Bucket>>,
}

/// What is left of a client's rates, for the answer's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    of_client: u32,
    /// On this route, if it has a rate of its own.
    of_route: Option<u32>,
}

/// A request that is one too many.
#[derive(Debug)]
pub(crate) struct TooMany {
    pub(crate) failure: Failure,
    pub(crate) left: Left,
}

impl Rate {
    pub(crate) fn new(per_second: NonZeroU32, costly: NonZeroU32, keys_max: u64) -> Rate {
        let policy = |text: String| {
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"client\""))
        };
        Rate {
            of_client: Quota::per_second(per_second),
            of_route: Quota::per_second(costly),
            policy: policy(format!("\"client\";q={per_second};w=1")),
            costly_policy: policy(format!(
                "\"client\";q={per_second};w=1, \"route\";q={costly};w=1"
            )),
            clock: DefaultClock::default(),
            buckets: moka::sync::Cache::builder()
                .max_capacity(keys_max)
                .time_to_idle(BUCKET_IDLE)
                .build(),
        }
    }

    /// Takes one request off the client's rate, and off its rate on this route where that is a
    /// costly one.
    ///
    /// # Errors
    /// [`Failure::RateLimited`] when nothing is left of either.
    pub(crate) fn take(
        &self,
        client: IpAddr,
        costly: Option<&'static str>,
    ) -> Result<Left, TooMany> {
        let client = subscriber(client);
        let nothing = Left { of_client: 0, of_route: None };
        let of_client = self
            .take_one((client, None), self.of_client)
            .map_err(|failure| TooMany { failure, left: nothing })?;
        let Some(path) = costly else {
            return Ok(Left { of_client, of_route: None });
        };
        match self.take_one((client, Some(path)), self.of_route) {
            Ok(left) => Ok(Left { of_client, of_route: Some(left) }),
            Err(failure) => Err(TooMany { failure, left: Left { of_client, of_route: Some(0) } }),
        }
    }

    fn take_one(&self, key: (IpAddr, Option<&'static str>), quota: Quota) -> Result<u32, Failure> {
        let bucket = self.buckets.get_with(key, || {
            Arc::new(
                RateLimiter::direct_with_clock(quota, self.clock.clone())
                    .with_middleware::<StateInformationMiddleware>(),
            )
        });
        bucket.check().map(|state| state.remaining_burst_capacity()).map_err(|not_until| {
            Failure::RateLimited { retry_after: not_until.wait_time_from(self.clock.now()) }
        })
    }

    /// Says in the answer what the rates are and what is left of them.
    pub(crate) fn tell(&self, left: Left, headers: &mut HeaderMap) {
        let (policy, told) = match left.of_route {
            None => (&self.policy, format!("\"client\";r={};t=1", left.of_client)),
            Some(of_route) => (
                &self.costly_policy,
                format!("\"client\";r={};t=1, \"route\";r={of_route};t=1", left.of_client),
            ),
        };
        headers.insert(RATE_LIMIT_POLICY, policy.clone());
        if let Ok(value) = HeaderValue::try_from(told) {
            headers.insert(RATE_LIMIT, value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn rate(per_second: u32, keys_max: u64) -> Rate {
        let per_second = NonZeroU32::new(per_second).unwrap();
        Rate::new(per_second, NonZeroU32::new(2).unwrap(), keys_max)
    }

    fn left(of_client: u32) -> Left {
        Left { of_client, of_route: None }
    }

    //
    #[tokio::test]
    async fn a_client_has_its_rate_and_no_more_and_another_client_has_its_own() {
        let rate = rate(5, 100);
        let one: IpAddr = "198.51.100.1".parse().unwrap();
        let other: IpAddr = "198.51.100.2".parse().unwrap();
        let seen: Vec<_> = (0..5).map(|_| rate.take(one, None).unwrap()).collect();
        assert_eq!(seen, [4, 3, 2, 1, 0].map(left));
        let Failure::RateLimited { retry_after } = rate.take(one, None).unwrap_err().failure else {
            panic!("the sixth request was let through");
        };
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(1));
        assert_eq!(rate.take(other, None).unwrap(), left(4));
        tokio::time::sleep(retry_after + Duration::from_millis(20)).await;
        assert!(rate.take(one, None).is_ok());
    }

    //
    #[test]
    fn a_costly_route_has_a_rate_of_its_own_and_the_others_go_on() {
        let rate = rate(5, 100);
        let client: IpAddr = "198.51.100.1".parse().unwrap();
        let on = |path| rate.take(client, Some(path));
        assert_eq!(on("/a").unwrap(), Left { of_client: 4, of_route: Some(1) });
        assert_eq!(on("/a").unwrap(), Left { of_client: 3, of_route: Some(0) });
        assert_eq!(on("/a").unwrap_err().left, Left { of_client: 2, of_route: Some(0) });
        assert_eq!(on("/b").unwrap(), Left { of_client: 1, of_route: Some(1) });
        assert_eq!(rate.take(client, None).unwrap(), left(0));
        assert_eq!(on("/b").unwrap_err().left, left(0), "this route's own was not asked");
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_rate() {
        let rate = rate(1, 100);
        assert!(rate.take("2001:db8:0:1::1".parse().unwrap(), None).is_ok());
        assert!(rate.take("2001:db8:0:1:ffff::2".parse().unwrap(), None).is_err());
        assert!(rate.take("2001:db8:0:2::1".parse().unwrap(), None).is_ok());
    }

    #[test]
    fn memory_for_clients_is_bounded() {
        let rate = rate(1, 1_000);
        for n in 0..20_000_u32 {
            let _taken = rate.take(IpAddr::from(n.to_be_bytes()), Some("/a"));
        }
        rate.buckets.run_pending_tasks();
        assert!(rate.buckets.entry_count() <= 1_000);
    }
}
