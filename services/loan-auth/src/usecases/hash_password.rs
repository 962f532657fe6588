//! argon2id, and nothing of it on the runtime's own threads.
//!
//! A hash takes tens of milliseconds of a core and 19 MiB, so whoever wants one
//! has taken a place for it before: see [`Places`].

use std::sync::Arc;

use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use common::config::Secret;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::{Origin, Place, PlaceSettings, Places, Purpose, nfc};
use crate::error::Error;

/// Hashes passwords. Cloning is cheap; clones share the places.
#[derive(Clone)]
pub struct Hasher {
    places: Places,
    /// The hash of no password: what an unknown person is checked against, so
    /// that the answer takes as long as for a known one.
    nobody: Arc<str>,
}

impl Hasher {
    /// A hasher with these places.
    ///
    /// # Errors
    /// [`Error::Internal`] if the computer has no memory or randomness for one hash.
    pub fn try_new(settings: PlaceSettings) -> Result<Self, Error> {
        let mut secret = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| Error::Internal)?;
        Ok(Self { places: Places::new(settings), nobody: hashed(&secret)?.into() })
    }

    /// When whoever comes now has waited long enough.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.places.deadline()
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// As [`Places::take_place`].
    pub async fn place(
        &self,
        purpose: Purpose,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Place, Error> {
        self.places.take_place(purpose, origin, deadline).await
    }

    /// The hash of a new password, in PHC form.
    ///
    /// # Errors
    /// [`Error::Internal`] if the computer has no memory or randomness for it.
    pub async fn hash_password(&self, place: Place, password: &Secret) -> Result<String, Error> {
        let password = normalised(password);
        on_a_thread(place, move || hashed(password.expose_secret().as_bytes())).await?
    }

    /// Whether this is the password of a hash; without a hash it takes as long,
    /// and is not.
    ///
    /// # Errors
    /// [`Error::Internal`] if the hash is none.
    pub async fn is_right(
        &self,
        place: Place,
        password: &Secret,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        let password = normalised(password);
        let nobody = Arc::clone(&self.nobody);
        on_a_thread(place, move || {
            let parsed =
                PasswordHash::new(hash.as_deref().unwrap_or(&nobody)).map_err(|error| {
                    tracing::error!(%error, "a stored password hash is unreadable");
                    Error::Internal
                })?;
            let password = password.expose_secret().as_bytes();
            let is_right = Argon2::default().verify_password(password, &parsed).is_ok();
            Ok(is_right && hash.is_some())
        })
        .await?
    }
}

/// The password in the one spelling that is hashed.
pub(super) fn normalised(password: &Secret) -> Secret {
    Secret::from(nfc(password.expose_secret()))
}

fn hashed(password: &[u8]) -> Result<String, Error> {
    match Argon2::default().hash_password(password) {
        Ok(hash) => Ok(hash.to_string()),
        Err(error) => {
            tracing::error!(%error, "a password could not be hashed");
            Err(Error::Internal)
        }
    }
}

/// Works where blocking is allowed. The place goes with the work: when the caller
/// gives up, the work goes on, and its place must not be taken meanwhile.
async fn on_a_thread<T: Send + 'static>(
    place: Place,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let started = Instant::now();
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    let done = done.await.map_err(|error| {
        tracing::error!(is_panic = error.is_panic(), "hashing a password did not end");
        Error::Internal
    });
    metrics::histogram!("auth_password_hash_seconds").record(started.elapsed().as_secs_f64());
    done
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use super::*;

    fn hasher() -> Hasher {
        Hasher::try_new(PlaceSettings {
            certify_max: 1,
            log_in_max: 1,
            register_max: 1,
            waiting_per_address_max: 0,
            wait: Duration::from_secs(5),
        })
        .unwrap()
    }

    async fn place(hasher: &Hasher) -> Place {
        let origin = Origin::of([192, 0, 2, 1].into());
        hasher.place(Purpose::Certify, &origin, hasher.deadline()).await.unwrap()
    }

    async fn hash_of(hasher: &Hasher, password: &str) -> String {
        hasher.hash_password(place(hasher).await, &Secret::from(password)).await.unwrap()
    }

    async fn is_right(hasher: &Hasher, password: &str, hash: Option<&str>) -> bool {
        let place = place(hasher).await;
        hasher.is_right(place, &Secret::from(password), hash.map(str::to_owned)).await.unwrap()
    }

    //
    #[tokio::test]
    async fn a_hash_is_argon2id_with_the_recommended_cost_and_tells_passwords_apart() {
        let hasher = hasher();
        let hash = hash_of(&hasher, "correct horse").await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_right(&hasher, "correct horse", Some(&hash)).await);
        assert!(!is_right(&hasher, "correct horsf", Some(&hash)).await);
        let again = hash_of(&hasher, "correct horse").await;
        assert_ne!(hash, again, "each hash has a salt of its own");
        assert!(!is_right(&hasher, "correct horse", None).await);
    }

    #[tokio::test]
    async fn one_spelling_of_a_password_is_as_good_as_the_other() {
        let hasher = hasher();
        let hash = hash_of(&hasher, "cafe\u{301} au lait").await;
        assert!(is_right(&hasher, "caf\u{e9} au lait", Some(&hash)).await);
    }

    // How long it takes does not tell whether there is such a person: both are
    // hashed, at the same cost. Measured against each other the two would differ on
    // a busy computer, so each is looked at for itself.
    #[tokio::test]
    async fn nobody_is_hashed_as_long_as_somebody() {
        // No computer reads and writes 19 MiB twice in this time.
        const HASHED_FOR_MIN: Duration = Duration::from_millis(2);
        let hasher = hasher();
        let hash = hash_of(&hasher, "correct horse").await;
        let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cost(&hasher.nobody), cost(&hash));
        for known in [Some(hash.as_str()), None] {
            let place = place(&hasher).await;
            let started = Instant::now();
            let known = known.map(str::to_owned);
            assert!(!hasher.is_right(place, &Secret::from("wrong horse"), known).await.unwrap());
            assert!(started.elapsed() > HASHED_FOR_MIN);
        }
    }
}
