//! A journey's system: the real processes on free ports, with a database and a
//! broker of their own, so that journeys can run beside each other.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};
use standalone::{Service, Stack, StackBuilder};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::apache_kafka::ApacheKafka;
use crate::client::{Client, Credentials};

/// How long a change may take until it is seen everywhere.
pub const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// How long loan-auth may take to certify, in milliseconds: a machine that has too
/// much to do must not look like a loan-auth that is away. Journeys of what happens
/// then set [`CERTIFY_TIMEOUT_MS`] themselves.
const PATIENT_CERTIFY_TIMEOUT_MS: &str = "10000";

/// And how long a password may wait for its turn there, in milliseconds.
const PATIENT_PASSWORD_WAIT_MS: &str = "9000";

/// The setting of loan-request that says so.
pub const CERTIFY_TIMEOUT_MS: &str = "CERTIFY_TIMEOUT_MS";

/// How long an officer's token is good, in seconds: longer than any journey, which
/// would end with it on a slow machine. What a removal does is a journey of its own.
const PATIENT_OFFICER_TOKEN_SECONDS: &str = "1800";

/// The setting of loan-auth that says so.
pub const OFFICER_ACCESS_TOKEN_SECONDS: &str = "OFFICER_ACCESS_TOKEN_SECONDS";

/// The schemas of the five services.
pub const SCHEMAS: [&str; 5] =
    ["loan_request", "loan_auth", "loan_manager", "loan_messenger", "loan_status"];

/// How many systems run at once; each is seven processes.
static PLACES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(3));

/// A running system with what a journey needs of it.
#[derive(Debug)]
pub struct Journey {
    /// The processes.
    pub stack: Stack,
    /// A client of the gateway.
    pub client: Client,
    /// A superuser's look into all schemas.
    pub db: PgPool,
    _kafka: Option<ApacheKafka>,
    _place: SemaphorePermit<'static>,
}

