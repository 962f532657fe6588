//! The one synchronous call: to loan-auth.

pub mod loan_auth;
