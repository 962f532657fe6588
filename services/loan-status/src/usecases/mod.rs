//! The steps that commit together. Each works in a transaction it is given.

pub mod begin_generation;
pub mod mark_cancelled;
pub mod record_change;
pub mod rederive_loan;
