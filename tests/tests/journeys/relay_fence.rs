//! One relay at a time sends for a service, also where the one before does not know
//! yet that its time is over: it was stopped, and what it had sent is still on its
//! way.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journeys::apache_kafka::ApacheKafka;
use journeys::client::Client;
use journeys::harness::on_apache_kafka;
use journeys::proxy::Proxy;
use serde_json::json;
use standalone::broker_process::topics;
use standalone::{Service, ServiceProcess, Stack};

use crate::by_hand::{self, Seen};
use crate::lone_broker::LoneBroker;
use crate::plumbing::until;

/// From the kill of a relay to the first message of the next.
pub(crate) const AFTER_KILL: Duration = Duration::from_secs(3);

/// From its stop, with its connections open.
pub(crate) const AFTER_STOP: Duration = Duration::from_secs(9);

/// A broker that clients reach by way of a proxy, and two instances of loan-auth.
/// The first is the relay.
struct Pair {
    stack: Stack,
    spare: ServiceProcess,
    proxy: Proxy,
    broker: String,
    db: sqlx::PgPool,
    _running: Running,
}

/// What has to be there to the end.
#[derive(Default)]
struct Running {
    _embedded: Option<LoneBroker>,
    _apache: Option<ApacheKafka>,
}

impl Pair {
    async fn start() -> Result<Self> {
        let proxy = Proxy::start().await?;
        let (running, broker) = if on_apache_kafka() {
            let broker = ApacheKafka::start_behind(&[proxy.address()], None).await?;
            let own = broker.bootstrap();
            (Running { _apache: Some(broker), ..Running::default() }, own)
        } else {
            let broker = LoneBroker::start(topics(), Some(proxy.address())).await?;
            let own = broker.bootstrap();
            (Running { _embedded: Some(broker), ..Running::default() }, own)
        };
        proxy.lead_to(&broker);
        let mut stack = Stack::builder()
            .only(&[Service::LoanAuth])
            .bootstrap(&proxy.address().to_string())
            .start()
            .await?;
        until("the first is the relay", async || {
            Ok(stack.service(Service::LoanAuth).log().contains("this instance is the outbox relay"))
        })
        .await?;
        let spare = stack.another(Service::LoanAuth).await?;
        let db = sqlx::PgPool::connect(&stack.database().superuser_url()).await?;
        Ok(Self { stack, spare, proxy, broker, db, _running: running })
    }

    fn first(&self) -> Result<Client> {
        Client::try_new(self.stack.url(Service::LoanAuth))
    }

    fn second(&self) -> Result<Client> {
        Client::try_new(self.spare.url())
    }

    async fn unsent(&self) -> Result<i64> {
        let unsent = "SELECT count(*) FROM loan_auth.outbox WHERE sent_at IS NULL";
        Ok(sqlx::query_scalar(unsent).fetch_one(&self.db).await?)
    }

    async fn all_sent(&self) -> Result<Duration> {
        let begun = Instant::now();
        until("all is sent", async || Ok(self.unsent().await? == 0)).await?;
        Ok(begun.elapsed())
    }

    /// The names that the customer has had, as a reader of the topic sees them.
    async fn names(&self, customer: &str) -> Result<Vec<String>> {
        let seen = by_hand::read(&self.broker, "loan.customer").await?;
        let name = |message: &Seen| -> Result<String> {
            let value: serde_json::Value = serde_json::from_str(message.value.as_deref().unwrap())?;
            Ok(value["userName"].as_str().unwrap().to_owned())
        };
        seen.iter().filter(|one| one.key.as_deref() == Some(customer)).map(name).collect()
    }
}

async fn rename(client: &Client, token: &str, name: &str) -> Result<()> {
    let body = json!({ "userName": name });
    client.patch("/customers/me", token, &body).await?.expect(200)?;
    Ok(())
}

/// Who a test renames: the customer's id and token.
async fn register(client: &Client) -> Result<(String, String)> {
    let who = journeys::client::Credentials {
        user_id: "renamed@example.com".into(),
        user_name: "one".into(),
        password: "s3cret-fence-Zebra!".into(),
    };
    let id = client.register(&who, "en").await?;
    Ok((id, client.token(&who.user_id, &who.password).await?))
}

// a relay wakes up after another has taken over, and what it had sent arrives
// behind what the other has sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopped_relay_had_on_its_way_does_not_get_behind_the_next_ones() -> Result<()> {
    let mut pair = Pair::start().await?;
    let (customer, token) = register(&pair.first()?).await?;
    pair.all_sent().await?;

    // The network keeps what the first one sends, and then it stops.
    pair.proxy.hold_what_contains(b"\"userName\":\"two\"");
    rename(&pair.first()?, &token, "two").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure!(pair.unsent().await? == 1, "it went through");
    pair.stack.service_mut(Service::LoanAuth).pause()?;
    let took = pair.all_sent().await?;
    ensure!(took < AFTER_STOP, "the spare took over after {took:?}");
    rename(&pair.second()?, &token, "three").await?;
    pair.all_sent().await?;

    // Now it arrives, and the first one goes on.
    pair.proxy.release();
    tokio::time::sleep(Duration::from_millis(500)).await;
    pair.stack.service_mut(Service::LoanAuth).resume()?;
    let first = pair.stack.service(Service::LoanAuth);
    until("it knows", async || {
        let log = first.log();
        Ok(log.contains("another instance has become the outbox relay")
            || log.contains("the outbox relay waits for the database"))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let names = pair.names(&customer).await?;
    ensure!(names == ["one", "two", "three"], "{names:?}");

    // It answers requests and is the spare now.
    rename(&pair.first()?, &token, "four").await?;
    pair.all_sent().await?;
    pair.spare.kill()?;
    rename(&pair.first()?, &token, "five").await?;
    pair.all_sent().await?;
    let names = pair.names(&customer).await?;
    ensure!(names == ["one", "two", "three", "four", "five"], "{names:?}");
    println!("take-over after a stop: {took:?}");
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_relay_is_replaced_within_seconds() -> Result<()> {
    let mut pair = Pair::start().await?;
    let (_, token) = register(&pair.first()?).await?;
    pair.all_sent().await?;
    pair.stack.service_mut(Service::LoanAuth).kill()?;
    rename(&pair.second()?, &token, "two").await?;
    let took = pair.all_sent().await?;
    ensure!(took < AFTER_KILL, "the spare took over after {took:?}");
    println!("take-over after a kill: {took:?}");
    Ok(())
}
