//! What can go wrong here, and the one place that makes a problem of it.

use axum::response::{IntoResponse, Response};
use common::problem::Problem;

/// Why something was not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is good, but its bearer is neither a customer nor an officer.
    #[error("no role")]
    NoRole,
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

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoRole => Self::forbidden(
                "no-role",
                "Only customers and loan officers have messages to read.",
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
