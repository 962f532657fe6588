//! What loan-auth publishes of customers (`loan.customer`, compacted).

use common::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::auth::SOURCE;
use crate::codes::Language;
use crate::ids::CustomerId;
use crate::topics;

/// A customer registered. The whole state, never a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerRegistered {
    /// Who.
    pub customer_id: CustomerId,
    /// The login name.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// Where messages go.
    pub user_mobile: String,
    /// Where mail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_email: Option<String>,
    /// The language to write in.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub registered_at: OffsetDateTime,
}

/// A customer's name, mobile, mail or language changed. The whole state after
/// the change, because the topic is compacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerChanged {
    /// Who.
    pub customer_id: CustomerId,
    /// The login name.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// Where messages go.
    pub user_mobile: String,
    /// Where mail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_email: Option<String>,
    /// The language to write in.
    #[serde(default)]
    pub language: Language,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub changed_at: OffsetDateTime,
}

/// A customer was removed. A tombstone follows under the same key, so that the
/// compacted topic forgets them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerRemoved {
    /// Who.
    pub customer_id: CustomerId,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub removed_at: OffsetDateTime,
}

macro_rules! customer_event {
    ($name:ident, $type:literal) => {
        impl Event for $name {
            const TYPE: &'static str = $type;
            const TOPIC: &'static str = topics::LOAN_CUSTOMER;
            const SOURCE: &'static str = SOURCE;

            fn key(&self) -> String {
                self.customer_id.to_string()
            }

            fn subject(&self) -> String {
                self.customer_id.to_string()
            }
        }
    };
}

customer_event!(CustomerRegistered, "CustomerRegistered");
customer_event!(CustomerChanged, "CustomerChanged");
customer_event!(CustomerRemoved, "CustomerRemoved");
