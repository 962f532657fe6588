//! What is secret is changed while it is in use, in the steps that docs/operations.md gives
//! an operator.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use journeys::client::Client;
use sqlx::{AssertSqlSafe, PgPool, Row};
use standalone::Service;
use standalone::secrets::Secrets;

use crate::Parts;

/// The settings that hold them.
const KEYS: &str = "TOKEN_SIGNING_KEYS";
const KNOWN: &str = "SERVICE_CREDENTIALS";
const SHOWN: &str = "SERVICE_CREDENTIAL";

/// Changes all of them, one after another.
pub(crate) async fn rotate(parts: &mut Parts) -> Result<()> {
    let new = Secrets::generate()?;
    let client = Client::try_new(parts.balanced.front()?)?;
    keys_and_credential(parts, &client, &new).await?;
    for service in Service::WITH_DATABASE {
        login(parts, service, &new).await?;
    }
    Ok(())
}

/// The new key behind the old one, then before it, then alone; and in the same turns the
/// new credential known, shown, and the old one forgotten.
async fn keys_and_credential(parts: &mut Parts, client: &Client, new: &Secrets) -> Result<()> {
    let old = parts.stack.secrets().clone();
    let before = client.demo_customer().await?;
    println!("the new key and the new credential are known");
    let both = format!("{}\n{}", old.token_signing_key, new.token_signing_key);
    let known = format!("{},{}", old.service_credential, new.service_credential);
    parts.stack.set_env(Service::LoanAuth, KEYS, &both);
    parts.stack.set_env(Service::LoanAuth, KNOWN, &known);
    parts.replace(Service::LoanAuth, false).await?;

    println!("the new credential is shown");
    parts.stack.set_env(Service::LoanRequest, SHOWN, &new.service_credential);
    parts.replace(Service::LoanRequest, false).await?;

    println!("the new key signs, and the old credential is not known any more");
    let both = format!("{}\n{}", new.token_signing_key, old.token_signing_key);
    parts.stack.set_env(Service::LoanAuth, KEYS, &both);
    parts.stack.set_env(Service::LoanAuth, KNOWN, &new.service_credential);
    parts.replace(Service::LoanAuth, false).await?;
    let after = client.demo_customer().await?;
    ensure!(key_of(&before)? != key_of(&after)?, "the old key still signs");
    for token in [&before, &after] {
        client.get("/loanRequests?size=1", token).await?.expect(200)?;
    }

    println!("the old key is gone");
    parts.stack.set_env(Service::LoanAuth, KEYS, &new.token_signing_key);
    parts.replace(Service::LoanAuth, false).await?;
    client.get("/loanRequests?size=1", &client.demo_customer().await?).await?.expect(200)?;
    Ok(())
}

/// Which key has signed a token: its head is as good as its key's id.
fn key_of(token: &str) -> Result<&str> {
    token.split('.').next().context("no token")
}

/// A second login for the role that owns the schema; the services change over; the first
/// one is closed.
async fn login(parts: &mut Parts, service: Service, new: &Secrets) -> Result<()> {
    let role = service.role().context("a role")?;
    let next = format!("{role}_next");
    let password = new.role_passwords.get(role).context("a password")?;
    let url = parts.stack.database().superuser_url();
    let db = PgPool::connect(&url).await?;
    println!("{service} logs in as {next}");
    let database: String =
        sqlx::query("SELECT current_database()").fetch_one(&db).await?.try_get(0)?;
    for sql in [
        // Only the names that are ours, and passwords of base64url.
        format!("CREATE ROLE {next} LOGIN IN ROLE {role} PASSWORD '{password}'"),
        format!("ALTER ROLE {next} IN DATABASE \"{database}\" SET search_path = {role}"),
        // What it makes belongs to the role, as before.
        format!("ALTER ROLE {next} IN DATABASE \"{database}\" SET role = {role}"),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&db).await?;
    }
    let own = parts.stack.database().url(service).context("an address")?;
    let (_, place) = own.rsplit_once('@').context("an address with a login")?;
    let own = format!("postgres://{next}:{password}@{place}");
    parts.stack.set_env(service, "DATABASE_URL", &own);
    parts.replace(service, false).await?;
    sqlx::query(AssertSqlSafe(format!("ALTER ROLE {role} NOLOGIN"))).execute(&db).await?;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    let mut left: i64 = sqlx::query_scalar(sessions).bind(role).fetch_one(&db).await?;
    for _ in 0..50 {
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        left = sqlx::query_scalar(sessions).bind(role).fetch_one(&db).await?;
    }
    ensure!(left == 0, "{left} sessions still use the old login of {service}");
    db.close().await;
    Ok(())
}
