//! A role for each schema: no service's account at the database can read, write
//! or see what is another's. Every statement runs as that role, over the address
//! that the service itself is given.

use std::sync::Arc;

use anyhow::{Context, Result};
use journeys::harness::{Journey, SCHEMAS};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use standalone::net::PortBlock;
use standalone::postgres::PostgresSettings;
use standalone::secrets::Secrets;
use standalone::{Postgres, Service};

use crate::contract::Findings;

/// PostgreSQL's code for "you may not".
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// Its code for a password that is another's.
const WRONG_PASSWORD: &str = "28P01";

/// What a statement came to: PostgreSQL's code of the error, if it failed.
async fn tried(connection: &mut PgConnection, statement: &str) -> Option<String> {
    // In a transaction that never commits: what should fail and doesn't leaves nothing.
    let mut transaction = connection.begin().await.unwrap();
    let outcome =
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut *transaction).await;
    transaction.rollback().await.unwrap();
    let error = outcome.err()?;
    let code = error.as_database_error().and_then(|error| error.code());
    Some(code.map_or_else(|| error.to_string(), |code| code.into_owned()))
}

/// `schema.table` of every table, by the superuser's eyes.
async fn tables(journey: &Journey) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query(
        "SELECT schemaname::text, tablename::text FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    );
    let rows = rows.fetch_all(&journey.db).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

// what a service's account may not, and that it may what it must.
#[tokio::test]
async fn a_services_role_sees_its_own_schema_and_nothing_else() -> Result<()> {
    // A server as `./dev up` makes it, which asks for passwords.
    let (folder, mut ports) = (tempfile::tempdir()?, PortBlock::take()?);
    let settings = PostgresSettings {
        folder: folder.path().join("server"),
        port: ports.port()?,
        log: folder.path().join("log"),
        durable: true,
        connections_max: 200,
        launcher: standalone::binaries::launcher(),
    };
    let server = Arc::new(Postgres::start(&settings, &Secrets::generate()?).await?);
    let journey = Journey::start_with(|stack| stack.postgres(server)).await?;
    sqlx::query("CREATE TABLE public.left_lying (secret text)").execute(&journey.db).await?;
    let mut findings = Findings::default();
    let all = tables(&journey).await?;
    for schema in SCHEMAS {
        let own = all.iter().filter(|(owner, _)| owner == schema).count();
        findings.check(own >= 6, || format!("{schema} has only {own} tables"));
    }
    for service in Service::WITH_DATABASE {
        let role = service.role().context("a role")?;
        let url = journey.stack.database().url(service).context("an address")?;
        let mut connection = PgConnection::connect(&url).await?;
        is_nobody_special(&mut connection, role, &mut findings).await?;
        has_its_own(&mut connection, role, &all, &mut findings).await?;
        others_are_closed(&mut connection, role, &all, &mut findings).await?;
        the_rest_is_closed(&mut connection, role, &mut findings).await?;
        connection.close().await?;
        other_databases_are_closed(&url, role, &mut findings).await?;
    }
    every_process_uses_its_role(&journey, &mut findings).await?;
    findings.conclude();
    journey.finish().await
}

async fn is_nobody_special(
    connection: &mut PgConnection,
    role: &str,
    findings: &mut Findings,
) -> Result<()> {
    let row = sqlx::query(
        "SELECT rolname::text, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
                (SELECT count(*) FROM pg_auth_members WHERE member = pg_roles.oid),
                current_setting('search_path')
         FROM pg_roles WHERE rolname = current_user",
    );
    let row = row.fetch_one(connection).await?;
    let (name, special, memberships, path): (String, bool, i64, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    findings.check(name == role, || format!("{role} is {name}"));
    findings.check(!special && memberships == 0, || format!("{role} may more than others"));
    findings.check(path == role, || format!("{role} looks for tables in {path}"));
    Ok(())
}

async fn has_its_own(
    connection: &mut PgConnection,
    role: &str,
    all: &[(String, String)],
    findings: &mut Findings,
) -> Result<()> {
    for (_, table) in all.iter().filter(|(schema, _)| schema == role) {
        // Unqualified: a table of another schema can't be meant by mistake.
        let outcome = tried(connection, &format!("SELECT count(*) FROM {table}")).await;
        findings.check(outcome.is_none(), || format!("{role} can't read its {table}: {outcome:?}"));
    }
    let seen: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT table_schema::text FROM information_schema.tables
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(connection)
    .await?;
    findings.check(seen == [role], || format!("{role} sees the tables of {seen:?}"));
    Ok(())
}

async fn others_are_closed(
    connection: &mut PgConnection,
    role: &str,
    all: &[(String, String)],
    findings: &mut Findings,
) -> Result<()> {
    for (schema, table) in all.iter().filter(|(schema, _)| schema != role) {
        for statement in [
            format!("SELECT * FROM {schema}.{table}"),
            format!("SELECT 1 FROM {schema}.{table} FOR UPDATE"),
            format!("INSERT INTO {schema}.{table} DEFAULT VALUES"),
            format!("DELETE FROM {schema}.{table}"),
            format!("TRUNCATE {schema}.{table}"),
            format!("LOCK TABLE {schema}.{table} IN ACCESS SHARE MODE"),
            format!("ALTER TABLE {schema}.{table} ADD COLUMN mine text"),
            format!("DROP TABLE {schema}.{table}"),
            format!("COPY {schema}.{table} TO STDOUT"),
            format!("CREATE VIEW {role}.window AS SELECT * FROM {schema}.{table}"),
            format!("CREATE TABLE {role}.copy (LIKE {schema}.{table})"),
            format!("SELECT '{schema}.{table}'::regclass"),
        ] {
            let outcome = tried(connection, &statement).await;
            findings.check(outcome.as_deref() == Some(INSUFFICIENT_PRIVILEGE), || {
                format!("{role}: {statement}: {outcome:?}")
            });
        }
    }
    let columns: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM information_schema.columns
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema', current_user)",
    )
    .fetch_one(&mut *connection)
    .await?;
    findings.check(columns == 0, || format!("{role} sees {columns} columns of others"));
    // Grants that no statement above has asked for, on anything that is there.
    let granted: Vec<String> = sqlx::query_scalar(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', current_user)
           AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE, SELECT, UPDATE')
                    WHEN c.relkind IN ('r', 'v', 'm', 'p', 'f')
                    THEN has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                      OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
                    ELSE false END
         UNION ALL
         SELECT nspname FROM pg_namespace
         WHERE nspname NOT IN ('pg_catalog', 'information_schema', current_user)
           AND has_schema_privilege(oid, 'USAGE, CREATE')",
    )
    .fetch_all(&mut *connection)
    .await?;
    findings.check(granted.is_empty(), || format!("{role} was granted something on {granted:?}"));
    Ok(())
}

async fn the_rest_is_closed(
    connection: &mut PgConnection,
    role: &str,
    findings: &mut Findings,
) -> Result<()> {
    let other = SCHEMAS.into_iter().find(|schema| *schema != role).context("another role")?;
    for statement in [
        "SELECT * FROM public.left_lying".to_owned(),
        "CREATE TABLE public.mine (a int)".to_owned(),
        format!("CREATE TABLE {other}.mine (a int)"),
        "CREATE SCHEMA mine".to_owned(),
        "CREATE TEMPORARY TABLE mine (a int)".to_owned(),
        format!("CREATE FUNCTION {other}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        format!("SET ROLE {other}"),
        "SET ROLE postgres".to_owned(),
        format!("SET SESSION AUTHORIZATION {other}"),
        format!("GRANT {other} TO {role}"),
        format!("GRANT USAGE ON SCHEMA {other} TO {role}"),
        format!("ALTER ROLE {role} SUPERUSER"),
        format!("ALTER ROLE {other} PASSWORD 'mine'"),
        format!("ALTER SCHEMA {other} OWNER TO {role}"),
        "CREATE ROLE mine".to_owned(),
        "CREATE EXTENSION pg_stat_statements".to_owned(),
        "SELECT * FROM pg_authid".to_owned(),
        "SELECT * FROM pg_shadow".to_owned(),
        "SELECT pg_read_file('postgresql.conf')".to_owned(),
        "SELECT lo_import('/etc/passwd')".to_owned(),
        "COPY (SELECT 1) TO PROGRAM 'true'".to_owned(),
        "COPY (SELECT 1) TO '/tmp/mine'".to_owned(),
        "SET log_statement = 'all'".to_owned(),
    ] {
        // loan-status makes its read model anew in temporary tables.
        if role == "loan_status" && statement.starts_with("CREATE TEMPORARY") {
            continue;
        }
        let outcome = tried(connection, &statement).await;
        findings.check(outcome.as_deref() == Some(INSUFFICIENT_PRIVILEGE), || {
            format!("{role}: {statement}: {outcome:?}")
        });
    }
    // What the others are doing at this moment, with the values in it.
    let overheard: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE usename <> current_user AND query NOT IN ('', '<insufficient privilege>')",
    )
    .fetch_one(connection)
    .await?;
    findings.check(overheard == 0, || format!("{role} reads {overheard} statements of others"));
    Ok(())
}

async fn other_databases_are_closed(url: &str, role: &str, findings: &mut Findings) -> Result<()> {
    for database in ["postgres", "template1", "template0"] {
        let mut elsewhere: url::Url = url.parse()?;
        elsewhere.set_path(database);
        let outcome = PgConnection::connect(elsewhere.as_str()).await;
        let code = outcome.err().and_then(|error| {
            error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
        });
        let is_refused = matches!(code.as_deref(), Some(INSUFFICIENT_PRIVILEGE | "55000"));
        findings.check(is_refused, || format!("{role} connects to {database}: {code:?}"));
    }
    for other in SCHEMAS.into_iter().filter(|other| *other != role) {
        let mut as_another: url::Url = url.parse()?;
        as_another.set_username(other).ok().context("a user")?;
        let outcome = PgConnection::connect(as_another.as_str()).await;
        let code = outcome.err().and_then(|error| {
            error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
        });
        findings.check(code.as_deref() == Some(WRONG_PASSWORD), || {
            format!("{role}'s password opens {other}: {code:?}")
        });
    }
    Ok(())
}

/// Nobody but the five roles (and this journey's own look) is connected, and
/// everything in a schema belongs to its role.
async fn every_process_uses_its_role(journey: &Journey, findings: &mut Findings) -> Result<()> {
    let connected: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT usename::text FROM pg_stat_activity
         WHERE datname = current_database() AND backend_type = 'client backend'
           AND usename <> current_user ORDER BY 1",
    )
    .fetch_all(&journey.db)
    .await?;
    let mut wanted = SCHEMAS.map(str::to_owned);
    wanted.sort();
    findings.check(connected == wanted, || format!("connected are {connected:?}"));
    let mine: i64 = journey
        .count(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND backend_type = 'client backend' AND usename = current_user",
        )
        .await?;
    findings.check(mine <= 4, || format!("{mine} connections of a superuser"));
    let foreign = "SELECT count(*) FROM pg_tables
        WHERE schemaname LIKE 'loan\\_%' AND tableowner <> schemaname";
    let foreign = journey.count(foreign).await?;
    findings.check(foreign == 0, || format!("{foreign} tables belong to somebody else"));
    Ok(())
}
