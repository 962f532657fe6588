//! `Idempotency-Key`: the same request sent twice is one request.
//!
//! The claim on a key commits together with what it stands for. A second
//! claimant waits in the database until the first one's transaction is over,
//! so it never sees a half-made answer.

use aws_lc_rs::digest;
use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use sqlx::{PgConnection, Row};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::problem::Problem;

/// The header's name.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a key is kept. After it the same key is a new request.
pub const KEPT_HOURS: i64 = 24;

/// The longest key that is taken: enough for any id, too short to abuse as storage.
pub const KEY_BYTES_MAX: usize = 255;

/// What the caller calls this request: 1 to 255 visible ASCII characters.
///
/// As an axum extractor (`Option<IdempotencyKey>`) a bad or a double key is a
/// 400 problem; no key is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key, if it is one.
    #[must_use]
    pub fn try_new(key: &str) -> Option<Self> {
        let good = (1..=KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(key.to_owned()))
    }

    /// As it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Problem> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(first) = values.next() else { return Ok(None) };
        let key = first.to_str().ok().and_then(Self::try_new).filter(|_| values.next().is_none());
        key.map(Some).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "bad-idempotency-key",
                "Idempotency-Key must be sent once, with 1 to 255 visible ASCII characters.",
            )
        })
    }
}

/// What ties a key to its request: SHA-256 of the value's JSON. Leave every
/// secret out of the value, because the hash is stored.
///
/// # Panics
///
/// If the value has no JSON form, which is a mistake in its type.
pub fn hash_of(value: &impl Serialize) -> [u8; 32] {
    let json = serde_json::to_vec(value).expect("what identifies a request has a JSON form");
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &json).as_ref());
    hash
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The key was free; it is the caller's if this transaction commits.
    Fresh,
    /// The key stands for this, which was asked for with the same body.
    Existing {
        /// What was made under the key.
        resource_id: Uuid,
    },
    /// The key stands for this, which was asked for with another body.
    OtherBody {
        /// What was made under the key.
        resource_id: Uuid,
    },
}

/// Under which name a caller's keys are kept: a digest, because a caller is known
/// by a name or an address of a person, which has no business in this table, its
/// dumps and its statistics. It has no key: whoever may read the service's other
/// tables finds callers there, so a key would hide nothing more, and a new one would
/// make the same request a second one.
fn scope_of(caller: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(hash_of(&("idempotency-scope", caller)))
}

/// Claims `key` of a caller for `resource_id` in the transaction that makes the
/// resource. Waits for a concurrent claimant of the same key until its transaction is
/// over. A claim older than [`KEPT_HOURS`] gives way.
///
/// # Errors
///
/// Only the database's.
pub async fn claim(
    tx: &mut PgConnection,
    caller: &str,
    route: &'static str,
    key: &IdempotencyKey,
    body_hash: [u8; 32],
    resource_id: Uuid,
    now: OffsetDateTime,
) -> Result<Claim, sqlx::Error> {
    let scope = scope_of(caller);
    // The conflicting row is locked even where the WHERE holds the update back,
    // so it cannot go away before it is read below.
    let claimed = sqlx::query(
        "INSERT INTO idempotency (scope, route, key, body_hash, resource_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (scope, route, key) DO UPDATE
         SET body_hash = excluded.body_hash, resource_id = excluded.resource_id, created_at = excluded.created_at
         WHERE idempotency.created_at <= $7
         RETURNING 1",
    )
    .bind(&scope)
    .bind(route)
    .bind(key.as_str())
    .bind(&body_hash[..])
    .bind(resource_id)
    .bind(now)
    .bind(now - Duration::hours(KEPT_HOURS))
    .fetch_optional(&mut *tx)
    .await?;
    if claimed.is_some() {
        return Ok(Claim::Fresh);
    }
    let row = sqlx::query("SELECT body_hash, resource_id FROM idempotency WHERE scope = $1 AND route = $2 AND key = $3")
        .bind(&scope)
        .bind(route)
        .bind(key.as_str())
        .fetch_one(&mut *tx)
        .await?;
    let resource_id = row.try_get("resource_id")?;
    if row.try_get::<&[u8], _>("body_hash")? == body_hash {
        Ok(Claim::Existing { resource_id })
    } else {
        Ok(Claim::OtherBody { resource_id })
    }
}

/// Frees the key that stands for `resource_id`, so that the caller may try
/// again with it. Nothing happens if the resource was made without a key.
///
/// # Errors
///
/// Only the database's.
pub async fn release(tx: &mut PgConnection, resource_id: Uuid) -> Result<(), sqlx::Error> {
    // No row is right too: a key is optional.
    sqlx::query("DELETE FROM idempotency WHERE resource_id = $1")
        .bind(resource_id)
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
