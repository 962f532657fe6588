//! A stack without services: what is around them. With services it is what the
//! journeys start.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use standalone::broker_process::BrokerProcessSettings;
use standalone::net::PortBlock;
use standalone::{Broker, Postgres, Service, Stack};

fn topics(bootstrap: &str) -> Vec<String> {
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let metadata = client.fetch_metadata(None, Duration::from_secs(10)).unwrap();
    metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
}

#[tokio::test]
async fn two_stacks_on_one_server_are_apart_and_leave_it_as_it_was() {
    let postgres = Arc::new(Postgres::throw_away().await.unwrap());
    let start = || Stack::builder().only(&[]).postgres(Arc::clone(&postgres)).start();
    let (one, other) = tokio::try_join!(start(), start()).unwrap();
    assert_ne!(one.bootstrap(), other.bootstrap());
    assert_ne!(one.database().name(), other.database().name());
    for stack in [&one, &other] {
        let url = stack.database().url(Service::LoanAuth).unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("CREATE TABLE person ()").await.unwrap();
        let topics = topics(stack.bootstrap());
        assert_eq!(topics.len(), 2 * events::topics::ALL.len());
        assert!(topics.contains(&"loan.manager.dlq".to_owned()));
        assert!(stack.logs()["broker"].contains("topic made"));
    }
    let gone = one.database().superuser_url();
    drop(one);
    assert!(PgConnection::connect(&gone).await.is_err());
    PgConnection::connect(&other.database().superuser_url()).await.unwrap();
}

#[tokio::test]
async fn a_stacks_own_server_can_be_crashed() {
    let mut stack = Stack::builder().only(&[]).own_postgres().start().await.unwrap();
    let url = stack.database().superuser_url();
    stack.postgres_mut().crash().await.unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
    stack.postgres_mut().start_again().await.unwrap();
    PgConnection::connect(&url).await.unwrap();
    stack.broker_mut().kill().unwrap();
    stack.broker_mut().start_again().await.unwrap();
    assert!(!topics(stack.bootstrap()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_tells_its_clients_the_address_that_leads_to_it() {
    let mut ports = PortBlock::take().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let advertised = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port().unwrap()));
    let settings = BrokerProcessSettings {
        program: env!("CARGO_BIN_EXE_standalone").into(),
        data: folder.path().join("broker"),
        log: folder.path().join("log"),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port().unwrap())),
        advertised: Some(advertised),
        topics: vec!["loan.auth:1".parse().unwrap()],
        compaction_seconds: None,
    };
    let broker = Broker::start(&settings).await.unwrap();
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
    let metadata = client.fetch_metadata(None, Duration::from_secs(10)).unwrap();
    let told: Vec<i32> = metadata.brokers().iter().map(|broker| broker.port()).collect();
    assert_eq!(told, [i32::from(advertised.port())]);
}
