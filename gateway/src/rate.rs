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

/// A bucket per client address, of which only so many are kept: the one used least makes room. An
/// attacker with more addresses than that gains fresh buckets, never the gateway's memory.
pub(crate) struct Rate {
    quota: Quota,
    policy: HeaderValue,
    clock: DefaultClock,
    buckets: moka::sync::Cache<IpAddr, Arc<Bucket>>,
}

/// What is left of a client's rate, for the answer's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left(u32);

impl Rate {
    pub(crate) fn new(per_second: NonZeroU32, keys_max: u64) -> Rate {
        Rate {
            quota: Quota::per_second(per_second),
            policy: HeaderValue::try_from(format!("\"client\";q={per_second};w=1"))
                .unwrap_or_else(|_| HeaderValue::from_static("\"client\"")),
            clock: DefaultClock::default(),
            buckets: moka::sync::Cache::builder()
                .max_capacity(keys_max)
                .time_to_idle(BUCKET_IDLE)
                .build(),
        }
    }

    /// Takes one request off the client's rate.
    ///
    /// # Errors
    /// [`Failure::RateLimited`] when nothing is left.
    pub(crate) fn take(&self, client: IpAddr) -> Result<Left, Failure> {
        let bucket = self.buckets.get_with(subscriber(client), || {
            Arc::new(
                RateLimiter::direct_with_clock(self.quota, self.clock.clone())
                    .with_middleware::<StateInformationMiddleware>(),
            )
        });
        match bucket.check() {
            Ok(state) => Ok(Left(state.remaining_burst_capacity())),
            Err(not_until) => Err(Failure::RateLimited {
                retry_after: not_until.wait_time_from(self.clock.now()),
            }),
        }
    }

    /// Says in the answer what the rate is and what is left of it.
    pub(crate) fn tell(&self, left: Left, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
        if let Ok(value) = HeaderValue::try_from(format!("\"client\";r={};t=1", left.0)) {
            headers.insert(RATE_LIMIT, value);
        }
    }
}

impl Left {
    pub(crate) const NOTHING: Left = Left(0);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn rate(per_second: u32, keys_max: u64) -> Rate {
        Rate::new(NonZeroU32::new(per_second).unwrap(), keys_max)
    }

    //
    #[tokio::test]
    async fn a_client_has_its_rate_and_no_more_and_another_client_has_its_own() {
        let rate = rate(5, 100);
        let one: IpAddr = "198.51.100.1".parse().unwrap();
        let other: IpAddr = "198.51.100.2".parse().unwrap();
        let left: Vec<_> = (0..5).map(|_| rate.take(one).unwrap().0).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        let Err(Failure::RateLimited { retry_after }) = rate.take(one) else {
            panic!("the sixth request was let through");
        };
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(1));
        assert_eq!(rate.take(other).unwrap(), Left(4));
        tokio::time::sleep(retry_after + Duration::from_millis(20)).await;
        assert!(rate.take(one).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_rate() {
        let rate = rate(1, 100);
        assert!(rate.take("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(rate.take("2001:db8:0:1:ffff::2".parse().unwrap()).is_err());
        assert!(rate.take("2001:db8:0:2::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn memory_for_clients_is_bounded() {
        let rate = rate(1, 1_000);
        for n in 0..20_000_u32 {
            let _taken = rate.take(IpAddr::from(n.to_be_bytes()));
        }
        rate.buckets.run_pending_tasks();
        assert!(rate.buckets.entry_count() <= 1_000);
    }
}
