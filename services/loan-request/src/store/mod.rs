//! The SQL, one folder for the one table.

pub mod fact;
pub mod loan_request;
