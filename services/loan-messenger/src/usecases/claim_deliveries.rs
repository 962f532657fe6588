//! What is to be sent next is taken, one message of each customer at most.

use ::events::codes::{Channel, DeliveryState};
use ::events::{CustomerId, MessageId};
use common::config::Secret;
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{Office, dice};
use crate::clients::circuits::{Leave, NoLeave};
use crate::clients::{Destination, standard_webhooks};
use crate::domain::delivery::{Plan, Reason, plan};
use crate::domain::letter::{Facts, Letter, message_key};
use crate::domain::notice::Text;
use crate::store;
use crate::store::delivery::{Head, Waiting};

/// When a target without a free place is looked at again, at the latest.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// When one whose circuit is open is.
const OPEN_PAUSE: Duration = Duration::from_secs(3);

/// When a channel that there is not is looked for again: an operator may have set it up.
const NOT_OFFERED_PAUSE: Duration = Duration::from_secs(600);

/// A message that is to be sent now. Not `Debug`: it holds an address.
pub struct Job {
    /// The message.
    pub message_id: MessageId,
    /// To whom.
    pub customer_id: CustomerId,
    /// By which channel.
    pub channel: Channel,
    /// Which attempt, in all.
    pub number: i32,
    /// Which try of this round, from 1.
    pub tries: u32,
    /// When it was written.
    pub created_at: OffsetDateTime,
    /// When it is not tried any more.
    pub give_up_at: OffsetDateTime,
    /// What is sent.
    pub letter: Letter,
    /// Where to.
    pub destination: Destination,
    /// Leave to send it.
    pub leave: Leave,
    /// When it was taken.
    pub taken: Instant,
}

/// What a look at the turns has brought.
#[derive(Default)]
pub struct Claimed {
    /// To be sent now.
    pub jobs: Vec<Job>,
    /// Turns that were looked at.
    pub turns: usize,
}

/// A message that waits, whole.
struct Next {
    id: MessageId,
    attempts: i32,
    tries: i32,
    created_at: OffsetDateTime,
    give_up_at: OffsetDateTime,
    letter: Letter,
}

/// Takes at most `limit` messages whose turn has come in a lane, writes down that they
/// are being sent, and looks after those that can't be.
///
/// # Errors
/// What the database says.
pub async fn claim_deliveries(
    office: &Office,
    lane: Channel,
    limit: i64,
) -> Result<Claimed, sqlx::Error> {
    let now = office.clock.now();
    if limit == 0 || !store::delivery::is_anything_due(office.db.pool(), lane, now).await? {
        return Ok(Claimed::default());
    }
    let work = async |tx: &mut PgConnection| -> Result<Claimed, sqlx::Error> {
        let heads = store::delivery::take_turns(tx, lane, now, limit).await?;
        let turns = heads.len();
        let mut jobs = Vec::with_capacity(heads.len());
        let mut done = Vec::new();
        for head in heads {
            match next(&head) {
                None => done.push(head.customer_id),
                Some(next) => jobs.extend(take(office, tx, lane, head, next, now).await?),
            }
        }
        store::delivery::end_turns(tx, &done).await?;
        let ids: Vec<_> = jobs.iter().map(|job| job.message_id).collect();
        store::delivery::begin(tx, &ids, lane, now, now + office.rules.lease()).await?;
        Ok(Claimed { jobs, turns })
    };
    office.db.in_tx("claim_deliveries", work).await
}

