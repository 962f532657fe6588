//! Messages that others have compressed.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio_util::sync::CancellationToken;

use super::*;

const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];

// a codec that this client did not know would stop its partition for ever.
#[sqlx::test(migrations = false)]
async fn every_codec_of_kafka_is_known(pool: PgPool) {
    let db = db(pool).await;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("test.notes", 1, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    for codec in CODECS {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .set("compression.type", codec)
            .create()
            .unwrap();
        // Long enough to be worth it.
        let event = noted(&codec.repeat(100));
        let payload = event.payload.clone().unwrap();
        let record = FutureRecord::to("test.notes").key("key").payload(&payload);
        producer.send(record.headers(headers(&event)), Duration::from_secs(20)).await.unwrap();
    }
    let (subscriptions, settings) = (subscriptions(), ConsumerSettings::default());
    let consumer =
        Consumer::new(db.clone(), bootstrap.as_str(), subscriptions, settings, Clock::system());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(consumer.run(shutdown.clone()));
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while notes(&db).await.len() < CODECS.len() {
        assert!(std::time::Instant::now() < until, "{:?}", notes(&db).await.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(notes(&db).await, CODECS.map(|codec| codec.repeat(100)));
}
