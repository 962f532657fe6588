//! Checking a token.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation};
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use super::claims::{Claims, Principal};
use super::keys::{Keys, KeysError};
use crate::clock::Clock;
use crate::problem::Problem;

/// The clocks of issuer and verifier may differ by this much.
pub const CLOCK_SKEW_SECONDS: i64 = 5;

/// Characters of a token at most; the head of a request has room for more.
const TOKEN_CHARS_MAX: usize = 8 * 1024;

/// Keys are fetched for an unknown key id at most once in this time: whoever
/// makes up key ids must not make us call the issuer.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(10);

/// How long a request with an unknown key id waits for the keys.
const UNKNOWN_KEY_WAIT: Duration = Duration::from_secs(2);

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this issuer for us, changed on the way, or not good yet.
    #[error("the token is not valid")]
    Invalid,
    /// It was valid once.
    #[error("the token has expired")]
    Expired,
    /// Signed with a key that the issuer does not publish (yet).
    #[error("the token's key is not known")]
    UnknownKey,
    /// No key of the issuer has ever been fetched: nothing can be said.
    #[error("the issuer's keys are not known yet")]
    NoKeys,
}

impl TokenError {
    /// The problem for the caller.
    #[must_use]
    pub fn problem(self) -> Problem {
        match self {
            Self::Invalid | Self::UnknownKey => Problem::invalid_token("The token is not valid."),
            Self::Expired => Problem::invalid_token("The token has expired."),
            Self::NoKeys => Problem::unavailable("Tokens cannot be checked yet."),
        }
    }
}

/// Checks access tokens: EdDSA, issuer, audience, time. Cloning is cheap, and all
/// clones see the same keys.
#[derive(Clone)]
pub struct TokenVerifier(Arc<Inner>);

struct Inner {
    keys: RwLock<Keys>,
    validation: Validation,
    clock: Clock,
    /// Whether there is someone who fetches keys.
    is_refreshed: AtomicBool,
    /// Asks whoever fetches keys to do so now.
    wanted: Notify,
    /// Rings when keys were fetched, or could not be.
    fetched: Notify,
    /// When keys were last asked for because of an unknown key id.
    asked: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenVerifier")
    }
}

impl TokenVerifier {
    /// A verifier without keys yet; see [`TokenVerifier::install`].
    #[must_use]
    pub fn new(issuer: &str, audience: &str, clock: Clock) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The time is the clock's that was handed in, and not the library's.
        validation.validate_exp = false;
        Self(Arc::new(Inner {
            keys: RwLock::default(),
            validation,
            clock,
            is_refreshed: AtomicBool::new(false),
            wanted: Notify::new(),
            fetched: Notify::new(),
            asked: Mutex::new(None),
        }))
    }

    /// Takes a JSON Web Key Set in place of the keys so far. Returns false, and
    /// keeps those, if there is no usable key in it.
    pub fn install(&self, jwks: &str) -> bool {
        match self.try_install(jwks) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the issuer's keys are not usable");
                false
            }
        }
    }

    fn try_install(&self, jwks: &str) -> Result<(), KeysError> {
        let keys = Keys::parse(jwks)?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Whether there is any key to check a token with.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        !keys.is_empty()
    }

    /// Checks a token with the keys that are known.
    pub fn verify(&self, jwt: &str) -> Result<Principal, TokenError> {
        if jwt.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::Invalid);
        }
        let header = jsonwebtoken::decode_header(jwt).map_err(|_| TokenError::Invalid)?;
        // `crit` names extensions that must be understood, and we know of none.
        if header.alg != Algorithm::EdDSA || header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let id = header.kid.ok_or(TokenError::Invalid)?;
        let key = {
            let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
            if keys.is_empty() {
                return Err(TokenError::NoKeys);
            }
            keys.get(&id).cloned().ok_or(TokenError::UnknownKey)?
        };
        let token = jsonwebtoken::decode::<Claims>(jwt, &key, &self.0.validation)
            .map_err(|_| TokenError::Invalid)?;
        let now = self.0.clock.now().unix_timestamp();
        if token.claims.exp.saturating_add(CLOCK_SKEW_SECONDS) <= now {
            return Err(TokenError::Expired);
        }
        let begins = token.claims.nbf.unwrap_or(now);
        if begins.saturating_sub(CLOCK_SKEW_SECONDS) > now {
            return Err(TokenError::Invalid);
        }
        Ok(token.claims.into())
    }

    /// Checks a token, and fetches the keys first if its key is not known: the
    /// issuer may have begun to use a new one.
    pub async fn verify_fresh(&self, jwt: &str) -> Result<Principal, TokenError> {
        match self.verify(jwt) {
            Err(TokenError::UnknownKey | TokenError::NoKeys) => {}
            outcome => return outcome,
        }
        if !self.0.is_refreshed.load(Ordering::Acquire) {
            return self.verify(jwt);
        }
        // Not more than one asks; the others wait for what it learns.
        let waited = tokio::time::timeout(UNKNOWN_KEY_WAIT, async {
            let mut asked = self.0.asked.lock().await;
            let is_early = asked.is_some_and(|at| at.elapsed() < UNKNOWN_KEY_PAUSE);
            if !is_early {
                *asked = Some(Instant::now());
                let fetched = self.0.fetched.notified();
                tokio::pin!(fetched);
                // Listening before asking, so that a quick answer is heard.
                fetched.as_mut().enable();
                self.0.wanted.notify_one();
                fetched.await;
            }
        })
        .await;
        if waited.is_err() {
            tracing::debug!("the issuer's keys did not come in time");
        }
        self.verify(jwt)
    }

    /// From now on someone fetches keys when they are wanted.
    pub(super) fn refreshed(&self) {
        self.0.is_refreshed.store(true, Ordering::Release);
    }

    /// Resolves when someone needs newer keys.
    pub(super) async fn wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// Tells those who wait that an attempt to fetch the keys is over.
    pub(super) fn attempted(&self) {
        self.0.fetched.notify_waiters();
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }
}
