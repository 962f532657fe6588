//! Passwords, credentials and keys: made once, kept where only we can read.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use common::secrets::{CREDENTIAL_BYTES, random_text, signing_key};
use serde::{Deserialize, Serialize};

use crate::private;
use crate::services::Service;

/// What one system needs to keep to itself. Its `Debug` shows none of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// The password of PostgreSQL's superuser.
    pub superuser_password: String,
    /// The password of each service's role.
    pub role_passwords: BTreeMap<String, String>,
    /// What loan-request shows to loan-auth.
    pub service_credential: String,
    /// What tokens are signed with: Ed25519, PKCS#8, PEM.
    pub token_signing_key: String,
    /// What an operator shows to the services' admin APIs. A file from before
    /// there was one has none; it is made then.
    #[serde(default)]
    pub admin_credential: String,
}

impl Secrets {
    /// New ones.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn generate() -> anyhow::Result<Self> {
        let mut role_passwords = BTreeMap::new();
        for role in Service::WITH_DATABASE.iter().filter_map(|service| service.role()) {
            role_passwords.insert(role.to_owned(), random_text(CREDENTIAL_BYTES)?);
        }
        Ok(Self {
            superuser_password: random_text(CREDENTIAL_BYTES)?,
            role_passwords,
            service_credential: random_text(CREDENTIAL_BYTES)?,
            token_signing_key: signing_key()?,
            admin_credential: random_text(CREDENTIAL_BYTES)?,
        })
    }

    /// With the same passwords for the database's roles in every test: the roles
    /// belong to the server, which many tests share.
    #[must_use]
    pub(crate) fn with_passwords_of_tests(mut self) -> Self {
        for (role, password) in &mut self.role_passwords {
            *password = format!("{role}-of-tests");
        }
        self
    }

    /// Those kept in a file; made and written there if it does not exist.
    ///
    /// # Errors
    ///
    /// The file can't be read or written, or does not hold what it should.
    pub fn load_or_generate(file: &Path) -> anyhow::Result<Self> {
        match std::fs::read(file) {
            Ok(bytes) => {
                let mut secrets: Self = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} does not hold the secrets", file.display()))?;
                if secrets.admin_credential.is_empty() {
                    secrets.admin_credential = random_text(CREDENTIAL_BYTES)?;
                    secrets.write(file)?;
                }
                Ok(secrets)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secrets = Self::generate()?;
                secrets.write(file)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn write(&self, file: &Path) -> anyhow::Result<()> {
        write_private(file, &serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
///
/// The folder is not there or can't be written.
pub fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = file.with_extension("new");
    let mut handle =
        private::file(&unfinished, OpenOptions::new().create(true).write(true).truncate(true))?;
    handle.write_all(content)?;
    handle.sync_all()?;
    std::fs::rename(unfinished, file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_only_the_owner_may_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.json");
        let made = Secrets::load_or_generate(&file).unwrap();
        let read = Secrets::load_or_generate(&file).unwrap();
        assert_eq!(made.service_credential, read.service_credential);
        assert_eq!(made.token_signing_key, read.token_signing_key);
        assert_eq!(made.role_passwords.len(), 5);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_from_before_operators_had_a_credential_gets_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.json");
        let mut old = Secrets::generate().unwrap();
        old.admin_credential.clear();
        old.write(&file).unwrap();
        let read = Secrets::load_or_generate(&file).unwrap();
        assert_eq!(read.service_credential, old.service_credential);
        assert!(!read.admin_credential.is_empty());
        let again = Secrets::load_or_generate(&file).unwrap();
        assert_eq!(again.admin_credential, read.admin_credential);
    }

    #[test]
    fn debug_shows_no_secret() {
        let secrets = Secrets::generate().unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets { .. }");
    }
}
