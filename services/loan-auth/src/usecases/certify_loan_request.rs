//! A proven customer's request is certified, once.

use common::clock::Clock;
use common::outbox;
use sqlx::PgConnection;

use super::{Origin, Proven, refuse_certification};
use crate::domain::certification::{Answer, Asked};
use crate::error::Error;
use crate::publish;
use crate::store::certification::{Certified, Refused};
use crate::store::{certification, known_address};

/// Certifies a request for a proven person, tells the others, and says what is
/// decided: whoever came first, now or earlier. If the person has been removed, or
/// has another password, since the proof a moment ago, the request is refused for
/// good: what loan-request is told is always what stands.
///
/// # Errors
/// The database's.
pub async fn certify_loan_request(
    tx: &mut PgConnection,
    clock: &Clock,
    asked: &Asked,
    proven: &Proven,
    origin: &Origin,
) -> Result<Answer, Error> {
    let (person, now) = (&proven.person, clock.now());
    let event = publish::certified(asked, person, now, clock);
    match certification::certify(tx, asked, person, event.id, now).await? {
        Certified::Decided => {
            outbox::append(tx, &[event]).await?;
            if let Some(origin) = &proven.note {
                known_address::note(tx, person.id, origin.as_str(), now).await?;
            }
            Ok(Answer::Certified(person.id))
        }
        Certified::TooLate => {
            let decision = certification::decision(tx, asked.loan_request_id).await?;
            // The insert has met it, and what is purged is weeks old.
            let decision = decision.ok_or(sqlx::Error::RowNotFound)?;
            Ok(decision.told_to(person.id))
        }
        Certified::NoLongerProven => {
            // Whoever has left must not be named any more, so nobody is.
            let refused = Refused { claimed_user_key: None, address: origin.as_str() };
            refuse_certification(tx, asked, &refused, now).await
        }
    }
}
