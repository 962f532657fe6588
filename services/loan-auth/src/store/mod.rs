//! The SQL, one file for each table.

pub mod certification;
pub mod known_address;
pub mod login_failure;
pub mod open_loan;
pub mod person;
pub mod refresh_family;
pub mod registration_attempt;
