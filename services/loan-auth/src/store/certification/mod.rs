//! `certification`: the decision on each request.

mod read;
mod told;
mod write;

pub use read::{Certification, Position, Scope, Start, count, decision, get, list};
pub use told::{Fact, Told, facts, told};
pub use write::{
    Certified, NewCertification, Refused, cancel, certify, certify_all, forget_claims,
    forget_contacts, keep_event_id, purge, refuse, void,
};
