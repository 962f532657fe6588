//! A COMMIT that fails: whether the transaction is undone, or nobody knows.

/// COMMIT was sent, and its answer was lost: the transaction is committed, or it
/// never will be, and only its rows can tell.
#[derive(Debug, thiserror::Error)]
#[error("the answer to COMMIT was lost")]
pub struct OutcomeUnknown(#[source] sqlx::Error);

impl OutcomeUnknown {
    /// What became of COMMIT, as far as it is known.
    pub(super) fn unless_undone(error: sqlx::Error) -> sqlx::Error {
        if is_undone(&error) { error } else { sqlx::Error::AnyDriverError(Box::new(Self(error))) }
    }

    /// This failure in an error of [`Db::in_tx`](super::Db::in_tx).
    pub(super) fn of(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::AnyDriverError(cause) => cause.downcast_ref(),
            _ => None,
        }
    }

    /// What the driver said.
    pub(super) fn cause(&self) -> &sqlx::Error {
        &self.0
    }
}

/// Whether a failed COMMIT has undone the transaction for certain. PostgreSQL says
/// of itself that it has: a constraint that was deferred, a session that it had
/// ended before, a disk that is full. A connection that broke says nothing; nor does
/// a pooler whose server is gone (08), or a server that is just ending (57P), has
/// lost its files (58) or is damaged (XX).
fn is_undone(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| !["08", "57P", "58", "XX"].iter().any(|class| code.starts_with(class)))
}
