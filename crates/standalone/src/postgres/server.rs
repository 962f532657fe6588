//! A server's address.

use anyhow::Context as _;
use url::Url;

use super::{Database, SUPERUSER, provision};
use crate::secrets::Secrets;

/// Where a running server is, and its superuser. Its `Debug` shows no password.
#[derive(Clone)]
pub struct Server {
    superuser: Url,
}

impl Server {
    /// One that we run on this machine.
    pub(super) fn local(port: u16, superuser_password: &str) -> Self {
        let text = format!("postgres://{SUPERUSER}:{superuser_password}@127.0.0.1:{port}/postgres");
        #[expect(clippy::expect_used, reason = "a base64url password and a number make an address")]
        let superuser = Url::parse(&text).expect("an address");
        Self { superuser }
    }

    /// Any one, by its superuser's address.
    ///
    /// # Errors
    ///
    /// It is not an address.
    pub fn from_url(url: &str) -> anyhow::Result<Self> {
        // The parser's error would not show the password, but this is plainer.
        let superuser = Url::parse(url).ok().context("it is not an address")?;
        Ok(Self { superuser })
    }

    /// Makes a database with the five roles and schemas in it. Roles and their
    /// passwords belong to the server: all its databases share them.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub async fn database(&self, name: &str, secrets: &Secrets) -> anyhow::Result<Database> {
        provision::provision(self, name, secrets)
            .await
            .with_context(|| format!("cannot make the database {name}"))
    }

    pub(super) fn url(&self, role: &str, password: &str, database: &str) -> String {
        let mut url = self.superuser.clone();
        // These two fail only for addresses without a host, which this is not.
        let _ = url.set_username(role);
        let _ = url.set_password(Some(password));
        url.set_path(database);
        url.to_string()
    }

    pub(super) fn superuser_url(&self, database: &str) -> String {
        let mut url = self.superuser.clone();
        url.set_path(database);
        url.to_string()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("port", &self.superuser.port()).finish_non_exhaustive()
    }
}
