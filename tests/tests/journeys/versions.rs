//! Two versions beside each other: what a rollout, and a way back, stand on.

use anyhow::{Context as _, Result};
use journeys::harness::Journey;
use standalone::Service;
use tokio::process::Command;

// a version that was there before starts again where a newer one has added to the
// tables; nothing else lets anybody go back.
#[tokio::test]
async fn a_service_starts_where_a_newer_version_has_been() -> Result<()> {
    let mut journey = Journey::start().await?;
    for service in Service::WITH_DATABASE {
        let schema = service.role().context("a schema")?;
        let sql = format!(
            "INSERT INTO {schema}._sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'of a newer version', true, '\\x00', 0)"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&journey.db).await?;
        let process = journey.stack.service_mut(service);
        process.terminate().await?;
        process.start_again().await?;
    }
    let customer = journey.client.demo_customer().await?;
    journey.client.get("/loanRequests", &customer).await?.expect(200)?;
    journey.finish().await
}

// An init container that only brings the tables up to date has no login for Kafka.
#[tokio::test]
async fn bringing_the_tables_up_to_date_needs_no_kafka() -> Result<()> {
    let journey = Journey::start().await?;
    for service in Service::WITH_DATABASE {
        let url = journey.stack.database().url(service).context("an address")?;
        let output = Command::new(journey.stack.bin_dir().join(service.name()))
            .arg("--migrate-only")
            .env_clear()
            .env("DATABASE_URL", url)
            .env("KAFKA_SECURITY_PROTOCOL", "sasl_ssl")
            .env("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
            .env("KAFKA_CA_FILE", "/nowhere/ca.crt")
            .env("SERVICE_CREDENTIAL", journey.stack.service_credential())
            .env("SERVICE_CREDENTIALS", journey.stack.service_credential())
            .env("TOKEN_SIGNING_KEYS", &journey.stack.secrets().token_signing_key)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = format!("{said}{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{service}: {said}");
    }
    journey.finish().await
}
