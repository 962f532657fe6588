//! What each of the six processes is told: one place for the supervisor and
//! the tests.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::postgres::Database;
use crate::secrets::Secrets;
use crate::services::Service;

/// Where one process listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The service itself.
    pub http: u16,
    /// Health and metrics.
    pub admin: u16,
}

impl Ports {
    /// The service's address.
    #[must_use]
    pub fn http_address(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.http).into()
    }

    /// The admin address.
    #[must_use]
    pub fn admin_address(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.admin).into()
    }
}

/// Everything that the processes must know of each other.
#[derive(Debug, Clone)]
pub struct Wiring {
    /// Where each listens.
    pub ports: BTreeMap<Service, Ports>,
    /// The broker.
    pub bootstrap: String,
    /// The database, unless nobody has one.
    pub database: Option<Database>,
    /// Credentials and keys.
    pub secrets: Secrets,
}

impl Wiring {
    /// The address of a service; one that this system does not run has none
    /// that answers.
    #[must_use]
    pub fn url(&self, service: Service) -> String {
        let port = self.ports.get(&service).map_or(1, |ports| ports.http);
        format!("http://127.0.0.1:{port}")
    }

    /// The environment of `loanctl`: where the admin APIs are, and what opens them.
    #[must_use]
    pub fn operator_environment(&self) -> Vec<(String, String)> {
        let admin = |service: Service| {
            let ports = self.ports.get(&service)?;
            Some(format!("http://{}", ports.admin_address()))
        };
        operator_environment(admin, &self.bootstrap, &self.secrets)
    }

    /// The environment of one process that listens on `ports`.
    #[must_use]
    pub fn environment(&self, service: Service, ports: Ports) -> Vec<(String, String)> {
        let mut environment = vec![
            ("HTTP_ADDR", ports.http_address().to_string()),
            ("ADMIN_ADDR", ports.admin_address().to_string()),
            ("JWKS_URL", format!("{}/.well-known/jwks.json", self.url(Service::LoanAuth))),
            // Six of them, the database and the broker share the machine: handing work
            // from thread to thread costs more here than it gains.
            ("TOKIO_WORKER_THREADS", "1".to_owned()),
            // glibc keeps what is freed, per thread, and a password hash takes 19 MiB:
            // with these it gives large pieces back. Half of loan-auth's memory.
            ("MALLOC_ARENA_MAX", "2".to_owned()),
            ("MALLOC_MMAP_THRESHOLD_", "262144".to_owned()),
            ("MALLOC_TRIM_THRESHOLD_", "262144".to_owned()),
        ];
        environment.push(("ADMIN_CREDENTIAL", admin_credential(&self.secrets)));
        if let Some(url) = self.database.as_ref().and_then(|database| database.url(service)) {
            environment.push(("DATABASE_URL", url));
            environment.push(("KAFKA_BOOTSTRAP", self.bootstrap.clone()));
            // The gateway; and so whoever else is on this machine.
            environment.push(("TRUSTED_PROXIES", "127.0.0.1/32,::1/128".to_owned()));
        }
        match service {
            Service::LoanRequest => {
                environment.push(("AUTH_URL", self.url(Service::LoanAuth)));
                environment.push(("SERVICE_CREDENTIAL", self.secrets.service_credential.clone()));
            }
            Service::LoanAuth => {
                environment.push(("SERVICE_CREDENTIALS", self.secrets.service_credential.clone()));
                environment.push(("TOKEN_SIGNING_KEYS", self.secrets.token_signing_key.clone()));
            }
            Service::Gateway => {
                for (name, upstream) in [
                    ("REQUEST_URL", Service::LoanRequest),
                    ("AUTH_URL", Service::LoanAuth),
                    ("MANAGER_URL", Service::LoanManager),
                    ("MESSENGER_URL", Service::LoanMessenger),
                    ("STATUS_URL", Service::LoanStatus),
                ] {
                    environment.push((name, self.url(upstream)));
                }
            }
            Service::LoanManager | Service::LoanMessenger | Service::LoanStatus => {}
        }
        environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The credential of this machine's operator, whose name stands in the log of
/// changes and who may do everything: it is one person, and no real customer's data.
fn admin_credential(secrets: &Secrets) -> String {
    format!("local:repair+accounts:{}", secrets.admin_credential)
}

/// What `loanctl` is told of a system: the address of each service's admin port,
/// the broker, and the credential.
pub(crate) fn operator_environment(
    admin: impl Fn(Service) -> Option<String>,
    bootstrap: &str,
    secrets: &Secrets,
) -> Vec<(String, String)> {
    let addresses = [
        ("REQUEST_ADMIN_URL", Service::LoanRequest),
        ("AUTH_ADMIN_URL", Service::LoanAuth),
        ("MANAGER_ADMIN_URL", Service::LoanManager),
        ("MESSENGER_ADMIN_URL", Service::LoanMessenger),
        ("STATUS_ADMIN_URL", Service::LoanStatus),
        ("GATEWAY_ADMIN_URL", Service::Gateway),
    ];
    let mut environment: Vec<_> = addresses
        .into_iter()
        .filter_map(|(name, service)| Some((name.to_owned(), admin(service)?)))
        .collect();
    environment.push(("KAFKA_BOOTSTRAP".to_owned(), bootstrap.to_owned()));
    environment.push(("ADMIN_CREDENTIAL".to_owned(), admin_credential(secrets)));
    environment
}

/// The address of a folder, as settings want it (RFC 8089).
#[must_use]
pub fn file_url(folder: &Path) -> String {
    // What may stand in a path as it is; all else is encoded.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let bytes = folder.as_os_str().as_encoded_bytes().iter();
    let path: String =
        bytes
            .map(|byte| {
                if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
            })
            .collect();
    format!("file://{path}")
}

/// What makes a system one to try things on: the demo accounts, any local web
/// page, and more requests than in production.
#[must_use]
pub fn for_trying(service: Service) -> Vec<(&'static str, &'static str)> {
    match service {
        Service::LoanAuth => vec![("DEMO_DATA", "true")],
        Service::Gateway => {
            vec![
                ("CORS_ORIGINS", "http://localhost:*"),
                ("RATE_LIMIT_PER_SECOND", "5000"),
                ("RATE_LIMIT_COSTLY_PER_SECOND", "5000"),
            ]
        }
        // A receiver on this machine can be tried too.
        Service::LoanMessenger => vec![("WEBHOOK_TARGETS", "any")],
        _ => vec![],
    }
}
