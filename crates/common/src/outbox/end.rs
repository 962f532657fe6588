//! How a session of the relay comes to its end: by what it waits for.

use std::time::Duration;

use rdkafka::error::KafkaError;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::relay::{HEARTBEAT, RelayError};
use super::sender::Interruption;

/// How long the database may take to answer the relay before it counts as away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How a session with the database came to its end.
pub(super) enum End {
    /// The process ends.
    Shutdown,
    /// The database is away, and the lock with it.
    Database(sqlx::Error),
    /// The broker does not go on with this producer.
    Broker(KafkaError),
    /// Another relay has taken over.
    Fenced,
    Failed(RelayError),
}

impl From<sqlx::Error> for End {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Interruption> for End {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Fenced => Self::Fenced,
            Interruption::Broker(error @ KafkaError::ClientCreation(_)) => {
                Self::Failed(RelayError::Client(error))
            }
            Interruption::Broker(error) => Self::Broker(error),
            // Where it is one message's, the relay goes on without it.
            Interruption::Refused(mut refused) => {
                Self::Broker(refused.pop().map_or(KafkaError::Canceled, |(_, error)| error))
            }
            Interruption::Failed(error) => Self::Failed(RelayError::Producer(error)),
        }
    }
}

/// Waits for something that the broker may hold up, with a sign of life in every
/// heartbeat: without the connection the right to send would be gone.
pub(super) async fn while_holding<T>(
    connection: &mut PgConnection,
    waited_for: impl Future<Output = T>,
) -> Result<T, End> {
    tokio::pin!(waited_for);
    loop {
        match timeout(HEARTBEAT, &mut waited_for).await {
            Ok(done) => return Ok(done),
            Err(_) => answer(connection.ping()).await?,
        }
    }
}

/// What the database answers, if it does so in time.
pub(super) async fn answer<T>(
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, End> {
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(End::Database(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}
