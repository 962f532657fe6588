//! What is run, and on which ports.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::bail;

use crate::net::is_free;
use crate::services::Service;
use crate::wiring::Ports;

/// One of the eight processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartName {
    /// The database.
    Postgres,
    /// The embedded broker.
    Broker,
    /// One of the six.
    Service(Service),
}

impl PartName {
    /// All, in the order in which they are started.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        [Self::Postgres, Self::Broker].into_iter().chain(Service::ALL.map(Self::Service))
    }

    /// Its name in messages, logs and arguments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Broker => "broker",
            Self::Service(service) => service.name(),
        }
    }

    /// These and what they need.
    #[must_use]
    pub fn with_needs(wanted: &[Self]) -> Vec<Self> {
        let with_database =
            |part: &Self| matches!(part, Self::Service(service) if service.role().is_some());
        let needed = wanted.iter().any(with_database);
        Self::all()
            .filter(|part| {
                wanted.contains(part) || (needed && matches!(part, Self::Postgres | Self::Broker))
            })
            .collect()
    }
}

impl std::fmt::Display for PartName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PartName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all().find(|part| part.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(Self::name).collect();
            format!("there is no `{text}`; there are {}", names.join(", "))
        })
    }
}

/// Which port each process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortPlan {
    /// PostgreSQL.
    pub postgres: u16,
    /// The broker.
    pub broker: u16,
    /// The six.
    pub services: BTreeMap<Service, Ports>,
}

impl PortPlan {
    /// The highest base that leaves room.
    pub const BASE_MAX: u16 = 65_500;

    /// The usual ports.
    #[must_use]
    pub fn usual() -> Self {
        let services = Service::ALL.map(|service| {
            let http = service.default_port();
            (service, Ports { http, admin: http + 1000 })
        });
        // Not PostgreSQL's own port: a machine that has one uses it.
        Self { postgres: 15_432, broker: 9092, services: services.into() }
    }

    /// Ports from `base` on: the gateway at `base`, the services after it, their
    /// admin ports from `base + 10`, the broker and PostgreSQL at `base + 20`.
    #[must_use]
    pub fn from_base(base: u16) -> Self {
        let base = base.min(Self::BASE_MAX);
        let order = [Service::Gateway].into_iter().chain(Service::WITH_DATABASE);
        let services = order
            .zip(0..)
            .map(|(service, step)| (service, Ports { http: base + step, admin: base + 10 + step }))
            .collect();
        Self { postgres: base + 21, broker: base + 20, services }
    }

    /// The ports of one process, with what they are for.
    fn of(&self, part: PartName) -> Vec<(u16, String)> {
        match part {
            PartName::Postgres => vec![(self.postgres, "PostgreSQL".to_owned())],
            PartName::Broker => vec![(self.broker, "the broker".to_owned())],
            PartName::Service(service) => self
                .services
                .get(&service)
                .map(|ports| {
                    vec![
                        (ports.http, service.name().to_owned()),
                        (ports.admin, format!("{service}'s admin port")),
                    ]
                })
                .unwrap_or_default(),
        }
    }

    /// Fails with one line if somebody else has one of the ports.
    ///
    /// # Errors
    ///
    /// Somebody has.
    pub fn check(&self, parts: &[PartName]) -> anyhow::Result<()> {
        let taken: Vec<String> = parts
            .iter()
            .flat_map(|part| self.of(*part))
            .filter(|(port, _)| !is_free(*port))
            .map(|(port, whose)| format!("{port} ({whose})"))
            .collect();
        match taken.as_slice() {
            [] => Ok(()),
            [one] => bail!(
                "port {one} is taken by another program: choose others with `./dev up --port-base 18000`"
            ),
            several => bail!(
                "ports {} are taken by other programs: choose others with `./dev up --port-base 18000`",
                several.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn ports(plan: &PortPlan) -> Vec<u16> {
        let mut ports: Vec<u16> =
            PartName::all().flat_map(|part| plan.of(part)).map(|(port, _)| port).collect();
        ports.sort_unstable();
        ports
    }

    #[test]
    fn no_two_processes_share_a_port() {
        for plan in [PortPlan::usual(), PortPlan::from_base(18_000), PortPlan::from_base(u16::MAX)]
        {
            let mut unique = ports(&plan);
            unique.dedup();
            assert_eq!(unique, ports(&plan));
            assert_eq!(unique.len(), 14);
        }
        assert_eq!(ports(&PortPlan::from_base(18_000))[0], 18_000);
    }

    #[test]
    fn a_taken_port_is_one_line_with_the_way_out() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut plan = PortPlan::usual();
        plan.broker = port;
        let message = plan.check(&[PartName::Broker]).unwrap_err().to_string();
        let expected = format!(
            "port {port} (the broker) is taken by another program: choose others with `./dev up --port-base 18000`"
        );
        assert_eq!(message, expected);
        drop(listener);
        plan.check(&[PartName::Broker]).unwrap();
    }

    #[test]
    fn a_service_brings_what_it_needs() {
        let auth = PartName::Service(Service::LoanAuth);
        assert_eq!(PartName::with_needs(&[auth]), [PartName::Postgres, PartName::Broker, auth]);
        assert_eq!(PartName::with_needs(&[PartName::Broker]), [PartName::Broker]);
        let gateway = PartName::Service(Service::Gateway);
        assert_eq!(PartName::with_needs(&[gateway]), [gateway]);
        assert_eq!("loan-auth".parse(), Ok(auth));
    }
}
