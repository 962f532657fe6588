//! What can go wrong here, and the one place that makes a problem of it.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use common::db::Retryable;
use common::outbound::Refused;
use common::problem::Problem;

use crate::usecases::StepError;

/// When to come back where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why something was not done or not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller did not prove to be the customer.
    #[error("the caller is not certified")]
    Refused,
    /// Too many proofs were wrong before this one.
    #[error("too many failures")]
    Throttled {
        /// When another one is looked at.
        retry_after: Duration,
    },
    /// Nobody can say now who the caller is, and nothing was accepted.
    #[error("certification is not available")]
    Unavailable {
        /// When to come back.
        retry_after: Duration,
    },
    /// Nobody can say now who the caller is, and so nothing is shown of what there
    /// is under the key.
    #[error("the caller of a replay is not proven")]
    Unproven {
        /// When to come back.
        retry_after: Duration,
    },
    /// The same request is being answered.
    #[error("the same request is being answered")]
    InFlight {
        /// When the answer will be there.
        retry_after: Duration,
    },
    /// The key stands for another request.
    #[error("the key stands for another request")]
    KeyReused,
    /// The request was accepted, and compensated since.
    #[error("the request was cancelled")]
    RequestCancelled,
    /// There is no such request, or the caller may not see it.
    #[error("no such request")]
    NotFound,
    /// The token is good, but neither a customer's nor an officer's.
    #[error("neither a customer nor an officer")]
    NoRole,
    /// Something else about the request is wrong, and the problem says what.
    #[error("the request is wrong")]
    Request(Problem),
    /// A step could not be taken.
    #[error("a step was not taken")]
    Step(#[from] StepError),
}

impl Error {
    /// Nothing better is known of when to come back.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self::Unavailable { retry_after: RETRY_AFTER }
    }

    /// Nothing better is known of when to come back.
    #[must_use]
    pub const fn unproven() -> Self {
        Self::Unproven { retry_after: RETRY_AFTER }
    }

    /// Nothing better is known of when to come back.
    #[must_use]
    pub const fn in_flight() -> Self {
        Self::InFlight { retry_after: RETRY_AFTER }
    }
}

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Step(error) => error.is_retryable(),
            Self::Refused
            | Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::Unproven { .. }
            | Self::InFlight { .. }
            | Self::KeyReused
            | Self::RequestCancelled
            | Self::NotFound
            | Self::NoRole
            | Self::Request(_) => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Step(error.into())
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Request(problem)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::BreakerOpen { retry_after } => Self::Unavailable { retry_after },
            Refused::BulkheadFull => Self::unavailable(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused => Self::forbidden(
                "not-certified",
                "The login name, name and password, or the token, are not those of a customer.",
            ),
            Error::Throttled { retry_after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-failures",
                "Too many attempts have failed. Try again later.",
            )
            .retry_after(retry_after),
            Error::Unavailable { retry_after } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "certification-unavailable",
                "Nobody could be certified now, so nothing was accepted. Try again.",
            )
            .retry_after(retry_after),
            Error::Unproven { retry_after } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "certification-unavailable",
                "Nobody can be certified now, so what there is under this key is not shown. Try again.",
            )
            .retry_after(retry_after),
            Error::InFlight { retry_after } => Self::conflict(
                "request-in-flight",
                "The same request is being answered. Ask again for its answer.",
            )
            .retry_after(retry_after),
            Error::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "This Idempotency-Key stands for a request with another body.",
            ),
            Error::RequestCancelled => Self::new(
                StatusCode::NOT_FOUND,
                "request-cancelled",
                "The request was accepted, and has been cancelled since.",
            ),
            Error::NotFound => Self::not_found(),
            Error::NoRole => {
                Self::forbidden("no-role", "The token is neither a customer's nor an officer's.")
            }
            Error::Request(problem) => problem,
            Error::Step(StepError::Database(error)) => Self::from_sqlx(&error),
            Error::Step(error @ (StepError::NoSuchRequest | StepError::Contradiction(_))) => {
                tracing::error!(%error, "a decision does not fit its request");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
