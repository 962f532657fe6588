//! Half an hour without a database, which passes quickly: the clock of the runtime
//! jumps to the next thing that is waited for. Kafka's client lives by its own clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use sqlx::postgres::PgPoolOptions;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::rebalance::sent;
use super::*;

const MESSAGES: usize = 20;
const LASTS: Duration = Duration::from_secs(30 * 60);

/// A way to the database that can be cut.
struct Way {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    /// Connections that came to nothing.
    in_vain: Arc<AtomicUsize>,
}

impl Way {
    async fn cut(to: (String, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Self {
            address: listener.local_addr().unwrap(),
            is_cut: Arc::new(AtomicBool::new(true)),
            in_vain: Arc::default(),
        };
        let (is_cut, in_vain) = (Arc::clone(&way.is_cut), Arc::clone(&way.in_vain));
        tokio::spawn(async move {
            loop {
                let (mut from, _) = listener.accept().await.unwrap();
                if is_cut.load(Ordering::Relaxed) {
                    in_vain.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let mut to = TcpStream::connect((to.0.as_str(), to.1)).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
            }
        });
        way
    }
}

fn end_of(bootstrap: &str, topic: &str) -> i64 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    consumer.fetch_watermarks(topic, 0, Duration::from_secs(10)).unwrap().1
}

//
#[sqlx::test(migrations = false)]
async fn half_an_hour_without_the_database_makes_no_dead_letter(pool: PgPool) {
    let near = db(pool).await;
    let options = near.pool().connect_options().as_ref().clone();
    let way = Way::cut((options.get_host().to_owned(), options.get_port())).await;
    let far = options.host("127.0.0.1").port(way.address.port());
    let far = PgPoolOptions::new().acquire_timeout(Duration::from_secs(3)).connect_lazy_with(far);
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("test.notes", 1, 1).unwrap();
    cluster.create_topic("test.notes.dlq", 1, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    sent(&bootstrap, MESSAGES).await;
    let consumer = Consumer::new(
        Db::from_pool(far),
        bootstrap.as_str(),
        subscriptions(),
        ConsumerSettings::default(),
        Clock::system(),
    );
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(consumer.run(shutdown.clone()));
    while way.in_vain.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    tokio::time::pause();
    let begun = Instant::now();
    while begun.elapsed() < LASTS {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::resume();
    // One attempt for each of the longest pauses, and for the time that it takes itself.
    let attempts = way.in_vain.load(Ordering::Relaxed);
    assert!(attempts >= 30, "{attempts} attempts");
    assert!(!running.is_finished(), "it has given up");
    assert_eq!(end_of(&bootstrap, "test.notes.dlq"), 0);
    assert!(notes(&near).await.is_empty());

    way.is_cut.store(false, Ordering::Relaxed);
    let until = std::time::Instant::now() + Duration::from_secs(90);
    while notes(&near).await.len() < MESSAGES {
        assert!(std::time::Instant::now() < until, "{} came", notes(&near).await.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
    let expected: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    assert_eq!(notes(&near).await, expected, "once each, in order");
    assert_eq!(end_of(&bootstrap, "test.notes.dlq"), 0);
    assert_eq!(claims(&near).await, (i64::try_from(MESSAGES).unwrap(), 0));
}
