//! A stack's database, which goes when the stack goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

use crate::environment::variable;
use crate::postgres::{Database, Postgres, Server};
use crate::secrets::Secrets;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database on somebody's server.
#[derive(Debug)]
pub(super) struct OwnDatabase {
    database: Database,
    // After the database, whose drop still needs it.
    server: Option<Arc<Postgres>>,
}

impl OwnDatabase {
    pub(super) async fn create(
        given: Option<Arc<Postgres>>,
        own: bool,
        secrets: &Secrets,
    ) -> anyhow::Result<Self> {
        let name = format!("stack_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let external = variable("DATABASE_URL").filter(|_| given.is_none() && !own);
        if let Some(url) = external {
            let server =
                Server::from_url(&url.to_string_lossy()).context("DATABASE_URL cannot be read")?;
            return Ok(Self { database: server.database(&name, secrets).await?, server: None });
        }
        let server = match given {
            Some(server) => server,
            None => Arc::new(Postgres::throw_away().await?),
        };
        let database = server.server().database(&name, secrets).await?;
        Ok(Self { database, server: Some(server) })
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The server, if nobody else uses it.
    pub(super) fn server_mut(&mut self) -> Option<&mut Postgres> {
        self.server.as_mut().and_then(Arc::get_mut)
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        // A server that is ours alone takes its databases with it.
        if self.server.as_ref().is_some_and(|server| Arc::strong_count(server) == 1) {
            return;
        }
        let database = self.database.clone();
        // On a thread of its own: this may run inside a runtime, which must not
        // be blocked on from within.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(database.remove()),
                Err(error) => Err(error.into()),
            }
        });
        match dropping.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot drop a stack's database"),
            Err(_) => tracing::warn!("cannot drop a stack's database"),
        }
    }
}
