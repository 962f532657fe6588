//! The figures of the process, for Prometheus.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::consumer::inbox;
use crate::kafka::Broker;

/// How often figures that are read, and not counted, are read.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Bounds of the histograms of durations, in seconds: fine around the bounds that
/// are promised (5 ms, 250 ms, 610 ms, 860 ms, 2 s, a minute).
const SECONDS_BUCKETS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.4, 0.61, 0.86, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The exporter can't be made.
    #[error("the exporter of the figures cannot be made")]
    Exporter(#[from] metrics_exporter_prometheus::BuildError),
}

/// Starts to count. Once for a process.
pub fn start(service: &'static str) -> Result<PrometheusHandle, TelemetryError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()?;
    metrics::gauge!(
        "service_info",
        "service" => service,
        "version" => env!("CARGO_PKG_VERSION"),
    )
    .set(1.0);
    Ok(handle)
}

/// Reads what has to be read, until `stop`.
pub async fn sample(
    handle: PrometheusHandle,
    pool: Option<PgPool>,
    broker: Option<Broker>,
    stop: CancellationToken,
) {
    loop {
        handle.run_upkeep();
        if let Some(pool) = &pool {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
            metrics::gauge!("db_pool_connections").set(f64::from(pool.size()));
            metrics::gauge!("db_pool_connections_idle").set(f64::from(idle));
            metrics::gauge!("db_pool_connections_max")
                .set(f64::from(pool.options().get_max_connections()));
            // While the database is away the figure stays as it was.
            if let Ok(open) = inbox::dead_letters(pool).await {
                let open = u32::try_from(open).unwrap_or(u32::MAX);
                metrics::gauge!("dead_letters_open").set(f64::from(open));
            }
        }
        if let Some(broker) = &broker
            && let Some(is_outdated) = broker.is_authority_outdated().await
        {
            metrics::gauge!("kafka_authority_outdated").set(f64::from(u8::from(is_outdated)));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SAMPLE_EVERY) => {}
        }
    }
}
