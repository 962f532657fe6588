//! The life of a service: start, work, end. `main` is one line into [`run`].

mod start;
mod tasks;

pub use tasks::Life;

use std::future::Future;
use std::process::ExitCode;

use futures::future::BoxFuture;

use crate::admin::AdminRoutes;
use crate::clock::Clock;
use crate::config::ServiceSettings;
use crate::consumer::Subscriptions;
use crate::db::Db;
use crate::shutdown::Shutdown;
use crate::token::TokenVerifier;

/// What a service is given to build itself from.
#[derive(Clone)]
pub struct Context {
    /// The common settings.
    pub settings: ServiceSettings,
    /// The service's database, migrated.
    pub db: Db,
    /// The time and new ids.
    pub clock: Clock,
    /// How the process ends: tasks of the service's own listen to it.
    pub shutdown: Shutdown,
    /// For calls to others; connections are kept for the whole process.
    pub http: reqwest::Client,
    /// Checks access tokens; the issuer itself can [install](TokenVerifier::install)
    /// its keys without a detour.
    pub verifier: TokenVerifier,
}

/// What a service consists of.
pub struct Wired {
    /// Its routes. The stack, `/actuator/health` and the admin port are added.
    pub router: axum::Router,
    /// What operators may look at and mend: served below `/admin` on the admin port,
    /// to whoever has a credential of `ADMIN_CREDENTIAL` whose scope covers it.
    pub admin: AdminRoutes,
    /// What it does on events.
    pub subscriptions: Subscriptions,
    /// What else it does, by name. A task that ends before the shutdown, or fails,
    /// ends the process: something was to be done for ever and is not.
    pub tasks: Vec<(&'static str, BoxFuture<'static, anyhow::Result<()>>)>,
}

/// A service.
pub trait App {
    /// Its name: consumer group, logs, metrics, database connections.
    const NAME: &'static str;

    /// Its port on a machine that it shares with the others. In a container every
    /// service listens on 8080.
    const HTTP_PORT: u16 = 8080;

    /// Its settings, which contain the common ones.
    type Config: clap::Parser + AsRef<ServiceSettings> + Send;

    /// Its tables.
    const MIGRATIONS: &sqlx::migrate::Migrator;

    /// Builds it.
    fn wire(
        config: Self::Config,
        ctx: Context,
    ) -> impl Future<Output = anyhow::Result<Wired>> + Send;

    /// The description of its API, served at `/openapi.json`.
    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        None
    }
}

/// The admin port on a machine with several services.
const ADMIN_PORT_OFFSET: u16 = 1_000;

/// Runs a service from its first line of log to its exit code: 0 after an end in
/// good order, 1 after a crash or a failed start, 2 after a wrong setting.
#[must_use]
pub fn run<A: App>() -> ExitCode {
    let host = "127.0.0.1";
    let defaults = [
        ("HTTP_ADDR", format!("{host}:{}", A::HTTP_PORT)),
        ("ADMIN_ADDR", format!("{host}:{}", A::HTTP_PORT + ADMIN_PORT_OFFSET)),
    ];
    let config: A::Config = crate::config::load_with(&defaults);
    let mut settings = config.as_ref().clone();
    settings.service_name = A::NAME;
    let (bound, linger) = (settings.shutdown_bound_seconds, settings.shutdown_linger_seconds);
    if let Err(error) = crate::config::check_shutdown(bound, linger) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let traces = settings.otlp_endpoint.as_ref();
    let logs = crate::logs::start(A::NAME, settings.log_format, &settings.log_level, traces);
    let logs = match logs {
        Ok(logs) => logs,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = crate::db::connect_options(&settings) {
        // Not the error's text: it may quote the address, which holds a password.
        drop(error);
        eprintln!("error: DATABASE_URL is not an address of a PostgreSQL database");
        return ExitCode::from(2);
    }
    // What only brings the tables up to date has no way to Kafka, and needs none.
    let broker = match crate::kafka::Broker::try_of(&settings) {
        Ok(broker) => Some(broker),
        Err(_) if settings.migrate_only => None,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime did not start");
            return ExitCode::FAILURE;
        }
    };
    let life = async {
        match broker.filter(|_| !settings.migrate_only) {
            Some(broker) => start::run::<A>(config, settings, broker).await,
            None => start::migrate_only::<A>(&settings).await,
        }
    };
    let code = match runtime.block_on(life) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the service has failed");
            ExitCode::FAILURE
        }
    };
    // What still runs (a blocking call into a library) is not waited for.
    runtime.shutdown_background();
    logs.end();
    code
}

#[cfg(test)]
mod tests;
