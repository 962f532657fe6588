//! Places for hashing: how many passwords are hashed at the same time, for what,
//! and for whom.
//!
//! Each purpose has places of its own, so that a flood of registrations or of
//! logins cannot take those that certifications need. Within a purpose one
//! address has one place fewer than there are, and only so many may wait for it:
//! whoever floods from one address stands in their own way. Those beyond that are
//! told at once, because waiting they would only be told later.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Origin;
use crate::error::Error;

/// What a password is hashed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To certify a request.
    Certify,
    /// To log somebody in.
    LogIn,
    /// To register somebody, or to change a password.
    Register,
}

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub struct PlaceSettings {
    /// For certifications.
    pub certify_max: usize,
    /// For logins.
    pub log_in_max: usize,
    /// For registrations and changes of a password.
    pub register_max: usize,
    /// Those who may wait for a place from one address, for one purpose.
    pub waiting_per_address_max: usize,
    /// How long a password waits for its turn at most.
    pub wait: Duration,
}

/// Addresses whose places are known at most, and for how long after the last
/// attempt. Beyond that one is forgotten, which lets it have a few places more.
const LANES_MAX: u64 = 100_000;
const LANES_REMEMBERED: Duration = Duration::from_secs(60);

/// All places. Cloning is cheap; clones share them.
#[derive(Clone)]
pub struct Places {
    settings: PlaceSettings,
    certify: Arc<Semaphore>,
    log_in: Arc<Semaphore>,
    register: Arc<Semaphore>,
    lanes: Cache<(Purpose, Origin), Arc<Lane>>,
}

/// What one address may take of one purpose's places.
struct Lane {
    /// Who has a place or waits for one.
    room: Arc<Semaphore>,
    /// Who has a place, or is next.
    places: Arc<Semaphore>,
}

/// The right to hash once. Unused, it is kept until it is dropped.
#[must_use = "an unused place is kept until it is dropped"]
pub struct Place {
    _room: OwnedSemaphorePermit,
    _of_address: OwnedSemaphorePermit,
    _of_purpose: OwnedSemaphorePermit,
}

impl Places {
    /// Places by these figures.
    #[must_use]
    pub fn new(settings: PlaceSettings) -> Self {
        let places = |max: usize| Arc::new(Semaphore::new(max.max(1)));
        Self {
            settings,
            certify: places(settings.certify_max),
            log_in: places(settings.log_in_max),
            register: places(settings.register_max),
            lanes: Cache::builder().max_capacity(LANES_MAX).time_to_idle(LANES_REMEMBERED).build(),
        }
    }

    /// When whoever comes now has waited long enough.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.settings.wait
    }

    /// Takes a place, and waits for it if need be.
    ///
    /// # Errors
    /// [`Error::Busy`] after the deadline, or at once if too many wait already
    /// from this address.
    pub async fn take_place(
        &self,
        purpose: Purpose,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Place, Error> {
        let taken = self.taken(purpose, origin, deadline).await;
        if taken.is_none() {
            let purpose = purpose.name();
            metrics::counter!("auth_password_checks_shed_total", "purpose" => purpose).increment(1);
        }
        taken.ok_or(Error::Busy)
    }

    /// No semaphore is ever closed, so whatever fails is for want of room or time.
    async fn taken(&self, purpose: Purpose, origin: &Origin, deadline: Instant) -> Option<Place> {
        let lane = self.lanes.get_with((purpose, origin.clone()), || self.lane(purpose));
        let room = Arc::clone(&lane.room).try_acquire_owned().ok()?;
        let of_address = Arc::clone(&lane.places).acquire_owned();
        let of_address = timeout_at(deadline, of_address).await.ok()?.ok()?;
        let of_purpose = match purpose {
            Purpose::Certify => &self.certify,
            Purpose::LogIn => &self.log_in,
            Purpose::Register => &self.register,
        };
        let of_purpose = Arc::clone(of_purpose).acquire_owned();
        let of_purpose = timeout_at(deadline, of_purpose).await.ok()?.ok()?;
        Some(Place { _room: room, _of_address: of_address, _of_purpose: of_purpose })
    }

    fn lane(&self, purpose: Purpose) -> Arc<Lane> {
        let max = match purpose {
            Purpose::Certify => self.settings.certify_max,
            Purpose::LogIn => self.settings.log_in_max,
            Purpose::Register => self.settings.register_max,
        };
        let places = max.saturating_sub(1).max(1);
        let room = places.saturating_add(self.settings.waiting_per_address_max);
        Arc::new(Lane {
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            places: Arc::new(Semaphore::new(places)),
        })
    }
}

