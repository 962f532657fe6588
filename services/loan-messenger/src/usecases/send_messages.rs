//! Customers are told of changes: the messages go into their mailboxes, and the word
//! that they did goes out. Whether one is to leave the mailbox is written down with it,
//! before anything is sent.

use ::events::codes::Channel;
use ::events::{CustomerId, Language, LoanId, LoanRequestId};
use common::clock::Clock;
use common::db::column;
use sqlx::PgConnection;
use tracing::Span;
use uuid::Uuid;

use super::Rules;
use crate::domain::delivery::give_up_at;
use crate::domain::notice::Notice;
use crate::store::intent::Intent;
use crate::store::message::NewMessage;
use crate::store::recipient::Reader;
use crate::{publish, store};

/// What is to be told, and to whom.
#[derive(Debug)]
pub struct Telling {
    /// The event that tells of it.
    pub event_id: Uuid,
    /// The request that it is about.
    pub loan_request_id: LoanRequestId,
    /// The loan that it is about, where it is known.
    pub loan_id: Option<LoanId>,
    /// To whom.
    pub customer_id: CustomerId,
    /// The language for a customer of whom we know none.
    pub language: Language,
    /// What is told.
    pub notice: Notice,
}

/// Puts one message for each event into the customers' mailboxes, in the order of the
/// events, unless there is one already. What follows from one belongs to its span.
///
/// # Errors
/// What the database says.
pub async fn send_messages(
    tx: &mut PgConnection,
    clock: &Clock,
    rules: &Rules,
    tellings: &[(Telling, Span)],
) -> Result<(), sqlx::Error> {
    store::message::take_turn(tx).await?;
    let wanted = column(tellings, |(one, _)| (one.customer_id, one.notice.news.kind()));
    let readers = store::recipient::readers(tx, &wanted).await?;
    let written: Vec<_> = tellings
        .iter()
        .zip(&readers)
        .map(|((telling, _), reader)| message(telling, reader, clock))
        .collect();
    let numbers = store::message::insert(tx, &written).await?;
    let (mut told, mut intents) = (Vec::new(), Vec::new());
    for ((message, reader), (_, span)) in written.iter().zip(readers).zip(tellings) {
        let Some(seq) = numbers.get(&message.event_id) else { continue };
        told.push(span.in_scope(|| publish::message_sent(message, clock)));
        intents.extend(lane(reader, rules).map(|lane| Intent {
            message_id: message.id,
            customer_id: message.customer_id,
            seq: *seq,
            lane,
            created_at: message.created_at,
            give_up_at: give_up_at(message.created_at, rules.give_up_after),
        }));
    }
    common::outbox::append(tx, &told).await?;
    store::intent::intend(tx, &intents).await
}

/// The same for one event, in whose span this runs.
///
/// # Errors
/// What the database says.
pub async fn send_message(
    tx: &mut PgConnection,
    clock: &Clock,
    rules: &Rules,
    telling: Telling,
) -> Result<(), sqlx::Error> {
    send_messages(tx, clock, rules, &[(telling, Span::current())]).await
}

fn message(telling: &Telling, reader: &Reader, clock: &Clock) -> NewMessage {
    let language = reader.language.unwrap_or(telling.language);
    let text = telling.notice.text(language);
    NewMessage {
        id: clock.new_id().into(),
        event_id: telling.event_id,
        loan_request_id: telling.loan_request_id,
        loan_id: telling.loan_id,
        customer_id: telling.customer_id,
        kind: telling.notice.news.kind(),
        language,
        subject: text.subject,
        body: text.body,
        short: text.short,
        created_at: clock.now(),
    }
}

/// By which channel the message is to leave the mailbox, as far as one can tell now.
fn lane(reader: Reader, rules: &Rules) -> Option<Channel> {
    if reader.is_removed || reader.is_unwanted {
        return None;
    }
    // Of whom nothing is known yet, there will be word soon.
    let may_have_mail = reader.has_mail || !reader.is_known;
    let channel = reader.chosen.unwrap_or_else(|| rules.offered.default_channel(may_have_mail));
    (channel != Channel::Mailbox).then_some(channel)
}
