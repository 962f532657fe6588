//! The steps that commit together. Each works in a transaction it is given.

pub mod begin_generation;
pub mod mark_cancelled;
pub mod order_rebuild;
pub mod record_changes;
pub mod rederive_loan;
pub mod swap_read_model;
