//! A login: an access token, and the first refresh token of a chain.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use common::config::Secret;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Proven;
use crate::error::Error;
use crate::store::known_address;
use crate::store::refresh_family::{self, Family};

/// The figures of logins.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// How long a login lasts, however often it is renewed.
    pub lifetime: Duration,
    /// Logins of one person at most; the oldest ends.
    pub per_person_max: i64,
}

/// A login's refresh token, as its bearer keeps it.
pub struct Session {
    /// The token.
    pub refresh_token: Secret,
    /// The end of the login.
    pub expires_at: OffsetDateTime,
}

/// Begins a login of a proven person.
///
/// # Errors
/// The database's.
pub async fn start_session(
    tx: &mut PgConnection,
    settings: SessionSettings,
    proven: &Proven,
    now: OffsetDateTime,
) -> Result<Session, Error> {
    let (person, token) = (&proven.person, RefreshToken::try_new(None)?);
    let expires_at = now + settings.lifetime;
    let family = Family {
        id: token.family_id,
        customer_id: person.id,
        token_hash: token.hash(),
        credential_version: person.credential_version,
        expires_at,
    };
    refresh_family::begin(tx, &family, settings.per_person_max, now).await?;
    if let Some(origin) = &proven.note {
        known_address::note(tx, person.id, origin.as_str(), now).await?;
    }
    Ok(Session { refresh_token: token.written(), expires_at })
}

/// A refresh token: which chain it is of, and a secret. Both are random: whoever
/// can name a chain has, or had, a token of it.
pub(super) struct RefreshToken {
    pub(super) family_id: Uuid,
    secret: [u8; SECRET_BYTES],
}

const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

impl RefreshToken {
    /// A new token of a chain, or the first of a new one.
    pub(super) fn try_new(family_id: Option<Uuid>) -> Result<Self, Error> {
        let mut bytes = [0_u8; FAMILY_BYTES];
        let mut secret = [0_u8; SECRET_BYTES];
        rand::fill(&mut bytes)
            .and_then(|()| rand::fill(&mut secret))
            .map_err(|_| Error::Internal)?;
        let family_id =
            family_id.unwrap_or_else(|| uuid::Builder::from_random_bytes(bytes).into_uuid());
        Ok(Self { family_id, secret })
    }

    /// Reads what a bearer shows.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; FAMILY_BYTES + SECRET_BYTES];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (family, secret) = bytes.split_at(FAMILY_BYTES);
        (length == bytes.len()).then_some(Self {
            family_id: Uuid::from_slice(family).ok()?,
            secret: secret.try_into().ok()?,
        })
    }

    /// As the bearer keeps it.
    pub(super) fn written(&self) -> Secret {
        let bytes = [self.family_id.as_bytes().as_slice(), &self.secret].concat();
        Secret::from(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// As it is stored. A fast hash is enough for 256 random bits.
    pub(super) fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, &self.secret).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        let token = RefreshToken::try_new(None).unwrap();
        let written = token.written();
        let read = RefreshToken::read(written.expose_secret()).unwrap();
        assert_eq!((read.family_id, read.hash()), (token.family_id, token.hash()));
        let next = RefreshToken::try_new(Some(token.family_id)).unwrap();
        assert_eq!(next.family_id, token.family_id);
        assert_ne!(next.hash(), token.hash());
        let short = &written.expose_secret()[1..];
        for bad in ["", "x", "\0", short, &format!("{}A", written.expose_secret()), "가"] {
            assert!(RefreshToken::read(bad).is_none(), "{bad}");
        }
    }
}
