//! `standalone`: the embedded broker and the supervisor of `./dev`.

mod commands;

fn main() -> std::process::ExitCode {
    commands::run()
}
