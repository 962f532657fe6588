//! `certification`: the decision on each request.

mod read;
mod write;

pub use read::{Certification, Position, Scope, Start, count, decision, get, list};
pub use write::{Certified, Refused, cancel, certify, forget_claims, purge, refuse, void};
