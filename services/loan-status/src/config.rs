//! Every setting of this service, with its default and its reason.

use std::time::Duration;

use common::config::ServiceSettings;

use crate::http::stream_loan_status::hub::Limits;
use crate::http::until_shown::waiting_room::WaitsMax;

/// loan-status: the read model of the loan suite, and its live stream.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "loan-status", version)]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
    /// Which rebuild of the read model this is. Raise it by one to empty the
    /// read model and fill it again from offset 0 by a new consumer group; never
    /// lower it.
    #[arg(long, env = "READ_MODEL_GENERATION", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..))]
    pub read_model_generation: i32,
    /// The live stream.
    #[command(flatten)]
    pub stream: StreamSettings,
    /// Reading what one has written.
    #[command(flatten)]
    pub versions: VersionSettings,
}

/// The figures of `minVersion`.
#[derive(clap::Args, Clone, Debug)]
pub struct VersionSettings {
    /// How long a read waits for the version that it names, in milliseconds, where
    /// the client does not say (`Prefer: wait`): most of what was written is shown
    /// long before, and a person does not want to wait longer.
    #[arg(long, env = "VERSION_WAIT_MS", default_value_t = 2_000,
          value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub version_wait_ms: u64,

    /// The longest wait that a client gets, in seconds; who asks for more gets this.
    /// Well below the 30 s after which a request is given up.
    #[arg(long, env = "VERSION_WAIT_SECONDS_MAX", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=20))]
    pub version_wait_seconds_max: u64,

    /// Reads that wait at once on one instance at most; one more is answered 202
    /// without waiting. Half of what the gateway sends to this service at once, so
    /// that those who wait leave room for those who read.
    #[arg(long, env = "VERSION_WAITS_MAX", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub version_waits_max: u32,

    /// Reads of one customer that wait at once at most: nobody takes all places.
    #[arg(long, env = "VERSION_WAITS_PER_CUSTOMER_MAX", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub version_waits_per_customer_max: u32,

    /// While somebody waits, the feed is looked at so often for what other instances
    /// wrote, in milliseconds; what this one wrote is seen at once.
    #[arg(long, env = "VERSION_POLL_MS", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(5..=1_000))]
    pub version_poll_ms: u64,
}

impl VersionSettings {
    /// How many may wait.
    #[must_use]
    pub fn waits_max(&self) -> WaitsMax {
        WaitsMax {
            all: self.version_waits_max as usize,
            of_customer: self.version_waits_per_customer_max as usize,
        }
    }

    /// The wait of a client that does not say.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.version_wait_ms)
    }

    /// The longest wait.
    #[must_use]
    pub fn wait_max(&self) -> Duration {
        Duration::from_secs(self.version_wait_seconds_max)
    }

    /// The time between two looks.
    #[must_use]
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.version_poll_ms)
    }
}

/// The live stream's figures.
#[derive(clap::Args, Clone, Debug)]
pub struct StreamSettings {
    /// Live streams of one customer at once at most, on one instance; more are
    /// answered 429. A person has a few windows open, not many.
    #[arg(long, env = "STREAMS_PER_CUSTOMER_MAX", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub streams_per_customer_max: u32,

    /// Live streams of one officer at once at most, on one instance; more are
    /// answered 429. A desk has more windows open than a customer, and a page
    /// that opens streams without end must not take everybody's places.
    #[arg(long, env = "STREAMS_PER_OFFICER_MAX", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub streams_per_officer_max: u32,

    /// Live streams of one instance, customers' and officers' together, at most;
    /// more are answered 503. Each holds a connection and a buffer.
    #[arg(long, env = "STREAMS_MAX", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub streams_max: u32,

    /// Entries that wait for one stream at most; a client that falls further
    /// behind gets the rest from the database, at its own pace.
    #[arg(long, env = "STREAM_BUFFER_ENTRIES_MAX", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub stream_buffer_entries_max: u32,

    /// How long a client that fell behind may stay so, in seconds; then it is cut
    /// off, and comes back with `Last-Event-ID`.
    #[arg(long, env = "STREAM_LAG_SECONDS_MAX", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub stream_lag_seconds_max: u64,

    /// A comment goes out after so many seconds without an entry, so that proxies
    /// keep the connection and a dead one is noticed.
    #[arg(long, env = "STREAM_HEARTBEAT_SECONDS", default_value_t = 15,
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub stream_heartbeat_seconds: u64,

    /// Streams that read what they missed from the database at the same time at
    /// most: many that come back together must not take the pool from others.
    #[arg(long, env = "STREAM_CATCH_UPS_MAX", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub stream_catch_ups_max: u32,

    /// How often the feed is looked at for what other instances wrote, in
    /// milliseconds; what this one wrote is seen at once.
    #[arg(long, env = "FEED_POLL_MS", default_value_t = 250,
          value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub feed_poll_ms: u64,
}

impl StreamSettings {
    /// How much there may be of everything.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            streams_max: self.streams_max as usize,
            customer_streams_max: self.streams_per_customer_max as usize,
            officer_streams_max: self.streams_per_officer_max as usize,
            buffer_entries_max: self.stream_buffer_entries_max as usize,
            lag_max: Duration::from_secs(self.stream_lag_seconds_max),
        }
    }

    /// The time without an entry after which a comment goes out.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.stream_heartbeat_seconds)
    }

    /// The time between two looks at the feed.
    #[must_use]
    pub fn feed_poll(&self) -> Duration {
        Duration::from_millis(self.feed_poll_ms)
    }
}

impl AsRef<ServiceSettings> for Config {
    fn as_ref(&self) -> &ServiceSettings {
        &self.service
    }
}
