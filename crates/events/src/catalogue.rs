//! Every event in one list. The JSON schemas, the AsyncAPI document and the
//! tests of the golden payloads are made from it, so an event that is not here
//! does not exist.

use common::event::Event;
use schemars::JsonSchema;
use serde_json::Value;

use crate::{auth, customer, manager, messenger, request};

/// What is known of one event.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `ce_type`.
    pub event_type: &'static str,
    /// Where it is published.
    pub topic: &'static str,
    /// `ce_source`.
    pub source: &'static str,
    /// The JSON schema (draft 2020-12) of its payload.
    pub schema: Value,
    /// Payloads that were published once and must decode for ever.
    pub golden: &'static [&'static str],
    /// Decodes a payload and encodes it again; an error says why it cannot.
    pub round_trip: fn(&str) -> Result<Value, serde_json::Error>,
}

fn entry<E: Event + JsonSchema>(golden: &'static [&'static str]) -> Entry {
    Entry {
        event_type: E::TYPE,
        topic: E::TOPIC,
        source: E::SOURCE,
        schema: schemars::schema_for!(E).to_value(),
        golden,
        round_trip: |text| serde_json::to_value(serde_json::from_str::<E>(text)?),
    }
}

/// Every event, by publishing context.
#[must_use]
pub fn all() -> Vec<Entry> {
    vec![
        entry::<request::LoanRequestCancelled>(&[include_str!(
            "../golden/LoanRequestCancelled.1.json"
        )]),
        entry::<auth::AuthCertified>(&[
            include_str!("../golden/AuthCertified.1.json"),
            include_str!("../golden/AuthCertified.2.json"),
        ]),
        entry::<auth::AuthCancelled>(&[
            include_str!("../golden/AuthCancelled.1.json"),
            include_str!("../golden/AuthCancelled.2.json"),
        ]),
        entry::<customer::CustomerRegistered>(&[include_str!(
            "../golden/CustomerRegistered.1.json"
        )]),
        entry::<customer::CustomerChanged>(&[include_str!("../golden/CustomerChanged.1.json")]),
        entry::<customer::CustomerRemoved>(&[include_str!("../golden/CustomerRemoved.1.json")]),
        entry::<manager::LoanRequestReceived>(&[
            include_str!("../golden/LoanRequestReceived.1.json"),
            include_str!("../golden/LoanRequestReceived.2.json"),
        ]),
        entry::<manager::LoanRequestRejected>(&[
            include_str!("../golden/LoanRequestRejected.1.json"),
            include_str!("../golden/LoanRequestRejected.2.json"),
        ]),
        entry::<manager::LoanJudged>(&[
            include_str!("../golden/LoanJudged.1.json"),
            include_str!("../golden/LoanJudged.2.json"),
        ]),
        entry::<manager::LoanExecuted>(&[include_str!("../golden/LoanExecuted.1.json")]),
        entry::<manager::LoanRepaid>(&[
            include_str!("../golden/LoanRepaid.1.json"),
            include_str!("../golden/LoanRepaid.2.json"),
        ]),
        entry::<messenger::MessageSent>(&[include_str!("../golden/MessageSent.1.json")]),
    ]
}
