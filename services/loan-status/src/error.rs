//! What can go wrong here, and the one place that makes a problem of it.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use common::problem::Problem;

use crate::http::stream_loan_status::hub::Full;
use crate::http::until_shown::Applied;
use crate::usecases::order_rebuild::Refused;

/// When it is worth asking for a stream again.
const STREAM_RETRY: Duration = Duration::from_secs(10);

/// When it is worth asking again for what is not shown yet.
const NOT_SHOWN_RETRY: Duration = Duration::from_secs(1);

/// Why something was not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is good, but its bearer is neither a customer nor an officer.
    #[error("no role")]
    NoRole,
    /// There is no such loan, or it is another customer's.
    #[error("no such loan")]
    NotFound,
    /// The token ends before a stream could begin.
    #[error("the token has expired")]
    TokenExpired,
    /// There is no place for another stream.
    #[error("no place for another stream")]
    NoStream(Full),
    /// What the client has written is not shown yet. No failure: it was accepted.
    #[error("not shown yet")]
    NotShownYet(Box<Applied>),
    /// A rebuild does not begin, or does not take what it is given.
    #[error("no rebuild")]
    NoRebuild(#[from] Refused),
    /// This instance is about to end.
    #[error("shutting down")]
    ShuttingDown,
    /// Something about the request is wrong, and the problem says what.
    #[error("the request is wrong")]
    Request(Problem),
    /// The database did not do it.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoRole => {
                Self::forbidden("no-role", "Only customers and loan officers have a status to see.")
            }
            Error::NotFound => Self::not_found(),
            Error::TokenExpired => Self::unauthenticated("The token has expired."),
            Error::NoStream(Full::OfCustomer) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-streams",
                "You have as many live streams open as a customer may have.",
            )
            .retry_after(STREAM_RETRY),
            Error::NoStream(Full::OfOfficer) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-streams",
                "You have as many live streams open as an officer may have.",
            )
            .retry_after(STREAM_RETRY),
            Error::NoStream(Full::OfInstance) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "streams-full",
                "There is no place for another live stream.",
            )
            .retry_after(STREAM_RETRY),
            Error::NotShownYet(applied) => applied.into_iter().flatten().fold(
                Self::new(
                    StatusCode::ACCEPTED,
                    "not-shown-yet",
                    "What `minVersion` names was accepted and is not shown yet. Ask again.",
                )
                .retry_after(NOT_SHOWN_RETRY),
                |problem, (name, value)| problem.with_header(name, value),
            ),
            Error::NoRebuild(Refused::UnderWay) => {
                Self::conflict("rebuild-under-way", "The read model is being made anew already.")
            }
            Error::NoRebuild(Refused::NotWanted) => Self::conflict(
                "history-not-wanted",
                "No rebuild of this instance waits for what loan-manager has kept.",
            ),
            Error::NoRebuild(Refused::Database(error)) => Self::from_sqlx(&error),
            Error::ShuttingDown | Error::NoRebuild(Refused::Ending) => {
                Self::unavailable("This instance is about to end; another one answers.")
            }
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
