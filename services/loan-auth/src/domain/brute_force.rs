//! How many wrong passwords are borne, and what is said after that.
//!
//! Failures are counted, and nothing else: whoever knows the password is never
//! slowed down by how often it is used. Three bounds hold at once, each over a
//! sliding time: an account from one address, an account from anywhere, and an
//! address whatever the account. A person's own address (the password was right
//! from there before) is exempt from the second, so that strangers all over the
//! world cannot lock the owner out.
//!
//! Registrations from an address are bounded in the same way, whatever comes of them.

use time::{Duration, OffsetDateTime};

/// At most so many failures in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// So many.
    pub failures_max: i64,
    /// In so long.
    pub window: Duration,
}

/// All the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// An account from one address.
    pub account_address: Bound,
    /// An account from anywhere.
    pub account: Bound,
    /// An address, whatever the account.
    pub address: Bound,
    /// Registrations from an address.
    pub registrations: Bound,
    /// How long an address stays the owner's after a right password.
    pub known_address: Duration,
    /// The longest `Retry-After`.
    pub retry_after_max: Duration,
}

/// How many failures there are within a bound's time, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub failures: i64,
    /// The first of them.
    pub oldest_at: Option<OffsetDateTime>,
}

/// What has been counted about one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of the account from this address.
    pub account_address: Tally,
    /// Of the account from anywhere.
    pub account: Tally,
    /// From this address, whatever the account.
    pub address: Tally,
    /// When the owner's password was right from this address.
    pub known_since: Option<OffsetDateTime>,
}

impl Bounds {
    /// How long until there is room again; `None` if there is room now.
    #[must_use]
    pub fn blocked_for(&self, counters: &Counters, now: OffsetDateTime) -> Option<Duration> {
        let is_known = counters.known_since.is_some_and(|at| at > now - self.known_address);
        let account = if is_known { None } else { self.account.blocked_for(counters.account, now) };
        [
            self.account_address.blocked_for(counters.account_address, now),
            account,
            self.address.blocked_for(counters.address, now),
        ]
        .into_iter()
        .flatten()
        .max()
    }

    /// What a refused caller is told: 1, 2, 4 … seconds, as often as they came too
    /// early, but not longer than it takes, and never longer than the maximum.
    #[must_use]
    pub fn retry_after(&self, blocked_for: Duration, refusals_before: u32) -> Duration {
        let grown = Duration::seconds(1_i64 << refusals_before.min(30));
        let longest = blocked_for.min(self.retry_after_max);
        grown.min(longest).max(Duration::seconds(1))
    }
}

impl Bound {
    /// How long until there is room again; `None` if there is room now.
    #[must_use]
    pub fn blocked_for(self, tally: Tally, now: OffsetDateTime) -> Option<Duration> {
        if tally.failures < self.failures_max {
            return None;
        }
        let since = tally.oldest_at.unwrap_or(now);
        Some((since + self.window - now).max(Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 08:00 UTC);

    fn bounds() -> Bounds {
        Bounds {
            account_address: Bound { failures_max: 10, window: Duration::minutes(5) },
            account: Bound { failures_max: 100, window: Duration::hours(1) },
            address: Bound { failures_max: 60, window: Duration::minutes(1) },
            registrations: Bound { failures_max: 60, window: Duration::minutes(10) },
            known_address: Duration::days(30),
            retry_after_max: Duration::seconds(60),
        }
    }

    fn tally(failures: i64, seconds_ago: i64) -> Tally {
        Tally { failures, oldest_at: Some(NOW - Duration::seconds(seconds_ago)) }
    }

    #[test]
    fn each_bound_holds_by_itself() {
        let free = Counters {
            account_address: tally(9, 10),
            account: tally(99, 10),
            address: tally(59, 10),
            known_since: None,
        };
        assert_eq!(bounds().blocked_for(&free, NOW), None);
        let blocked = |counters| bounds().blocked_for(&counters, NOW).map(Duration::whole_seconds);
        assert_eq!(blocked(Counters { account_address: tally(10, 10), ..free }), Some(290));
        assert_eq!(blocked(Counters { account: tally(100, 10), ..free }), Some(3_590));
        assert_eq!(blocked(Counters { address: tally(60, 10), ..free }), Some(50));
    }

    // the true owner is not locked out by strangers elsewhere.
    #[test]
    fn a_known_address_is_exempt_from_the_bound_of_the_account_alone() {
        let flooded = Counters {
            account: tally(100, 10),
            known_since: Some(NOW - Duration::days(29)),
            ..Counters::default()
        };
        assert_eq!(bounds().blocked_for(&flooded, NOW), None);
        let long_ago = Counters { known_since: Some(NOW - Duration::days(30)), ..flooded };
        assert!(bounds().blocked_for(&long_ago, NOW).is_some());
        let from_here = Counters { account_address: tally(10, 10), ..flooded };
        assert!(bounds().blocked_for(&from_here, NOW).is_some());
    }

    #[test]
    fn retry_after_grows_and_stays_within_its_bounds() {
        let say = |blocked, before| {
            bounds().retry_after(Duration::seconds(blocked), before).whole_seconds()
        };
        let said: Vec<_> = (0..9).map(|before| say(290, before)).collect();
        assert_eq!(said, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(say(290, u32::MAX), 60);
        assert_eq!(say(5, 9), 5);
        assert_eq!(say(0, 0), 1);
    }
}