impl Journey {
    /// All six processes with the demo data.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(|stack| stack).await
    }

    /// The same, with something changed.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_with(change: impl FnOnce(StackBuilder) -> StackBuilder) -> Result<Self> {
        let place = PLACES.acquire().await?;
        let builder = Stack::builder()
            .env(Service::LoanAuth, "PASSWORD_WAIT_MS", PATIENT_PASSWORD_WAIT_MS)
            .env(Service::LoanAuth, OFFICER_ACCESS_TOKEN_SECONDS, PATIENT_OFFICER_TOKEN_SECONDS);
        let mut builder = change(builder.env(
            Service::LoanRequest,
            CERTIFY_TIMEOUT_MS,
            PATIENT_CERTIFY_TIMEOUT_MS,
        ));
        let mut kafka = None;
        if on_apache_kafka() {
            let broker = ApacheKafka::start().await?;
            builder = builder.bootstrap(&broker.bootstrap());
            kafka = Some(broker);
        }
        let stack = builder.start().await?;
        let client = Client::try_new(stack.gateway_url())?;
        let db = PgPoolOptions::new()
            .max_connections(4)
            .connect(&stack.database().superuser_url())
            .await
            .context("the journey's look into the database")?;
        Ok(Self { stack, client, db, _kafka: kafka, _place: place })
    }

    /// One number from the database.
    ///
    /// # Errors
    /// If the statement fails.
    pub async fn count(&self, sql: &str) -> Result<i64> {
        // The statements are constants of the journeys.
        Ok(sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.db)
            .await?
            .try_get(0)?)
    }

    /// Waits until a number from the database is as wanted.
    ///
    /// # Errors
    /// If it is not within [`SEEN_WITHIN`].
    pub async fn wait_count(&self, sql: &str, wanted: i64) -> Result<()> {
        let until = Instant::now() + SEEN_WITHIN;
        loop {
            let now = self.count(sql).await?;
            if now == wanted {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "{now} instead of {wanted}: {sql}\n{}",
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A fresh customer with a password that is found nowhere else.
    ///
    /// # Errors
    /// If the registration is refused.
    pub async fn customer(&self, name: &str) -> Result<(Credentials, String)> {
        let who = Credentials {
            user_id: format!("{name}@example.com"),
            user_name: format!("Customer {name}"),
            password: format!("s3cret-{name}-Zebra!"),
        };
        self.client.register(&who, "en").await?;
        let token = self.client.token(&who.user_id, &who.password).await?;
        Ok((who, token))
    }

    /// A loan taken to `04` for this customer.
    ///
    /// # Errors
    /// If a step is refused.
    pub async fn executed_loan(
        &self,
        who: &Credentials,
        officer: &str,
        amount: i64,
    ) -> Result<String> {
        let loan = self.client.apply(who, amount).await?;
        self.waits(officer, &loan).await?;
        for step in ["01", "02", "04"] {
            self.client.step(officer, &loan, step).await?.expect(200)?;
        }
        Ok(loan)
    }

    /// Waits until an item is in the officers' queue.
    ///
    /// # Errors
    /// If it does not come.
    pub async fn waits(&self, officer: &str, id: &str) -> Result<()> {
        let path = format!("/loanManagers/{id}");
        self.client.wait_for(&path, officer, SEEN_WITHIN, |answer| answer.status == 200).await?;
        Ok(())
    }

    /// Nothing is left to do anywhere: every outbox is sent, every request is
    /// decided, and no event was set aside.
    ///
    /// # Errors
    /// If something is left.
    pub async fn finish(&self) -> Result<()> {
        for schema in SCHEMAS {
            self.wait_count(
                &format!("SELECT count(*) FROM {schema}.outbox WHERE sent_at IS NULL"),
                0,
            )
            .await?;
            let dead =
                format!("SELECT count(*) FROM {schema}.inbox WHERE dead_lettered_at IS NOT NULL");
            ensure!(self.count(&dead).await? == 0, "{schema} has dead letters");
        }
        let undecided = "SELECT count(*) FROM loan_request.loan_request WHERE status = '인증대기'";
        self.wait_count(undecided, 0).await
    }

    /// What clients were told and what every service holds are the same: this
    /// many applications are `요청완료`, with the manager, in status and told.
    ///
    /// # Errors
    /// If a service holds another number.
    pub async fn agree_on_applications(&self, accepted: i64) -> Result<()> {
        for sql in [
            "SELECT count(*) FROM loan_request.loan_request WHERE status = '요청완료' AND request_id = '01'",
            "SELECT count(*) FROM loan_manager.item WHERE kind = '01'",
            "SELECT count(*) FROM loan_status.loan",
            "SELECT count(*) FROM loan_status.entry WHERE event_type = 'LoanRequestReceived' AND request_id = '01'",
            "SELECT count(*) FROM loan_messenger.message WHERE kind = 'request-received' AND loan_id = loan_request_id",
        ] {
            self.wait_count(sql, accepted).await?;
        }
        Ok(())
    }

    /// The last lines of every process, for a failure's message.
    #[must_use]
    pub fn last_words(&self) -> String {
        let mut text = String::new();
        for (name, log) in self.stack.logs() {
            let lines: Vec<&str> = log.lines().rev().take(4).collect();
            text.push_str(&format!("-- {name}\n"));
            for line in lines.iter().rev() {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// A client of one service, past the gateway.
    ///
    /// # Errors
    /// If no TLS set-up is to be had.
    pub fn direct(&self, service: Service) -> Result<Client> {
        Client::try_new(self.stack.url(service))
    }
}

/// Whether this run of the journeys is on a real Apache Kafka.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the test run says it, not a settings file")]
pub fn on_apache_kafka() -> bool {
    std::env::var("JOURNEYS_KAFKA").is_ok_and(|kind| kind == "apache")
}
