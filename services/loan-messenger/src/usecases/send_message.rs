//! A customer is told of a change: the message goes into the mailbox, and the
//! word that it did goes out.

use ::events::{CustomerId, Language, LoanId, LoanRequestId, MessageId};
use common::clock::Clock;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::notice::Notice;
use crate::store::message::NewMessage;
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
    telling: Telling,
) -> Result<Option<MessageId>, sqlx::Error> {
    store::message::take_turn(tx).await?;
    let known = store::recipient::language_of(tx, telling.customer_id).await?;
    let language = known.unwrap_or(telling.language);
    let text = telling.notice.text(language);
    let message = NewMessage {
        id: clock.new_id().into(),
        event_id: telling.event_id,
        loan_request_id: telling.loan_request_id,
        loan_id: telling.loan_id,
        customer_id: telling.customer_id,
        kind: telling.notice.news.kind(),
        language,
        subject: text.subject,
        body: text.body,
        created_at: clock.now(),
    };
    if store::message::insert(tx, &message).await?.is_none() {
        return Ok(None);
    }
    common::outbox::append(tx, &[publish::message_sent(&message, clock)]).await?;
    Ok(Some(message.id))
}
