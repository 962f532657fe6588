//! The loan officers' desk: see the library's crate doc.

fn main() -> std::process::ExitCode {
    common::service::run::<loan_manager::App>()
}
