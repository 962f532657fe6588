//! The private PostgreSQL: who sees what, what outlives what, what is left.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use standalone::net::PortBlock;
use standalone::postgres::PostgresSettings;
use standalone::secrets::Secrets;
use standalone::{Postgres, Service};

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect(url).await
}

#[tokio::test]
async fn a_role_has_its_own_schema_and_sees_no_other() {
    let postgres = Postgres::throw_away().await.unwrap();
    let database = postgres.database("loan").await.unwrap();
    let auth = database.url(Service::LoanAuth).unwrap();
    let request = database.url(Service::LoanRequest).unwrap();
    assert_eq!(database.url(Service::Gateway), None);

    let mut auth = connect(&auth).await.unwrap();
    auth.execute("CREATE TABLE person (name text)").await.unwrap();
    auth.execute("INSERT INTO person VALUES ('유은상')").await.unwrap();
    let schema: String =
        sqlx::query_scalar("SELECT schemaname FROM pg_tables WHERE tablename = 'person'")
            .fetch_one(&mut auth)
            .await
            .unwrap();
    assert_eq!(schema, "loan_auth");

    let mut request = connect(&request).await.unwrap();
    for forbidden in [
        "SELECT * FROM loan_auth.person",
        "CREATE TABLE loan_auth.mine ()",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "SET ROLE loan_auth",
    ] {
        let refused = request.execute(forbidden).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {refused}");
    }
    for other in ["postgres", "template1"] {
        let url =
            database.url(Service::LoanRequest).unwrap().replace("/loan", &format!("/{other}"));
        assert!(connect(&url).await.is_err(), "{other}");
    }
}

#[tokio::test]
async fn two_databases_of_one_server_are_apart_and_can_be_made_again() {
    let postgres = Postgres::throw_away().await.unwrap();
    let (one, other) =
        tokio::try_join!(postgres.database("one"), postgres.database("other")).unwrap();
    let mut connection = connect(&one.url(Service::LoanAuth).unwrap()).await.unwrap();
    connection.execute("CREATE TABLE person ()").await.unwrap();
    let again = postgres.database("one").await.unwrap();
    let mut connection = connect(&again.url(Service::LoanAuth).unwrap()).await.unwrap();
    connection.execute("SELECT FROM person").await.unwrap();
    let mut connection = connect(&other.url(Service::LoanAuth).unwrap()).await.unwrap();
    assert!(connection.execute("SELECT FROM person").await.is_err());
    other.remove().await.unwrap();
    assert!(connect(&other.superuser_url()).await.is_err());
}

#[tokio::test]
async fn a_kept_server_asks_for_passwords_and_outlives_a_crash() {
    let folder = tempfile::Builder::new().prefix("online loan ").tempdir_in("/tmp").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut ports = PortBlock::take().unwrap();
    let settings = PostgresSettings {
        folder: folder.path().join("a server"),
        port: ports.port().unwrap(),
        log: folder.path().join("log"),
        durable: true,
        connections_max: 20,
        launcher: Some(env!("CARGO_BIN_EXE_standalone").into()),
    };
    let secrets = Secrets::generate().unwrap();
    let mut postgres = Postgres::start(&settings, &secrets).await.unwrap();
    let database = postgres.database("loan").await.unwrap();
    let url = database.url(Service::LoanAuth).unwrap();
    let password = &secrets.role_passwords["loan_auth"];
    assert!(connect(&url.replace(password.as_str(), "guessed")).await.is_err());
    let mut connection = connect(&url).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 1 AS number").await.unwrap();

    postgres.crash().await.unwrap();
    postgres.start_again().await.unwrap();
    let mut connection = connect(&url).await.unwrap();
    let number: i32 =
        sqlx::query_scalar("SELECT number FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(number, 1);
    let fsync: String =
        sqlx::query_scalar(AssertSqlSafe("SHOW fsync")).fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");

    // Ended and started as another process, it has its data and the same password.
    drop(connection);
    assert!(postgres.stop().await.unwrap().success());
    drop(postgres);
    let postgres = Postgres::start(&settings, &secrets).await.unwrap();
    postgres.database("loan").await.unwrap();
    connect(&url).await.unwrap().execute("SELECT FROM kept").await.unwrap();
}

#[tokio::test]
async fn a_throw_away_server_leaves_nothing() {
    let mut postgres = Postgres::throw_away().await.unwrap();
    let url = postgres.superuser_url();
    let folder = postgres.process_mut().log_path().parent().unwrap().to_path_buf();
    assert!(folder.exists());
    drop(postgres);
    assert!(!folder.exists());
    assert!(connect(&url).await.is_err());
}
