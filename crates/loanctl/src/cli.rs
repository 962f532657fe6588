//! What it can be told.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use common::config::{KafkaSecuritySettings, Secret};
use url::Url;

use crate::{demo, dlq, logs, messages, officers, outbox, reconcile, secrets, status, topics};

/// The operator's command of the online loan: what waits, who may decide, whether
/// the services agree, and what could not be worked on.
#[derive(Parser)]
#[command(name = "loanctl", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) system: System,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the system is. `./dev ctl` says all of it for the one that runs here.
#[derive(Args)]
pub(crate) struct System {
    /// What opens the admin APIs: one `NAME:SCOPE:SECRET` of the services'. By the
    /// environment, for an argument is seen by everybody on the machine.
    #[arg(long, env = "ADMIN_CREDENTIAL", hide_env_values = true, global = true)]
    pub(crate) admin_credential: Option<Secret>,

    /// A file that holds it, where ADMIN_CREDENTIAL does not say it.
    #[arg(long, env = "ADMIN_CREDENTIAL_FILE", global = true)]
    pub(crate) admin_credential_file: Option<PathBuf>,

    /// The admin port of loan-request.
    #[arg(long, env = "REQUEST_ADMIN_URL", default_value = "http://127.0.0.1:9290", global = true)]
    pub(crate) request_admin_url: Url,

    /// The admin port of loan-auth.
    #[arg(long, env = "AUTH_ADMIN_URL", default_value = "http://127.0.0.1:9291", global = true)]
    pub(crate) auth_admin_url: Url,

    /// The admin port of loan-manager.
    #[arg(long, env = "MANAGER_ADMIN_URL", default_value = "http://127.0.0.1:9292", global = true)]
    pub(crate) manager_admin_url: Url,

    /// The admin port of loan-messenger.
    #[arg(
        long,
        env = "MESSENGER_ADMIN_URL",
        default_value = "http://127.0.0.1:9293",
        global = true
    )]
    pub(crate) messenger_admin_url: Url,

    /// The admin port of loan-status.
    #[arg(long, env = "STATUS_ADMIN_URL", default_value = "http://127.0.0.1:9294", global = true)]
    pub(crate) status_admin_url: Url,

    /// The admin port of the gateway.
    #[arg(long, env = "GATEWAY_ADMIN_URL", default_value = "http://127.0.0.1:9080", global = true)]
    pub(crate) gateway_admin_url: Url,

    /// Kafka's bootstrap addresses, for topics and dead letters.
    #[arg(long, env = "KAFKA_BOOTSTRAP", default_value = "127.0.0.1:9092", global = true)]
    pub(crate) kafka_bootstrap: String,

    /// How to get into Kafka.
    #[command(flatten)]
    pub(crate) kafka_security: KafkaSecuritySettings,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// What each service has still to send, and for how long it has waited.
    Outbox(outbox::Arguments),
    /// Who may decide on loans.
    Officers(officers::Arguments),
    /// Whether the services agree about every request; 1 if they do not.
    Reconcile(reconcile::Arguments),
    /// The read model.
    Status(status::Arguments),
    /// What could not be worked on.
    Dlq(dlq::Arguments),
    /// Messages that were to be sent to customers, and what became of them.
    Messages(messages::Arguments),
    /// What each process logs; changes it while it runs.
    Logs(logs::Arguments),
    /// The topics: as the broker has them, and as they are declared.
    Topics(topics::Arguments),
    /// Plays the scenario through the gateway of a system with the demo accounts, and compares
    /// every answer, message and state with what must be; 1 if something differs.
    Demo(demo::Arguments),
    /// Does nothing until it is told to end: for a pod in which the others are run.
    Wait,
    /// The passwords, credentials and keys of a new system.
    Secrets(secrets::Arguments),
}
