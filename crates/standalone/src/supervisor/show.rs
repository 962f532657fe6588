//! What the user sees of a start.

use std::io::Write as _;
use std::time::Instant;

use super::plan::{PartName, PortPlan};
use crate::services::Service;

/// Progress lines.
#[derive(Debug)]
pub(super) struct Progress {
    start: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn seconds(&self) -> f32 {
        self.start.elapsed().as_secs_f32()
    }

    pub(super) fn begin(&self, part: PartName, what: &str) {
        self.say(&format!("{part:<14} {what} …"));
    }

    pub(super) fn ready(&self, part: PartName, address: &str) {
        self.say(&format!("{part:<14} ready    {address}"));
    }

    pub(super) fn stopped(&self, part: PartName) {
        self.say(&format!("{part:<14} stopped"));
    }

    /// One line with the seconds since the start before it. Nobody may be
    /// listening any more (a closed terminal): that must not stop the stopping.
    pub(super) fn say(&self, line: &str) {
        let mut output = std::io::stdout();
        let _ = writeln!(output, "{:>6.1} s  {line}", self.seconds());
        let _ = output.flush();
    }
}

/// What is said when all is ready.
pub(super) fn welcome(plan: &PortPlan, parts: &[PartName], detached: bool, seconds: f32) -> String {
    let mut text = format!("\nReady after {seconds:.1} s.\n\n");
    for part in parts.iter().rev() {
        let line = match part {
            PartName::Postgres => format!("127.0.0.1:{}", plan.postgres),
            PartName::Broker => format!("127.0.0.1:{}", plan.broker),
            PartName::Service(service) => addresses(plan, *service),
        };
        text.push_str(&format!("  {part:<14} {line}\n"));
    }
    if parts.contains(&PartName::Service(Service::Gateway)) {
        text.push_str(&accounts_and_commands(plan, detached));
    }
    text.push_str(if detached {
        "\nIt runs in the background; `./dev down` stops it.\n"
    } else {
        "\nCtrl-C stops all.\n"
    });
    text
}

fn addresses(plan: &PortPlan, service: Service) -> String {
    let Some(ports) = plan.services.get(&service) else { return String::new() };
    if service == Service::Gateway {
        format!(
            "http://localhost:{0}   http://localhost:{0}/docs   http://localhost:{1}/readyz   …/metrics",
            ports.http, ports.admin
        )
    } else {
        format!(
            "http://localhost:{}   http://localhost:{}/readyz   …/metrics",
            ports.http, ports.admin
        )
    }
}

fn accounts_and_commands(plan: &PortPlan, detached: bool) -> String {
    let place = if detached { "" } else { ", in another terminal" };
    let gateway = plan.services.get(&Service::Gateway).map_or(0, |ports| ports.http);
    format!(
        r#"
Demo accounts
  customer       1@sk.com / 유은상 / 1234
  officer        officer@bank.example / officer-1234

Try next{place}
  ./dev demo
  curl -i localhost:{gateway}/loanRequests -H 'content-type: application/json' -d '{{"requestId":"01","requestName":"Deposit","amountOfMoney":10000,"userId":"1@sk.com","userName":"유은상","userPassword":"1234"}}'
  ./dev logs -f
"#
    )
}
