//! Whose fault it is that an event could not be worked on.

/// Why a handler did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event can't be true, now or later: it goes to the dead letters with
    /// this reason. The reason is kept with the letter and logged, so it holds
    /// no personal data.
    #[error("impossible event: {0}")]
    Impossible(String),
    /// The database refused. If it is away, the event waits; if it is the
    /// event's fault, the event goes to the dead letters.
    #[error("database error")]
    Database(#[from] sqlx::Error),
}

impl crate::db::Retryable for HandlerError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Impossible(_) => false,
            Self::Database(error) => error.is_retryable(),
        }
    }
}

impl HandlerError {
    /// The reason that is kept with a dead letter: never the driver's text,
    /// which may quote the row.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Impossible(reason) => reason.clone(),
            Self::Database(error) if crate::db::is_cut_off(error) => {
                "a statement takes too long, while other events pass".to_owned()
            }
            Self::Database(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                match error.constraint() {
                    Some(constraint) => format!("database error {code} at {constraint}"),
                    None => format!("database error {code}"),
                }
            }
            Self::Database(sqlx::Error::RowNotFound | sqlx::Error::Protocol(_)) => {
                "a row is missing, or a statement touched other rows than expected".to_owned()
            }
            Self::Database(_) => "database error".to_owned(),
        }
    }
}

/// Whether the database, and not the event, is to blame. Wider than for a
/// request, which has nobody to wait for it: what passes by itself, or with the
/// end of a roll-out, is waited for here. A statement that was cut off counts as
/// one here; whose fault that is, [`super::suspicion`] finds out. A `Protocol` error is not on the list:
/// it is how `expect_rows` says that a statement missed its rows.
pub(crate) fn is_outage(error: &sqlx::Error) -> bool {
    /// The transaction's state (a standby after a fail-over), the login, the
    /// database's name; damaged data, a damaged index and PostgreSQL's own errors:
    /// whatever stands in an event, it cannot bring those about.
    const CLASSES: [&str; 4] = ["25", "28", "3D", "XX"];
    /// What a schema looks like that isn't there yet, or that the role may not
    /// see; a plan that was made before a migration, and one that a pooler has
    /// lost.
    const CODES: [&str; 7] = ["3F000", "42P01", "42703", "42501", "0A000", "26000", "42P05"];
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    crate::db::is_infrastructure(error)
        || CLASSES.iter().any(|class| code.starts_with(class))
        || CODES.contains(&code.as_ref())
}
