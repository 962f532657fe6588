//! The steps that commit together. Each works in a transaction it is given.

pub mod forget_recipient;
pub mod keep_recipient;
pub mod send_message;
