//! A customer is told of a change: the message goes into the mailbox, and the
//! word that it did goes out. Whether it is to leave the mailbox is written down with
//! it, before anything is sent.

use ::events::codes::Channel;
use ::events::{CustomerId, Language, LoanId, LoanRequestId, MessageId};
use common::clock::Clock;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Rules;
use crate::domain::delivery::give_up_at;
use crate::domain::notice::Notice;
use crate::store::delivery::Intent;
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

/// Puts one message for an event into the customer's mailbox; `None` if there
/// is one already.
///
/// # Errors
/// What the database says.
pub async fn send_message(
    tx: &mut PgConnection,
    clock: &Clock,
    rules: &Rules,
    telling: Telling,
) -> Result<Option<MessageId>, sqlx::Error> {
    store::message::take_turn(tx).await?;
    let kind = telling.notice.news.kind();
    let reader = store::recipient::reader(tx, telling.customer_id, kind).await?;
    let language = reader.language.unwrap_or(telling.language);
    let text = telling.notice.text(language);
    let message = NewMessage {
        id: clock.new_id().into(),
        event_id: telling.event_id,
        loan_request_id: telling.loan_request_id,
        loan_id: telling.loan_id,
        customer_id: telling.customer_id,
        kind,
        language,
        subject: text.subject,
        body: text.body,
        short: text.short,
        created_at: clock.now(),
    };
    let Some(seq) = store::message::insert(tx, &message).await? else {
        return Ok(None);
    };
    common::outbox::append(tx, &[publish::message_sent(&message, clock)]).await?;
    if let Some(lane) = lane(reader, rules) {
        let intent = Intent {
            message_id: message.id,
            customer_id: message.customer_id,
            seq,
            lane,
            created_at: message.created_at,
            give_up_at: give_up_at(message.created_at, rules.give_up_after),
        };
        store::delivery::intend(tx, &intent).await?;
    }
    Ok(Some(message.id))
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
