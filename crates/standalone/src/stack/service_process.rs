//! One service as a process that a test does things to.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;

use crate::net::http_status;
use crate::process::{Identity, Launch, Process, ending};
use crate::services::Service;
use crate::wiring::Ports;

/// How long a service may take to get ready.
pub const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to end in order; its own bound is 25 s.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A service's process. Dropping it kills it.
#[derive(Debug)]
pub struct ServiceProcess {
    service: Service,
    ports: Ports,
    launch: Launch,
    process: Process,
}

impl ServiceProcess {
    pub(crate) fn start(service: Service, ports: Ports, launch: Launch) -> anyhow::Result<Self> {
        let process = launch.start().with_context(|| format!("cannot start {service}"))?;
        Ok(Self { service, ports, launch, process })
    }

    /// Which service it is.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// Its own address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.ports.http_address())
    }

    /// The address of its admin port: `/livez`, `/readyz`, `/metrics`.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.ports.admin_address())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its resident memory in KiB, where the system tells.
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        Identity::of(self.pid())?.resident_kib()
    }

    /// Whether it runs (a paused one does).
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// All that it has written.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.process.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// It ends meanwhile, or is not ready in time; both with its last words.
    pub async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            if self.is_ready().await {
                return Ok(());
            }
            let (service, last_words) =
                (self.service, crate::logs::tail(self.process.log_path(), 8));
            if let Some(status) = self.process.exit_status() {
                bail!("{service} ended before it was ready ({}):\n{last_words}", ending(status));
            }
            ensure!(Instant::now() < deadline, "{service} does not get ready:\n{last_words}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it says now that it is ready.
    pub async fn is_ready(&self) -> bool {
        let address = self.ports.admin_address();
        http_status(address, "/readyz", Duration::from_secs(2)).await == Some(200)
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    ///
    /// The system refuses the signal.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// The system refuses the signal.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        Ok(self.process.signal(signal)?)
    }

    /// Stops its clock: it keeps its connections and answers nothing.
    ///
    /// # Errors
    ///
    /// The system refuses the signal.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// The system refuses the signal.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    ///
    /// It has to be killed.
    pub async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.signal(Signal::SIGTERM)?;
        let ended = self.process.wait(STOP_TIMEOUT).await;
        ended.with_context(|| format!("{} does not end when asked", self.service))
    }

    /// A setting for the next start.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.launch.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it again on its ports, after it has ended, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It still runs, or does not get ready.
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
        ensure!(!self.is_running(), "{} still runs", self.service);
        self.process = self.launch.start()?;
        Ok(())
    }

    /// The process.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
