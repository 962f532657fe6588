//! The process: see the library's map of the rooms.

fn main() -> std::process::ExitCode {
    common::service::run::<loan_auth::App>()
}
