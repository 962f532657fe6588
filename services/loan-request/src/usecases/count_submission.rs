//! A submission is counted by what it came to, heard or not.

use super::Submitted;
use crate::error::Error;

/// Counts it.
pub fn count_submission(outcome: Result<&Submitted, &Error>) {
    metrics::counter!("loan_request_submissions_total", "outcome" => label(outcome)).increment(1);
}

fn label(outcome: Result<&Submitted, &Error>) -> &'static str {
    match outcome {
        Ok(Submitted::Certified { replayed: false, .. }) => "certified",
        Ok(Submitted::Certified { replayed: true, .. }) => "replayed",
        Ok(Submitted::Pending(_)) => "pending",
        Err(Error::Refused) => "refused",
        Err(Error::Throttled { .. }) => "throttled",
        Err(Error::Unavailable { .. } | Error::Unproven { .. }) => "unavailable",
        Err(Error::InFlight { .. }) => "in-flight",
        Err(Error::KeyReused) => "key-reused",
        Err(Error::RequestCancelled) => "cancelled",
        Err(Error::NotFound | Error::NoRole | Error::Request(_) | Error::Step(_)) => "failed",
    }
}
