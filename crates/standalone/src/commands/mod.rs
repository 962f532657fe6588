//! The subcommands.

mod broker;
mod child;
mod system;
mod with_postgres;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The embedded default of the loan suite.
#[derive(Parser)]
#[command(version, bin_name = "./dev")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the whole system and run it until Ctrl-C.
    Up(system::Up),
    /// Stop it.
    Down(system::Where),
    /// Show the processes.
    Status(system::Where),
    /// Show what the processes have logged.
    Logs(system::Logs),
    /// Stop it and remove all its data.
    Reset(system::Where),
    /// Run `loanctl` for the running system.
    Ctl(system::Ctl),
    /// Print the address of the running gateway.
    GatewayUrl(system::Where),
    /// Run the embedded Kafka-compatible broker in the foreground.
    Broker(broker::Arguments),
    /// Run a command with `DATABASE_URL` set to a PostgreSQL that is gone afterwards.
    WithPostgres(with_postgres::Arguments),
    /// Become a program, ending with the process that asked for it.
    #[command(hide = true)]
    Child(child::Arguments),
}

/// Runs the subcommand that was asked for.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Up(arguments) => system::up(&arguments),
        Command::Down(arguments) => system::down(&arguments),
        Command::Status(arguments) => system::status(&arguments),
        Command::Logs(arguments) => system::logs(&arguments),
        Command::Reset(arguments) => system::reset(&arguments),
        Command::Ctl(arguments) => system::ctl(&arguments),
        Command::GatewayUrl(arguments) => system::gateway_url(&arguments),
        Command::Broker(arguments) => broker::run(arguments),
        Command::WithPostgres(arguments) => with_postgres::run(&arguments),
        Command::Child(arguments) => child::run(arguments),
    };
    match result {
        Ok(code) => code,
        // `./dev logs | head`: nobody reads on, which is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?)
}
