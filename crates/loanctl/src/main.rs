//! loanctl: the operator's command. It speaks to the admin APIs, to Kafka where it is about
//! topics and dead letters, and as a customer and an officer to the gateway; never to a database.
//!
//! * [`cli`]: what it can be told.
//! * [`api`]: the admin APIs.
//! * [`outbox`], [`officers`], [`reconcile`], [`status`], [`dlq`], [`messages`], [`logs`], [`topics`],
//!   [`demo`], [`secrets`], [`wait`]: the commands.
//!
//! It ends with 0; with 1 where it was to find something wrong and did; with 2 where
//! it could not do its work.

mod api;
mod cli;
mod demo;
mod dlq;
mod kafka;
mod logs;
mod messages;
mod officers;
mod outbox;
mod password;
mod reconcile;
mod secrets;
mod status;
mod topics;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;

use crate::api::Services;
use crate::cli::{Cli, Command};

/// It could not do its work.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome =
        runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(code) => code,
        // `loanctl … | head`: nobody reads on, which is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let services = Services::try_new(&cli.system)?;
    match cli.command {
        Command::Outbox(arguments) => outbox::outbox(&services, arguments).await,
        Command::Officers(arguments) => officers::officers(&services, arguments).await,
        Command::Reconcile(arguments) => reconcile::reconcile(&services, arguments).await,
        Command::Status(arguments) => status::status(&services, arguments).await,
        Command::Dlq(arguments) => dlq::dlq(&services, arguments).await,
        Command::Messages(arguments) => messages::messages(&services, arguments).await,
        Command::Logs(arguments) => logs::logs(&services, arguments).await,
        Command::Demo(arguments) => demo::demo(arguments).await,
        Command::Topics(arguments) => topics::topics(&services.kafka, arguments).await,
        Command::Wait => wait::wait().await,
        Command::Secrets(arguments) => secrets::secrets(arguments).await,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
