//! The contract between the services: ids, codes, money, topics and every
//! domain event, with its JSON schema.
//!
//! An event is a fact in the past tense. It holds all that a consumer needs,
//! so that nobody has to call back, and no more personal data than its readers
//! need. Its shape only grows: an optional field may be added, a field is
//! never removed and never changes its meaning (a new meaning is a new event).
//! A consumer ignores the fields and the types that it does not know.
//!
//! * [`ids`]: who and what, as types.
//! * [`codes`]: the codes of requests, loans and languages, and the roles.
//! * [`money`]: amounts in minor units.
//! * [`text`]: what a text that people write may hold.
//! * [`topics`]: where events are published, with their dead-letter twins.
//! * [`version`]: what a write answers, so that its writer can ask for it to be shown.
//! * [`auth`], [`customer`], [`request`], [`manager`], [`messenger`]: the
//!   events of each publishing context.
//! * [`catalogue`]: all of them in one list; the JSON schemas and the AsyncAPI
//!   document are generated from it.
//!
//! The envelope is CloudEvents 1.0 in binary mode; `common::event` holds it.

pub mod asyncapi;
pub mod auth;
pub mod catalogue;
pub mod codes;
pub mod customer;
pub mod ids;
pub mod manager;
pub mod messenger;
pub mod money;
pub mod request;
pub mod text;
pub mod topics;
pub mod version;

pub use auth::{AuthCancelled, AuthCertified};
pub use codes::{Language, LoanStatus, RequestKind, RequestStatus};
pub use customer::{CustomerChanged, CustomerRegistered, CustomerRemoved};
pub use ids::{CustomerId, LoanId, LoanRequestId, MessageId};
pub use manager::{LoanExecuted, LoanJudged, LoanRepaid, LoanRequestReceived, LoanRequestRejected};
pub use messenger::MessageSent;
pub use money::{Amount, Currency, Outstanding};
pub use request::LoanRequestCancelled;
pub use version::LoanVersion;
