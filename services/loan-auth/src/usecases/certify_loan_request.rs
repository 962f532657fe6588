//! A proven customer's request is certified, once.

use common::clock::Clock;
use common::db::{Db, Gather};
use common::event::NewEvent;
use common::outbox;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Origin, Proven, refuse_certification};
use crate::domain::certification::{Answer, Asked};
use crate::domain::person::Person;
use crate::error::Error;
use crate::publish;
use crate::store::certification::{Certified, NewCertification, Refused};
use crate::store::{certification, known_address};

/// How long those that are certified together wait for a lock; then each waits by itself.
const LOCK_TIMEOUT_TOGETHER: &str = "50ms";

/// Certifies requests: those that come at the same time together. Cloning is cheap.
#[derive(Clone)]
pub struct Certifier {
    db: Db,
    clock: Clock,
    together: Gather<Certifying, bool>,
}

/// A request on its way to being certified.
struct Certifying {
    asked: Asked,
    person: Person,
    event: NewEvent,
    at: OffsetDateTime,
}

impl Certifier {
    /// One that writes to this database.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        let written_by = db.clone();
        let together = Gather::new("certify_loan_requests", move |all: &[Certifying]| {
            let db = written_by.clone();
            Box::pin(async move {
                let work = async |tx: &mut PgConnection| certify_all(tx, all).await;
                db.in_tx("certify_loan_requests", work).await
            })
        });
        Self { db, clock, together }
    }

    /// Certifies a request for a proven person, tells the others, and says what is
    /// decided: whoever came first, now or earlier. If the person has been removed, or
    /// has another password, since the proof a moment ago, the request is refused for
    /// good: what loan-request is told is always what stands.
    ///
    /// # Errors
    /// The database's.
    pub async fn certify(
        &self,
        asked: Asked,
        proven: Proven,
        origin: &Origin,
    ) -> Result<Answer, Error> {
        // An address that is to be noted comes once a day.
        if proven.note.is_none() {
            let (asked, person, at) = (asked.clone(), proven.person.clone(), self.clock.now());
            let event = publish::certified(&asked, &person, at, &self.clock);
            if self.together.run(Certifying { asked, person, event, at }).await? == Some(true) {
                return Ok(Answer::Certified(proven.person.id));
            }
        }
        let work = async |tx: &mut PgConnection| {
            certify_loan_request(tx, &self.clock, &asked, &proven, origin).await
        };
        self.db.in_tx("certify_loan_request", work).await
    }
}

/// What nearly always is true of all: nobody was faster. Says of which it was.
async fn certify_all(tx: &mut PgConnection, all: &[Certifying]) -> Result<Vec<bool>, sqlx::Error> {
    // A void of one of them that is under way is waited for by that one alone.
    sqlx::query("SELECT set_config('lock_timeout', $1, true)")
        .bind(LOCK_TIMEOUT_TOGETHER)
        .execute(&mut *tx)
        .await?;
    let new = all.iter().map(|one| {
        let Certifying { asked, person, event, at } = one;
        NewCertification { asked, person, event_id: event.id, at: *at }
    });
    let decided = certification::certify_all(tx, &new.collect::<Vec<_>>()).await?;
    let is_decided = |one: &Certifying| decided.contains(&one.event.id);
    let events = all.iter().filter(|one| is_decided(one)).map(|one| one.event.clone());
    outbox::append(tx, &events.collect::<Vec<_>>()).await?;
    Ok(all.iter().map(is_decided).collect())
}

/// One by itself, whatever there is to be said of it.
async fn certify_loan_request(
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

#[cfg(test)]
mod tests;
