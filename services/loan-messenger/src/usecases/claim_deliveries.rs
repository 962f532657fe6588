//! What is to be sent next is taken, one message of each customer at most.

use ::events::codes::{Channel, DeliveryState};
use ::events::{CustomerId, MessageId};
use common::config::Secret;
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{Office, dice};
use crate::clients::circuits::{Leave, NoLeave, Target};
use crate::clients::{Destination, standard_webhooks};
use crate::domain::delivery::{Plan, Reason, plan};
use crate::domain::letter::{Facts, Letter, message_key};
use crate::domain::notice::Text;
use crate::store;
use crate::store::delivery::{Head, PutOff, Waiting};

/// When a target without a free place is looked at again, at the latest.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// When one whose circuit is open is.
const OPEN_PAUSE: Duration = Duration::from_secs(20);

/// Turns of web-hooks that are looked at in one go, besides those that can be sent: many
/// customers' systems may be away, and the others' turns are behind theirs.
const LOOKS: i64 = 200;

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
    /// Attempts at these messages whose maker has died.
    pub abandoned: i64,
    /// There may be more to do at once: something was begun, ended or handed on, or not
    /// all turns were looked at.
    pub is_worth_another: bool,
}

/// What is to be done about the turns of one look.
#[derive(Default)]
struct Plans {
    jobs: Vec<Job>,
    done: Vec<CustomerId>,
    put_off: Vec<PutOff>,
    is_worth_another: bool,
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
    let is_ours_away = match lane {
        Channel::Mail => office.circuits.is_open(&Target::Ours("mail")),
        Channel::Sms => office.circuits.is_open(&Target::Ours("sms")),
        Channel::Mailbox | Channel::Webhook => false,
    };
    if limit == 0
        || is_ours_away
        || !store::delivery::is_anything_due(office.db.pool(), lane, now).await?
    {
        return Ok(Claimed::default());
    }
    let looks = if lane == Channel::Webhook { limit + LOOKS } else { limit };
    let work = async |tx: &mut PgConnection| -> Result<Claimed, sqlx::Error> {
        let heads = store::delivery::take_turns(tx, lane, now, looks).await?;
        let is_worth_another = i64::try_from(heads.len()).is_ok_and(|looked| looked == looks);
        let mut plans = Plans { is_worth_another, ..Plans::default() };
        for head in heads {
            match next(&head) {
                None => plans.done.push(head.customer_id),
                Some(next) => take(office, tx, lane, head, next, now, limit, &mut plans).await?,
            }
        }
        let Plans { mut jobs, done, put_off, is_worth_another } = plans;
        store::delivery::end_turns(tx, &done).await?;
        store::delivery::put_off(tx, &put_off).await?;
        let ids: Vec<_> = jobs.iter().map(|job| job.message_id).collect();
        let lease_until = now + office.rules.lease(lane);
        let begun = store::delivery::begin(tx, &ids, lane, now, lease_until).await?;
        // What was dropped meanwhile is not sent.
        jobs.retain(|job| begun.messages.contains(&job.message_id));
        let is_worth_another = is_worth_another || !jobs.is_empty();
        Ok(Claimed { jobs, abandoned: begun.abandoned, is_worth_another })
    };
    let claimed = office.db.in_tx("claim_deliveries", work).await?;
    if let Ok(abandoned @ 1..) = u64::try_from(claimed.abandoned) {
        tracing::warn!(
            abandoned,
            "messages were being sent by somebody who has died; they go once more, under the same id"
        );
        metrics::counter!(
            "message_attempts_total", "channel" => lane.code(), "outcome" => "abandoned"
        )
        .increment(abandoned);
    }
    Ok(claimed)
}

/// Decides about a customer's next message.
#[expect(clippy::too_many_arguments, reason = "all of it is one look")]
async fn take(
    office: &Office,
    tx: &mut PgConnection,
    lane: Channel,
    head: Head,
    next: Next,
    now: OffsetDateTime,
    limit: i64,
    plans: &mut Plans,
) -> Result<(), sqlx::Error> {
    let offered = office.rules.offered;
    let reach = head.contact.reach(offered, head.message.kind);
    let decided = plan(reach, offered, next.give_up_at <= now);
    let mut put_off = PutOff {
        customer_id: head.customer_id,
        lane,
        due_at: now,
        is_held: false,
        created_at: next.created_at,
    };
    match decided {
        Plan::Send(channel) if channel != lane => {
            put_off.lane = channel;
            plans.is_worth_another = true;
        }
        Plan::Send(channel) => {
            match job(office, &head, next, channel, now, plans.jobs.len(), limit) {
                Ok(job) => {
                    plans.jobs.push(job);
                    return Ok(());
                }
                Err(pause) => put_off.due_at = now + pause,
            }
        }
        Plan::Hold(reason) => {
            store::delivery::note_reason(tx, next.id, reason.code()).await?;
            // What the operator has taken away waits for us, and its age counts.
            put_off.is_held = reason != Reason::NotOffered;
            put_off.due_at = match reason {
                Reason::NotOffered => next.give_up_at.min(now + NOT_OFFERED_PAUSE),
                _ => next.give_up_at,
            };
        }
        Plan::Drop(reason) | Plan::GiveUp(reason) => {
            let (state, name) = match decided {
                Plan::GiveUp(_) => (DeliveryState::GivenUp, "given-up"),
                _ => (DeliveryState::Dropped, "dropped"),
            };
            metrics::counter!("message_unsent_total", "state" => name, "reason" => reason.code())
                .increment(1);
            store::delivery::end_unsent(tx, next.id, state, reason.code(), now).await?;
            plans.is_worth_another = true;
        }
    }
    plans.put_off.push(put_off);
    Ok(())
}

/// The message as it is to be sent now, or how long to wait for a place.
fn job(
    office: &Office,
    head: &Head,
    next: Next,
    channel: Channel,
    now: OffsetDateTime,
    jobs: usize,
    limit: i64,
) -> Result<Job, Duration> {
    let pause = |longest: Duration| {
        longest / 2 + longest.mul_f64(f64::from(dice()) / f64::from(u32::MAX)) / 2
    };
    let destination = destination(head, channel, now);
    let way = office.ways.of(channel).ok_or(NOT_OFFERED_PAUSE)?;
    if i64::try_from(jobs).is_ok_and(|jobs| jobs >= limit) {
        return Err(Duration::ZERO);
    }
    let leave = office.circuits.leave(&way.target(&destination)).map_err(|none| match none {
        NoLeave::Full => pause(FULL_PAUSE),
        NoLeave::Open => pause(OPEN_PAUSE),
    })?;
    Ok(Job {
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
    })
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
        letter: Letter { key: message_key(id, round?), language, text, facts, at: created_at },
    })
}
