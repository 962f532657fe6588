//! A database in which each service's role sees its own schema and nothing else.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Server;
use crate::secrets::Secrets;
use crate::services::Service;

/// A database with the five roles and schemas.
#[derive(Debug, Clone)]
pub struct Database {
    server: Server,
    name: String,
    passwords: Secrets,
}

impl Database {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address under which a service reaches it; none for the gateway.
    #[must_use]
    pub fn url(&self, service: Service) -> Option<String> {
        let role = service.role()?;
        let password = self.passwords.role_passwords.get(role)?;
        Some(self.server.url(role, password, &self.name))
    }

    /// The address for someone who may see everything.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        self.server.superuser_url(&self.name)
    }

    /// Removes it, whoever is still connected.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub async fn remove(&self) -> anyhow::Result<()> {
        let mut admin = connect(&self.server.superuser_url("postgres")).await?;
        execute(&mut admin, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.name)))
            .await?;
        admin.close().await?;
        Ok(())
    }
}

/// Makes the database, the roles and the schemas, or brings those that are
/// there to what they must be. Does no harm when repeated.
pub(super) async fn provision(
    server: &Server,
    name: &str,
    secrets: &Secrets,
) -> anyhow::Result<Database> {
    let mut admin = connect(&server.superuser_url("postgres")).await?;
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(&mut admin)
            .await?;
    if !exists {
        execute(&mut admin, format!("CREATE DATABASE {}", quoted(name))).await?;
    }
    let mut transaction = admin.begin().await?;
    // Roles belong to the whole server: several databases may be made at once.
    execute(&mut transaction, "SELECT pg_advisory_xact_lock(7310)".to_owned()).await?;
    for (role, password) in &secrets.role_passwords {
        make_role(&mut transaction, role, password).await?;
    }
    execute(&mut transaction, format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quoted(name)))
        .await?;
    for role in secrets.role_passwords.keys() {
        // The read model is made anew in temporary tables, which nobody else needs.
        let is_read_model = Service::LoanStatus.role() == Some(role.as_str());
        let rights = if is_read_model { "CONNECT, TEMPORARY" } else { "CONNECT" };
        let (database, role) = (quoted(name), quoted(role));
        execute(&mut transaction, format!("GRANT {rights} ON DATABASE {database} TO {role}"))
            .await?;
        execute(
            &mut transaction,
            format!("ALTER ROLE {role} IN DATABASE {database} SET search_path = {role}"),
        )
        .await?;
    }
    transaction.commit().await?;
    admin.close().await?;

    let mut inside = connect(&server.superuser_url(name)).await?;
    execute(&mut inside, "REVOKE ALL ON SCHEMA public FROM PUBLIC".to_owned()).await?;
    for role in secrets.role_passwords.keys().map(|role| quoted(role)) {
        execute(&mut inside, format!("CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {role}"))
            .await?;
        execute(&mut inside, format!("REVOKE ALL ON SCHEMA {role} FROM PUBLIC")).await?;
    }
    inside.close().await?;
    Ok(Database { server: server.clone(), name: name.to_owned(), passwords: secrets.clone() })
}

/// Keeps every role that is not ours to keep out of the server's own databases.
pub(super) async fn close_to_public(server: &Server) -> anyhow::Result<()> {
    let mut admin = connect(&server.superuser_url("postgres")).await?;
    for database in ["postgres", "template1"] {
        execute(&mut admin, format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC")).await?;
    }
    execute(&mut admin, "REVOKE ALL ON SCHEMA public FROM PUBLIC".to_owned()).await?;
    admin.close().await?;
    Ok(())
}

async fn make_role(
    connection: &mut PgConnection,
    role: &str,
    password: &str,
) -> anyhow::Result<()> {
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(role)
            .fetch_one(&mut *connection)
            .await?;
    let verb = if exists { "ALTER" } else { "CREATE" };
    // Our passwords are base64url: nothing in them needs escaping.
    execute(
        connection,
        format!(
            "{verb} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{password}'",
            quoted(role)
        ),
    )
    .await
}

async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(url).await.context("cannot connect to PostgreSQL")
}

/// Runs a statement that has names in it, which cannot be bound: all of them
/// are ours.
async fn execute(connection: &mut PgConnection, statement: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
