//! The six services: what they are called and where they listen.

use std::str::FromStr;

/// One of the six.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Takes requests.
    LoanRequest,
    /// Certifies people.
    LoanAuth,
    /// Keeps the loans.
    LoanManager,
    /// Tells customers.
    LoanMessenger,
    /// Shows the state.
    LoanStatus,
    /// Stands in front.
    Gateway,
}

impl Service {
    /// All six, in the order in which they are started.
    pub const ALL: [Self; 6] = [
        Self::LoanAuth,
        Self::LoanRequest,
        Self::LoanManager,
        Self::LoanMessenger,
        Self::LoanStatus,
        Self::Gateway,
    ];

    /// The five that own a schema.
    pub const WITH_DATABASE: [Self; 5] = [
        Self::LoanAuth,
        Self::LoanRequest,
        Self::LoanManager,
        Self::LoanMessenger,
        Self::LoanStatus,
    ];

    /// Its name, which is that of its binary and of its consumer group.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoanRequest => "loan-request",
            Self::LoanAuth => "loan-auth",
            Self::LoanManager => "loan-manager",
            Self::LoanMessenger => "loan-messenger",
            Self::LoanStatus => "loan-status",
            Self::Gateway => "gateway",
        }
    }

    /// The database role and schema, for those that have one.
    #[must_use]
    pub const fn role(self) -> Option<&'static str> {
        match self {
            Self::LoanRequest => Some("loan_request"),
            Self::LoanAuth => Some("loan_auth"),
            Self::LoanManager => Some("loan_manager"),
            Self::LoanMessenger => Some("loan_messenger"),
            Self::LoanStatus => Some("loan_status"),
            Self::Gateway => None,
        }
    }

    /// The port it has where nobody says otherwise; the admin port is 1000 above.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::LoanRequest => 8290,
            Self::LoanAuth => 8291,
            Self::LoanManager => 8292,
            Self::LoanMessenger => 8293,
            Self::LoanStatus => 8294,
            Self::Gateway => 8080,
        }
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|service| service.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no service `{text}`; the services are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_found_by_its_name() {
        for service in Service::ALL {
            assert_eq!(service.name().parse(), Ok(service));
        }
        assert!("loan-shark".parse::<Service>().is_err());
    }

    #[test]
    fn those_with_a_database_are_those_with_a_role() {
        let with_role: Vec<_> =
            Service::ALL.into_iter().filter(|service| service.role().is_some()).collect();
        assert_eq!(with_role, Service::WITH_DATABASE);
    }
}
