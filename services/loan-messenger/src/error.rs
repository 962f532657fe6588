//! What can go wrong here, and the one place that makes a problem of it.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use common::db::Retryable;
use common::problem::Problem;

/// Why something was not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is good, but its bearer is neither a customer nor an officer.
    #[error("no role")]
    NoRole,
    /// The token is good, but its bearer is no customer.
    #[error("not a customer")]
    NotACustomer,
    /// There is no such channel here.
    #[error("the channel is not offered")]
    NotOffered,
    /// There is no address to verify.
    #[error("no address")]
    NoAddress,
    /// There was a code just now, or there were too many.
    #[error("too many codes")]
    TooManyCodes {
        /// When there can be the next.
        retry_after: Duration,
    },
    /// It is another code.
    #[error("a wrong code")]
    WrongCode {
        /// So many can still be tried.
        tries_left: i32,
    },
    /// There is no code that counts.
    #[error("no code")]
    NoCode,
    /// There is no such message, or it is another customer's.
    #[error("no such message")]
    NotFound,
    /// Something about the request is wrong, and the problem says what.
    #[error("the request is wrong")]
    Request(Problem),
    /// The database did not do it.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_retryable())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoRole => Self::forbidden(
                "no-role",
                "Only customers and loan officers have messages to read.",
            ),
            Error::NotACustomer => {
                Self::forbidden("no-role", "Only customers choose how messages reach them.")
            }
            Error::NotOffered => Self::new(
                StatusCode::CONFLICT,
                "channel-not-offered",
                "There is no such channel here. `offered` of `GET /loanMessengers/delivery` lists those that there are.",
            ),
            Error::NoAddress => Self::new(
                StatusCode::CONFLICT,
                "no-address",
                "There is no address for this channel. Set `userEmail` or `userMobile` of `/customers/me`, or a web-hook.",
            ),
            Error::TooManyCodes { retry_after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-codes",
                "A code was sent a moment ago, or too many today. Come back after `Retry-After`.",
            )
            .retry_after(retry_after),
            Error::WrongCode { tries_left } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-code", "It is another code.")
                    .with_error("code", format!("is wrong; {tries_left} more can be tried"))
            }
            Error::NoCode => Self::new(
                StatusCode::CONFLICT,
                "no-code",
                "There is no code to compare with: it is too old, the address has changed, or too many wrong ones were tried. Ask for a new one.",
            ),
            Error::NotFound => Self::not_found(),
            Error::Request(problem) => problem,
            Error::Database(error) => Self::from_sqlx(&error),
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
