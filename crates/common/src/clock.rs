//! The time and new ids, handed in, so that a test decides both.

use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};
use uuid::{NoContext, Timestamp, Uuid};

/// Tells the time and makes ids. Cloning is cheap; clones of a fixed clock move
/// together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<Mutex<OffsetDateTime>>),
}

impl Clock {
    /// The computer's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `now` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn fixed(now: OffsetDateTime) -> Self {
        Self(Source::Fixed(Arc::new(Mutex::new(now))))
    }

    /// Moves a fixed clock on. The computer's clock can't be moved: then nothing
    /// happens.
    pub fn advance(&self, by: Duration) {
        if let Source::Fixed(now) = &self.0 {
            *now.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }

    /// The time, in UTC, in whole microseconds: PostgreSQL keeps no more, and
    /// what was written must compare equal to what is read back.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let now = match &self.0 {
            Source::System => system_now(),
            Source::Fixed(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let whole = now.nanosecond() / 1_000 * 1_000;
        now.replace_nanosecond(whole).unwrap_or(now)
    }

    /// A new id, UUID version 7: new rows land at the end of their index.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        match &self.0 {
            Source::System => system_id(),
            Source::Fixed(_) => {
                let now = self.now();
                let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
                Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.nanosecond()))
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
fn system_now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
fn system_id() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::fixed(datetime!(2026-11-21 08:00 UTC));
        let other = clock.clone();
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::minutes(5));
        assert_eq!(other.now(), datetime!(2026-11-21 08:05 UTC));
    }

    #[test]
    fn time_has_no_more_than_microseconds() {
        assert_eq!(Clock::system().now().nanosecond() % 1_000, 0);
    }

    #[test]
    fn ids_differ_and_are_version_7() {
        for clock in [Clock::system(), Clock::fixed(datetime!(2026-11-21 08:00 UTC))] {
            let (one, two) = (clock.new_id(), clock.new_id());
            assert_ne!(one, two);
            assert_eq!(one.get_version_num(), 7);
        }
    }
}