/// Decides about a customer's next message.
async fn take(
    office: &Office,
    tx: &mut PgConnection,
    lane: Channel,
    head: Head,
    next: Next,
    now: OffsetDateTime,
) -> Result<Option<Job>, sqlx::Error> {
    let reach = head.contact.reach(office.rules.offered);
    let decided = plan(reach, office.rules.offered, next.give_up_at <= now);
    match decided {
        Plan::Send(channel) if channel != lane => {
            store::delivery::put_off(tx, &head, channel, now, false).await?;
        }
        Plan::Send(channel) => {
            let destination = destination(&head, channel, now);
            let Some(way) = office.ways.of(channel) else {
                return hold(tx, &head, lane, next.id, Reason::NotOffered, now + NOT_OFFERED_PAUSE)
                    .await;
            };
            let pause = match office.circuits.leave(&way.target(&destination)) {
                Ok(leave) => {
                    return Ok(Some(Job {
                        message_id: next.id,
                        customer_id: head.customer_id,
                        channel,
                        number: next.attempts + 1,
                        tries: u32::try_from(next.tries).unwrap_or(0).saturating_add(1),
                        created_at: next.created_at,
                        give_up_at: next.give_up_at,
                        letter: next.letter,
                        destination,
                        leave,
                        taken: Instant::now(),
                    }));
                }
                Err(NoLeave::Full) => FULL_PAUSE,
                Err(NoLeave::Open) => OPEN_PAUSE,
            };
            let pause = pause / 2 + pause.mul_f64(f64::from(dice()) / f64::from(u32::MAX)) / 2;
            store::delivery::put_off(tx, &head, lane, now + pause, false).await?;
        }
        Plan::Hold(reason) => {
            let until = match reason {
                Reason::NotOffered => next.give_up_at.min(now + NOT_OFFERED_PAUSE),
                _ => next.give_up_at,
            };
            return hold(tx, &head, lane, next.id, reason, until).await;
        }
        Plan::Drop(reason) | Plan::GiveUp(reason) => {
            let (state, name) = match decided {
                Plan::GiveUp(_) => (DeliveryState::GivenUp, "given-up"),
                _ => (DeliveryState::Dropped, "dropped"),
            };
            metrics::counter!("message_unsent_total", "state" => name, "reason" => reason.code())
                .increment(1);
            store::delivery::end_unsent(tx, next.id, state, reason.code(), now).await?;
            store::delivery::put_off(tx, &head, lane, now, false).await?;
        }
    }
    Ok(None)
}

async fn hold(
    tx: &mut PgConnection,
    head: &Head,
    lane: Channel,
    id: MessageId,
    reason: Reason,
    until: OffsetDateTime,
) -> Result<Option<Job>, sqlx::Error> {
    store::delivery::note_reason(tx, id, reason.code()).await?;
    store::delivery::put_off(tx, head, lane, until, true).await?;
    Ok(None)
}

fn destination(head: &Head, channel: Channel, now: OffsetDateTime) -> Destination {
    let secrets: Vec<Secret> = match channel {
        Channel::Webhook => {
            head.contact.secrets(now).iter().map(|one| standard_webhooks::shown(one)).collect()
        }
        _ => Vec::new(),
    };
    let address = head.contact.address(channel).unwrap_or_default().to_owned();
    Destination { address, secrets }
}

/// The message of a turn, as it will be sent.
fn next(head: &Head) -> Option<Next> {
    let Waiting { message_id, seq, round, attempts, tries, give_up_at, created_at, .. } =
        head.message;
    let Waiting { kind, language, loan_request_id, loan_id, .. } = head.message;
    let Waiting { subject, body, short, .. } = head.message.clone();
    let (id, created_at, language) = (message_id?, created_at?, language?);
    let (subject, body) = (subject?, body?);
    let text = Text {
        // Messages of before there were short ones have none.
        short: short.unwrap_or_else(|| subject.clone()),
        subject: subject.clone(),
        body: body.clone(),
    };
    let facts = Facts::Message {
        message_id: id,
        seq: seq?,
        kind: kind?,
        loan_request_id: loan_request_id?,
        loan_id,
        customer_id: head.customer_id,
        language,
        subject,
        body,
        created_at,
    };
    Some(Next {
        id,
        attempts: attempts?,
        tries: tries?,
        created_at,
        give_up_at: give_up_at?,
        letter: Letter { key: message_key(id, round?), language, text, facts },
    })
}
