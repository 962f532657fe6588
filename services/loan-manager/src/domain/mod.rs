//! The rules: which step may follow which, and what it does to what is owed.
//! Pure: no I/O, no clock.

pub mod loan;
#[cfg(test)]
mod loan_tests;
pub mod step;
