//! The rules, pure: no database, no clock, no network.

pub mod brute_force;
pub mod certification;
pub mod loan;
pub mod person;
pub mod words;
