//! What can be broken, and what each of these is called.

use std::fmt;
use std::str::FromStr;

use standalone::Service;

/// A process, or a group of equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Service(Service),
    Broker,
    Postgres,
}

/// A way between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    ClientToGateway,
    GatewayTo(Service),
    RequestToAuth,
    /// From all services to the keys by which tokens are checked.
    Keys,
    ToPostgres(Service),
    ToKafka(Service),
}

/// Something that is broken for a while and then healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// SIGKILL (of PostgreSQL: the immediate end, without a last checkpoint).
    Kill(Part),
    /// SIGSTOP, and SIGCONT after more than the time-outs.
    Stop(Part),
    /// Open connections are cut and new ones refused.
    Cut(Link),
    /// Nothing passes, in either direction.
    Hold(Link),
    /// All comes late, in both directions.
    Delay(Link),
    /// No space is left for its data.
    FullDisk(Part),
    /// Every process is ended in order (SIGTERM) and started again, one by one.
    RollingRestart,
    /// The wall clock jumps forward, or back, and returns.
    Clock { whose: Service, forward: bool },
}

impl Link {
    fn all() -> Vec<Self> {
        let mut all = vec![Self::ClientToGateway, Self::RequestToAuth, Self::Keys];
        for service in Service::WITH_DATABASE {
            all.extend([
                Self::GatewayTo(service),
                Self::ToPostgres(service),
                Self::ToKafka(service),
            ]);
        }
        all
    }
}

impl Fault {
    /// Every fault, in the order of their names' list.
    pub(crate) fn all() -> Vec<Self> {
        let services = Service::ALL.map(Part::Service);
        let mut all = Vec::new();
        all.extend(services.map(Self::Kill));
        all.extend([Self::Kill(Part::Broker), Self::Kill(Part::Postgres)]);
        all.extend(services.map(Self::Stop));
        all.push(Self::Stop(Part::Broker));
        for link in Link::all() {
            all.extend([Self::Cut(link), Self::Hold(link), Self::Delay(link)]);
        }
        all.extend([Self::FullDisk(Part::Broker), Self::FullDisk(Part::Postgres)]);
        all.push(Self::RollingRestart);
        for whose in Service::ALL {
            all.extend([true, false].map(|forward| Self::Clock { whose, forward }));
        }
        all
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "{service}"),
            Self::Broker => write!(f, "broker"),
            Self::Postgres => write!(f, "postgres"),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientToGateway => write!(f, "client-gateway"),
            Self::GatewayTo(service) => write!(f, "gateway-{service}"),
            Self::RequestToAuth => write!(f, "loan-request-loan-auth"),
            Self::Keys => write!(f, "services-keys"),
            Self::ToPostgres(service) => write!(f, "{service}-postgres"),
            Self::ToKafka(service) => write!(f, "{service}-kafka"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(part) => write!(f, "kill-{part}"),
            Self::Stop(part) => write!(f, "stop-{part}"),
            Self::Cut(link) => write!(f, "cut-{link}"),
            Self::Hold(link) => write!(f, "hold-{link}"),
            Self::Delay(link) => write!(f, "delay-{link}"),
            Self::FullDisk(part) => write!(f, "full-disk-{part}"),
            Self::RollingRestart => write!(f, "rolling-restart"),
            Self::Clock { whose, forward: true } => write!(f, "clock-forward-{whose}"),
            Self::Clock { whose, forward: false } => write!(f, "clock-back-{whose}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all()
            .into_iter()
            .find(|fault| fault.to_string() == text)
            .ok_or_else(|| format!("there is no fault `{text}`; --list-faults names them"))
    }
}

/// Faults that are there at the same time: `kill-broker+kill-loan-auth`. The
/// second begins while the first is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bundle(pub(crate) Vec<Fault>);

impl FromStr for Bundle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('+').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "+" })?;
        }
        Ok(())
    }
}

/// What is broken where nobody names anything: each fault by itself, and those
/// at once of which the second is worst while the first is there: a relay that
/// dies with what the broker has not taken, a consumer that dies with what the
/// database has not taken.
pub(crate) fn usual() -> Vec<Bundle> {
    let mut usual: Vec<Bundle> =
        Fault::all().into_iter().map(|fault| Bundle(vec![fault])).collect();
    for service in Service::WITH_DATABASE {
        let kill = Fault::Kill(Part::Service(service));
        usual.push(Bundle(vec![Fault::Kill(Part::Broker), kill]));
        usual.push(Bundle(vec![Fault::Hold(Link::ToPostgres(service)), kill]));
    }
    usual
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name_and_no_two_have_the_same() {
        let all = Fault::all();
        for fault in &all {
            assert_eq!(fault.to_string().parse(), Ok(*fault));
        }
        let names: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), all.len());
        assert!("kill-the-lights".parse::<Fault>().is_err());
    }

    #[test]
    fn faults_at_once_are_joined_by_a_plus() {
        let text = "kill-broker+kill-loan-auth";
        let bundle: Bundle = text.parse().unwrap();
        assert_eq!(bundle.0.len(), 2);
        assert_eq!(bundle.to_string(), text);
    }
}
