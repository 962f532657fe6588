//! A private PostgreSQL: made, started and stopped by us, on one loopback port.

mod binaries;
mod home;
mod initialise;
mod provision;
mod server;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;
use sqlx::{Connection as _, PgConnection};

pub use binaries::Binaries;
pub use home::{account, folder_for, running_in};
pub use provision::Database;
pub use server::Server;

use crate::net::PortBlock;
use crate::process::{Launch, Process, ending};
use crate::secrets::Secrets;

/// How long a server may take to start. Recovery after a kill is included.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to stop in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Its superuser.
const SUPERUSER: &str = "postgres";

/// How a server is to be run.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// Its folder: `data` in it is PostgreSQL's own.
    pub folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The log file.
    pub log: PathBuf,
    /// Whether committed data must outlive a power failure. Tests need not.
    pub durable: bool,
    /// The most connections.
    pub connections_max: u32,
    /// The `standalone` binary, see [`Launch::launcher`].
    pub launcher: Option<PathBuf>,
}

/// A running server. Dropping it ends it; a throw-away one leaves nothing.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    server: Server,
    secrets: Secrets,
    folder: PathBuf,
    launch: Launch,
    throw_away: Option<ThrowAway>,
}

#[derive(Debug)]
struct ThrowAway {
    folder: PathBuf,
    _ports: PortBlock,
}

impl Drop for ThrowAway {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot remove a temporary folder");
        }
    }
}

impl Postgres {
    /// Starts the server in a folder, making its data first if there is none.
    ///
    /// # Errors
    ///
    /// PostgreSQL is not installed, the folder can't be used, or it does not start.
    pub async fn start(settings: &PostgresSettings, secrets: &Secrets) -> anyhow::Result<Self> {
        let account = account()?;
        let data = settings.folder.join("data");
        let major = std::fs::read_to_string(data.join("PG_VERSION")).ok();
        let binaries = Binaries::find(major.as_deref().map(str::trim))?;
        home::make_private(&settings.folder, account)?;
        let mut launch = Launch::new("postgres", binaries.program("postgres"), &settings.log);
        launch.account = account;
        launch.launcher.clone_from(&settings.launcher);
        // Fast, so that services that are still connected do not hold it up.
        launch.when_orphaned = if settings.durable { Signal::SIGINT } else { Signal::SIGQUIT };
        if major.is_none() {
            initialise::initialise(settings, &binaries, &launch, &secrets.superuser_password)
                .await?;
        }
        launch.arguments = server_arguments(settings, &data);
        let process = launch.start().context("cannot start PostgreSQL")?;
        let server = Server::local(settings.port, &secrets.superuser_password);
        let mut postgres = Self {
            process,
            server,
            secrets: secrets.clone(),
            folder: settings.folder.clone(),
            launch,
            throw_away: None,
        };
        postgres.wait_ready().await?;
        provision::close_to_public(&postgres.server).await?;
        Ok(postgres)
    }

    /// Starts a server that is gone when it is dropped: for tests, without fsync.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`].
    pub async fn throw_away() -> anyhow::Result<Self> {
        Self::start_throw_away(false).await
    }

    /// The same with fsync, to measure with.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`].
    pub async fn throw_away_durable() -> anyhow::Result<Self> {
        Self::start_throw_away(true).await
    }

    async fn start_throw_away(durable: bool) -> anyhow::Result<Self> {
        let mut ports = PortBlock::take()?;
        let port = ports.port()?;
        let temporary = home::temporary(account()?);
        home::sweep(&temporary);
        let folder = temporary.join(home::throw_away_name(port));
        let throw_away = ThrowAway { folder, _ports: ports };
        home::make_private(&throw_away.folder, account()?)?;
        let settings = PostgresSettings {
            log: throw_away.folder.join("log"),
            folder: throw_away.folder.clone(),
            port,
            durable,
            connections_max: 800,
            launcher: crate::binaries::launcher(),
        };
        let mut postgres = Self::start(&settings, &Secrets::generate()?).await?;
        postgres.throw_away = Some(throw_away);
        Ok(postgres)
    }

    /// Makes a database with the five roles and schemas in it.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub async fn database(&self, name: &str) -> anyhow::Result<Database> {
        self.server.database(name, &self.secrets).await
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The superuser's address of the database `postgres`.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        self.server.superuser_url("postgres")
    }

    /// The process.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops it in order, waiting for nobody who is still connected.
    ///
    /// # Errors
    ///
    /// The system refuses a signal.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.process.stop(Signal::SIGINT, STOP_TIMEOUT).await?)
    }

    /// Kills it as a crash of the machine would: no last checkpoint.
    ///
    /// # Errors
    ///
    /// The system refuses a signal.
    pub async fn crash(&mut self) -> anyhow::Result<()> {
        // SIGKILL would leave its own children behind for a moment, and the
        // next start would refuse while they are there.
        self.process.stop(Signal::SIGQUIT, STOP_TIMEOUT).await?;
        Ok(())
    }

    /// Starts it again on the same data and port.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.launch_again()?;
        self.wait_ready().await
    }

    /// Starts it again without waiting.
    ///
    /// # Errors
    ///
    /// It still runs, or can't be started.
    pub fn launch_again(&mut self) -> anyhow::Result<()> {
        ensure!(!self.process.is_running(), "PostgreSQL still runs");
        self.process = self.launch.start()?;
        Ok(())
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.process.exit_status() {
                let log = crate::logs::tail(self.process.log_path(), 5);
                bail!("PostgreSQL ended at its start ({}):\n{log}", ending(status));
            }
            match PgConnection::connect(&self.superuser_url()).await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(error) if is_wrong_password(&error) => bail!(
                    "the database in {} was made with other passwords than those at hand: `./dev reset` starts afresh",
                    self.folder.display()
                ),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context("PostgreSQL does not get ready");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a drop cannot wait in any other way")]
impl Drop for Postgres {
    fn drop(&mut self) {
        // Kindly first: a killed server leaves its children and its shared memory
        // to find out for themselves. There is no waiting in here but this.
        if self.process.is_running() && self.process.signal(Signal::SIGQUIT).is_ok() {
            let deadline = Instant::now() + Duration::from_secs(5);
            while self.process.is_running() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // The folder must not go before the process has.
        drop(self.process.kill());
        drop(self.throw_away.take());
    }
}

fn is_wrong_password(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "28P01")
}

fn server_arguments(settings: &PostgresSettings, data: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-D".into(), data.into()];
    let mut set = |setting: String| arguments.extend(["-c".into(), setting.into()]);
    set(format!("port={}", settings.port));
    set("listen_addresses=127.0.0.1".into());
    // A socket's path may have 107 bytes only, and nobody needs one here.
    set("unix_socket_directories=".into());
    set(format!("max_connections={}", settings.connections_max));
    // The log is a file already; a logging process of its own would write another.
    set("logging_collector=off".into());
    set("log_min_messages=warning".into());
    if !settings.durable {
        for setting in ["fsync=off", "synchronous_commit=off", "full_page_writes=off"] {
            set(setting.into());
        }
    }
    arguments
}
