//! The process of loan-request.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::run::<loan_request::App>()
}
