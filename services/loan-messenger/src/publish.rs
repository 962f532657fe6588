//! Domain change → public event; the only place that builds one.

use ::events::MessageSent;
use common::clock::Clock;
use common::event::NewEvent;

use crate::store::message::{MAILBOX, NewMessage};

/// A message reached its channel. The text stays here.
#[must_use]
pub fn message_sent(message: &NewMessage, clock: &Clock) -> NewEvent {
    let event = MessageSent {
        message_id: message.id,
        loan_request_id: message.loan_request_id,
        loan_id: message.loan_id,
        customer_id: message.customer_id,
        kind: message.kind,
        channel: MAILBOX.to_owned(),
        language: message.language,
        sent_at: message.created_at,
    };
    NewEvent::of(&event, clock)
}
