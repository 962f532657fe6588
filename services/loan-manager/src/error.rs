//! What can go wrong here, and the one place that makes a problem of it.

use axum::response::{IntoResponse, Response};
use common::db::Retryable;
use common::problem::Problem;

use crate::domain::loan::Refusal;

/// Why something was not done or not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is good, but not an officer's.
    #[error("not an officer")]
    NotAnOfficer,
    /// There is no such item.
    #[error("no such item")]
    NotFound,
    /// The item is no longer as the caller saw it.
    #[error("the item has changed")]
    Stale(Problem),
    /// The rules do not have this step.
    #[error("the step is not allowed")]
    Refused(Refusal),
    /// Something else about the request is wrong, and the problem says what.
    #[error("the request is wrong")]
    Request(Problem),
    /// The database did not do it.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => error.is_retryable(),
            Self::NotAnOfficer
            | Self::NotFound
            | Self::Stale(_)
            | Self::Refused(_)
            | Self::Request(_) => false,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotAnOfficer => {
                Self::forbidden("officers-only", "Only loan officers may do this.")
            }
            Error::NotFound => Self::not_found(),
            Error::Refused(refusal) => refused(refusal),
            Error::Stale(problem) | Error::Request(problem) => problem,
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

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NotAllowed { state, allowed } => Problem::conflict(
            "step-not-allowed",
            format!("This step may not follow state {state}."),
        )
        .with("state", state)
        .with("allowed", allowed),
        Refusal::ExceedsOutstanding { state, allowed, amount, outstanding } => Problem::conflict(
            "exceeds-outstanding",
            "The repayment is larger than what is still owed on the loan.",
        )
        .with("state", state)
        .with("allowed", allowed)
        .with("amountOfMoney", amount)
        .with("outstanding", outstanding),
    }
}
