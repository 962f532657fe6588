//! One supervised process: how it is started again, and when.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::data::ChildState;
use super::plan::PartName;
use crate::broker_process::Broker;
use crate::postgres::Postgres;
use crate::process::{Identity, Process, ending};
use crate::stack::{STOP_TIMEOUT, ServiceProcess};

/// The first wait before a crashed process is started again.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
/// The longest.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// Who has run this long is well again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// What runs.
#[derive(Debug)]
pub(super) enum Running {
    Postgres(Box<Postgres>),
    Broker(Broker),
    Service(ServiceProcess),
}

/// A supervised process.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: PartName,
    running: Running,
    address: String,
    admin_address: Option<String>,
    started: Instant,
    restarts: u32,
    back_off: Duration,
    restart_at: Option<Instant>,
    /// The process that there was last.
    identity: Option<Identity>,
}

impl Part {
    pub(super) fn new(
        name: PartName,
        running: Running,
        address: String,
        admin_address: Option<String>,
    ) -> Self {
        Self {
            name,
            running,
            address,
            admin_address,
            started: Instant::now(),
            restarts: 0,
            back_off: BACK_OFF_MIN,
            restart_at: None,
            identity: None,
        }
    }

    pub(super) fn process(&mut self) -> &mut Process {
        match &mut self.running {
            Running::Postgres(postgres) => postgres.process_mut(),
            Running::Broker(broker) => broker.process_mut(),
            Running::Service(service) => service.process_mut(),
        }
    }

    pub(super) fn service(&mut self) -> Option<&mut ServiceProcess> {
        match &mut self.running {
            Running::Service(service) => Some(service),
            Running::Postgres(_) | Running::Broker(_) => None,
        }
    }

    /// What is written down of it, while it is down of the process that there was.
    pub(super) fn state(&mut self) -> Option<ChildState> {
        if let Some(identity) = Identity::of(self.process().pid()) {
            self.identity = Some(identity);
        }
        Some(ChildState {
            identity: self.identity.clone()?,
            address: self.address.clone(),
            admin_address: self.admin_address.clone(),
            restarts: self.restarts,
        })
    }

    /// Looks after it. Says what happened, if anything did.
    pub(super) fn look_after(&mut self, now: Instant) -> Option<String> {
        if let Some(at) = self.restart_at {
            return (now >= at).then(|| self.start_again(now));
        }
        let status = self.process().exit_status()?;
        if now.duration_since(self.started) >= WELL_AFTER {
            self.back_off = BACK_OFF_MIN;
        }
        let wait = self.back_off;
        self.restart_at = Some(now + wait);
        self.back_off = (wait * 2).min(BACK_OFF_MAX);
        let log = crate::logs::tail(self.process().log_path(), 3);
        Some(format!(
            "{} ended ({}); it is started again in {:.1} s. Its last words:\n{}",
            self.name,
            ending(status),
            wait.as_secs_f32(),
            indented(&log)
        ))
    }

    fn start_again(&mut self, now: Instant) -> String {
        self.restart_at = None;
        self.started = now;
        self.restarts += 1;
        let launched = match &mut self.running {
            Running::Postgres(postgres) => postgres.launch_again(),
            Running::Broker(broker) => broker.launch_again(),
            Running::Service(service) => service.launch_again(),
        };
        match launched {
            Ok(()) => format!("{} is started again", self.name),
            Err(error) => {
                self.restart_at = Some(now + self.back_off);
                format!("{} cannot be started again: {error:#}", self.name)
            }
        }
    }

    /// What asks it to end in order.
    pub(super) fn ask_to_end(&mut self) -> std::io::Result<()> {
        let signal = match self.name {
            PartName::Postgres => Signal::SIGINT,
            PartName::Broker | PartName::Service(_) => Signal::SIGTERM,
        };
        self.process().signal(signal)
    }

    /// Waits for its end and kills it if that takes too long. Says so then.
    pub(super) async fn await_end(&mut self) -> Option<String> {
        if self.process().wait(STOP_TIMEOUT).await.is_some() {
            return None;
        }
        let name = self.name;
        Some(match self.process().kill() {
            Ok(_) => {
                format!("{name} did not end within {} s and was killed", STOP_TIMEOUT.as_secs())
            }
            Err(error) => format!("{name} cannot be killed: {error}"),
        })
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::process::Launch;
    use crate::services::Service;
    use crate::wiring::Ports;

    fn part(program: &str, folder: &std::path::Path) -> Part {
        let launch = Launch::new("crasher", program, folder.join("log"));
        let ports = Ports { http: 1, admin: 2 };
        let process = ServiceProcess::start(Service::LoanAuth, ports, launch).unwrap();
        let name = PartName::Service(Service::LoanAuth);
        Part::new(name, Running::Service(process), String::new(), None)
    }

    #[tokio::test]
    async fn who_crashes_is_named_and_started_again_ever_more_slowly() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = part("/bin/false", folder.path());
        let mut now = Instant::now();
        for wait in ["0.5", "1.0", "2.0", "4.0", "8.0", "16.0", "30.0", "30.0"] {
            part.process().wait(Duration::from_secs(5)).await.unwrap();
            let said = part.look_after(now).unwrap();
            let expected =
                format!("loan-auth ended (exit code 1); it is started again in {wait} s.");
            assert!(said.starts_with(&expected), "{said}");
            assert_eq!(part.look_after(now), None, "not before its time");
            now += Duration::from_secs_f32(wait.parse().unwrap());
            assert_eq!(part.look_after(now).as_deref(), Some("loan-auth is started again"));
        }
        assert_eq!(part.restarts, 8);
    }

    #[tokio::test]
    async fn who_has_run_long_is_started_again_soon() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = part("/bin/false", folder.path());
        part.back_off = BACK_OFF_MAX;
        part.process().wait(Duration::from_secs(5)).await.unwrap();
        let said = part.look_after(Instant::now() + WELL_AFTER).unwrap();
        assert!(said.contains("started again in 0.5 s"), "{said}");
    }
}
