//! The SQL, one folder for the one table.

pub mod loan_request;
