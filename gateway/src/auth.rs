//! The early look at bearer tokens. It saves the services work and the client a round trip; it is
//! not the wall: each service verifies the token itself. So what can't be decided here is let
//! through.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use common::token::{TokenError, TokenVerifier};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::rescue::Failure;

/// How many tokens that were found valid are remembered.
const VALID_MAX: u64 = 10_000;

/// For how long. A signature costs as much as all the rest of a request; a token that expires
/// meanwhile is refused by the service.
const VALID_FOR: Duration = Duration::from_secs(15);

/// Verifies bearer tokens and remembers the valid ones by their digest.
pub(crate) struct Tokens {
    verifier: TokenVerifier,
    valid: moka::sync::Cache<[u8; 32], ()>,
}

impl Tokens {
    pub(crate) fn new(verifier: TokenVerifier) -> Tokens {
        Tokens {
            verifier,
            valid: moka::sync::Cache::builder()
                .max_capacity(VALID_MAX)
                .time_to_live(VALID_FOR)
                .build(),
        }
    }

    /// Looks at the token, if there is one.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] for one that is surely not valid.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Ok(());
        };
        let Some(token) = bearer(value.as_bytes()) else {
            // Another scheme: whether it means anything is for the service to say.
            return Ok(());
        };
        let Ok(token) = std::str::from_utf8(token) else {
            return Err(Failure::Unauthenticated);
        };
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if self.valid.contains_key(&key) {
            return Ok(());
        }
        match self.verifier.verify(token) {
            Ok(_principal) => {
                self.valid.insert(key, ());
                Ok(())
            }
            // No key yet, or the issuer has just begun to use a new one.
            Err(TokenError::NoKeys | TokenError::UnknownKey) => Ok(()),
            Err(TokenError::Invalid | TokenError::Expired) => Err(Failure::Unauthenticated),
        }
    }
}

/// The token of a `Bearer` credential; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    match rest {
        [] => Some(rest),
        [b' ', token @ ..] => Some(token.trim_ascii()),
        _ => None,
    }
}
