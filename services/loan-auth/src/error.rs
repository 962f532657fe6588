//! What can go wrong here, and the one place that makes a problem of it.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use common::db::Retryable;
use common::problem::Problem;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is good, but its bearer may not do this.
    #[error("not allowed to this role")]
    Forbidden,
    /// There is none, or it is another's.
    #[error("no such thing")]
    NotFound,
    /// The credentials are not those of the person.
    #[error("wrong credentials")]
    WrongCredentials,
    /// Too many wrong passwords; nothing was looked at.
    #[error("too many failures")]
    Throttled {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// Too many registrations from one address; nothing was looked at.
    #[error("too many registrations")]
    TooManyRegistrations {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// More passwords are to be checked than can be.
    #[error("too many passwords to check")]
    Busy,
    /// The token is from before a change of the password.
    #[error("the token is of old credentials")]
    StaleToken,
    /// The caller is not the service that this is for.
    #[error("unknown service")]
    UnknownService,
    /// Somebody has this login name.
    #[error("the login name is taken")]
    UserIdTaken,
    /// The `Idempotency-Key` stands for another request.
    #[error("the key stands for another request")]
    KeyReused,
    /// A customer with an open loan cannot be removed.
    #[error("a loan is open")]
    OpenLoan,
    /// Something about the request is wrong, and the problem says what.
    #[error("the request is wrong")]
    Request(Problem),
    /// The database did not do it.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Something of ours that never fails has failed; it was logged where it did.
    #[error("an error on our side")]
    Internal,
}

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => error.is_retryable(),
            Self::Forbidden
            | Self::NotFound
            | Self::WrongCredentials
            | Self::Throttled { .. }
            | Self::TooManyRegistrations { .. }
            | Self::Busy
            | Self::StaleToken
            | Self::UnknownService
            | Self::UserIdTaken
            | Self::KeyReused
            | Self::OpenLoan
            | Self::Request(_)
            | Self::Internal => false,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Forbidden => Self::forbidden("forbidden", "This is not for your role."),
            Error::NotFound => Self::not_found(),
            Error::WrongCredentials => {
                Self::forbidden("wrong-credentials", "The credentials are not right.")
            }
            Error::Throttled { retry_after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-failures",
                "Too many wrong passwords. Come back after `Retry-After`.",
            )
            .retry_after(retry_after),
            Error::TooManyRegistrations { retry_after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-registrations",
                "Too many registrations from this address. Come back after `Retry-After`.",
            )
            .retry_after(retry_after),
            Error::Busy => Self::unavailable("Too many passwords are being checked."),
            Error::StaleToken => {
                Self::invalid_token("The password has changed since the token was issued.")
            }
            Error::UnknownService => Self::unauthenticated("A service credential is needed."),
            Error::UserIdTaken => {
                Self::conflict("user-id-taken", "This `userId` is taken; choose another.")
            }
            Error::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "This Idempotency-Key was sent with another body before.",
            ),
            Error::OpenLoan => {
                Self::conflict("open-loan", "A customer with an open loan cannot be removed.")
            }
            Error::Request(problem) => problem,
            Error::Database(error) => Self::from_sqlx(&error),
            Error::Internal => Self::internal(),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Request(problem)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