impl Purpose {
    /// As a metric names it.
    const fn name(self) -> &'static str {
        match self {
            Self::Certify => "certify",
            Self::LogIn => "log-in",
            Self::Register => "register",
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn places(certify_max: usize) -> Places {
        Places::new(PlaceSettings {
            certify_max,
            log_in_max: 1,
            register_max: 1,
            waiting_per_address_max: 2,
            wait: Duration::from_millis(50),
        })
    }

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().unwrap())
    }

    async fn take(places: &Places, purpose: Purpose, address: &str) -> Result<Place, Error> {
        places.take_place(purpose, &origin(address), places.deadline()).await
    }

    #[tokio::test]
    async fn no_purpose_takes_the_places_of_another() {
        let places = places(1);
        let _held = [
            take(&places, Purpose::Register, "192.0.2.1").await.unwrap(),
            take(&places, Purpose::LogIn, "192.0.2.1").await.unwrap(),
        ];
        for purpose in [Purpose::Register, Purpose::LogIn] {
            let refused = take(&places, purpose, "192.0.2.2").await;
            assert!(matches!(refused, Err(Error::Busy)), "{purpose:?}");
        }
        let certified = take(&places, Purpose::Certify, "192.0.2.1").await.unwrap();
        let refused = take(&places, Purpose::Certify, "192.0.2.2").await;
        assert!(matches!(refused, Err(Error::Busy)));
        drop(certified);
        assert!(take(&places, Purpose::Certify, "192.0.2.2").await.is_ok());
    }

    #[tokio::test]
    async fn one_address_never_has_the_last_place() {
        let places = places(3);
        let first = take(&places, Purpose::Certify, "192.0.2.1").await.unwrap();
        let second = take(&places, Purpose::Certify, "192.0.2.1").await.unwrap();
        assert!(take(&places, Purpose::Certify, "192.0.2.1").await.is_err());
        let other = take(&places, Purpose::Certify, "192.0.2.2").await.unwrap();
        drop(first);
        assert!(take(&places, Purpose::Certify, "192.0.2.1").await.is_ok());
        drop((second, other));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_would_wait_behind_too_many_of_their_own_is_told_at_once() {
        let places = places(2);
        let held = take(&places, Purpose::Certify, "192.0.2.1").await.unwrap();
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let places = places.clone();
                tokio::spawn(
                    async move { take(&places, Purpose::Certify, "192.0.2.1").await.map(drop) },
                )
            })
            .collect();
        tokio::task::yield_now().await;
        let started = Instant::now();
        assert!(take(&places, Purpose::Certify, "192.0.2.1").await.is_err());
        assert_eq!(started.elapsed(), Duration::ZERO);
        drop(held);
        for waited in waiting {
            waited.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_so() {
        let places = places(1);
        let held = take(&places, Purpose::Certify, "192.0.2.1").await.unwrap();
        let started = Instant::now();
        assert!(take(&places, Purpose::Certify, "192.0.2.2").await.is_err());
        assert!(started.elapsed() >= Duration::from_millis(50));
        drop(held);
        assert!(take(&places, Purpose::Certify, "192.0.2.2").await.is_ok());
    }
}
