//! Why a rebuild failed.

use common::consumer::replay::ReplayError;
use common::db::Retryable;

use crate::usecases::swap_read_model::SwapError;

/// Why a rebuild failed. Its text is for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(
        "the beginning is not kept any more: {0}; nothing was changed. loan-manager keeps what it has told: begin with that"
    )]
    BeginningCut(String),
    #[error(
        "the consumer is {0} messages behind and does not come: nothing can be compared, nothing was changed"
    )]
    ConsumerBehind(u64),
    #[error("what loan-manager has kept was not handed in; nothing was changed")]
    NoHistory,
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("the database failed; nothing was changed")]
    Database(#[from] sqlx::Error),
    #[error("{0} rows would still differ; nothing was changed")]
    StillDiffer(i64),
    #[error(
        "{0} rows would go; order with dropSurplus (loanctl status rebuild --drop-surplus) if that is right; nothing was changed"
    )]
    WouldGo(i64),
    #[error(
        "{rows} rows would go, but {events} events could not be worked on and may tell of them: with loan-manager's history (loanctl status rebuild --from-owner) they stay; nothing was changed"
    )]
    LeftOut { rows: i64, events: i64 },
    #[error(
        "{rows} rows would go, but the topics lack {events} events that were worked on: with loan-manager's history (loanctl status rebuild --from-owner) they stay; nothing was changed"
    )]
    NotTheSame { rows: i64, events: i64 },
    #[error(
        "these are not the topics that were read: {0}; nothing was changed. loan-manager keeps what it has told: begin with that (loanctl status rebuild --from-owner)"
    )]
    EndsBefore(String),
    #[error("what was served was locked for too long; nothing was changed")]
    TooLong,
    #[error(
        "the database failed when all was done: whether what is served was changed is not known; verify it"
    )]
    NotKnown(#[source] sqlx::Error),
}

impl From<SwapError> for Failed {
    fn from(error: SwapError) -> Self {
        match error {
            SwapError::StillDiffer(rows) => Self::StillDiffer(rows),
            SwapError::WouldGo(rows) => Self::WouldGo(rows),
            SwapError::LeftOut { rows, events } => Self::LeftOut { rows, events },
            SwapError::NotTheSame { rows, events } => Self::NotTheSame { rows, events },
            SwapError::Database(error) => Self::Database(error),
        }
    }
}

impl Retryable for Failed {
    /// What was read from Kafka is not read again by running it once more.
    fn is_retryable(&self) -> bool {
        false
    }
}

impl Failed {
    /// For the log, which also holds what the database said.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Database(error)
            | Self::Replay(ReplayError::Database(error))
            | Self::NotKnown(error) => {
                format!("{self}: {}", common::db::described(error))
            }
            other => other.to_string(),
        }
    }
}
