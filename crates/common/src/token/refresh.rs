//! Keeping the issuer's keys current, and the last ones in the database, so that
//! tokens are checked after a restart while the issuer is away.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::verifier::TokenVerifier;
use crate::db::ExpectRows as _;

/// How often the keys are fetched: how late a withdrawn key stops working.
const REFRESH_EVERY: Duration = Duration::from_secs(300);

/// The first pause after a failure while there are no keys at all; it doubles.
const RETRY_FIRST: Duration = Duration::from_millis(250);

/// The longest pause after a failure.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How long the issuer may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// A key set is not larger than this.
const JWKS_BYTES_MAX: usize = 64 * 1024;

/// Fetches the keys for a verifier.
pub struct JwksRefresh {
    verifier: TokenVerifier,
    address: Url,
    http: reqwest::Client,
    /// Absent in a process without a database, which keeps the keys in memory
    /// alone.
    pool: Option<PgPool>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the issuer does not answer")]
    Http(#[from] reqwest::Error),
    #[error("the key set is too large")]
    TooLarge,
    #[error("the key set is not usable")]
    Unusable,
}

impl JwksRefresh {
    /// Fetches from `address` with `http`, and keeps the last keys in `pool`.
    #[must_use]
    pub fn new(verifier: TokenVerifier, address: Url, http: reqwest::Client, pool: PgPool) -> Self {
        Self { verifier, address, http, pool: Some(pool) }
    }

    /// Fetches from `address` with `http`, and keeps the keys nowhere.
    #[must_use]
    pub fn in_memory(verifier: TokenVerifier, address: Url, http: reqwest::Client) -> Self {
        Self { verifier, address, http, pool: None }
    }

    /// Takes the keys that the last process has left, if there are any.
    pub async fn load_cached(&self) -> Result<(), sqlx::Error> {
        let Some(pool) = &self.pool else {
            return Ok(());
        };
        let cached: Option<String> =
            sqlx::query_scalar("SELECT jwks FROM jwks_cache").fetch_optional(pool).await?;
        if let Some(jwks) = cached {
            self.verifier.install(&jwks);
        }
        Ok(())
    }

    /// Fetches the keys now and then, and when they are asked for, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.verifier.refreshed();
        let mut retry = RETRY_FIRST;
        loop {
            let outcome = self.fetch_and_keep().await;
            self.verifier.attempted();
            let pause = match outcome {
                Ok(()) => {
                    retry = RETRY_FIRST;
                    REFRESH_EVERY
                }
                Err(error) => {
                    metrics::counter!("jwks_fetch_failures_total").increment(1);
                    let pause = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    tracing::warn!(
                        %error,
                        has_keys = self.verifier.has_keys(),
                        retry_ms = pause.as_millis(),
                        "the issuer's keys were not fetched"
                    );
                    pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.verifier.wanted() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Fetches the keys once.
    async fn fetch_and_keep(&self) -> Result<(), FetchError> {
        let jwks = self.fetch().await?;
        if !self.verifier.install(&jwks) {
            return Err(FetchError::Unusable);
        }
        // The keys work without it; only a restart would miss them.
        if let Err(error) = self.keep(&jwks).await {
            tracing::warn!(error = %crate::db::described(&error), "the issuer's keys were not kept");
        }
        Ok(())
    }

    async fn fetch(&self) -> Result<String, FetchError> {
        let mut response = self
            .http
            .get(self.address.clone())
            .timeout(FETCH_TIMEOUT)
            .send()
            .await?
            .error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > JWKS_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| FetchError::Unusable)
    }

    async fn keep(&self, jwks: &str) -> Result<(), sqlx::Error> {
        let Some(pool) = &self.pool else {
            return Ok(());
        };
        sqlx::query(
            "INSERT INTO jwks_cache (jwks, fetched_at) VALUES ($1, $2)
             ON CONFLICT (only_row) DO UPDATE SET jwks = $1, fetched_at = $2",
        )
        .bind(jwks)
        .bind(self.verifier.clock().now())
        .execute(pool)
        .await?
        .expect_rows(1)
    }
}
