//! `standalone broker`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use standalone::broker::{BrokerSettings, TopicSpec, serve};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder that holds the broker's database.
    #[arg(long)]
    data: PathBuf,
    /// Where it listens, and the address that it tells its clients. Port 0
    /// takes a free one; the line `ready ADDRESS` says which.
    #[arg(long, default_value = "127.0.0.1:9092")]
    address: SocketAddr,
    /// The address that it tells its clients, if they are to take another way than
    /// straight to it.
    #[arg(long)]
    advertised: Option<SocketAddr>,
    /// How often compacted topics are compacted, in seconds. Each time reads
    /// the whole topic, so not too often.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    compaction_seconds: u64,
    /// A file that is written when clients are served; it holds the address.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// What is logged: a level, or a filter of `tracing`.
    #[arg(long, env = "BROKER_LOG_LEVEL", default_value = "warn,standalone=info")]
    log_level: String,
    /// A topic that must be there: `name:partitions`, and any number of
    /// `:setting=value` with Kafka's names. Repeatable.
    #[arg(long = "topic")]
    topics: Vec<TopicSpec>,
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    standalone::private::by_default();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(&arguments.log_level))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    super::runtime()?.block_on(async {
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.cancel();
        });
        let settings = BrokerSettings {
            data_dir: arguments.data,
            address: arguments.address,
            advertised: arguments.advertised,
            topics: arguments.topics,
            compaction_interval: Duration::from_secs(arguments.compaction_seconds),
        };
        let ready_file = arguments.ready_file.map(std::path::absolute).transpose()?;
        let announce = |address: SocketAddr| {
            println!("ready {address}");
            ready_file.map_or(Ok(()), |file| announce_in(&file, address))
        };
        serve(settings, shutdown, announce).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Written beside and moved, so that nobody reads half of it.
fn announce_in(file: &Path, address: SocketAddr) -> std::io::Result<()> {
    let unfinished = file.with_extension("new");
    std::fs::write(&unfinished, address.to_string())?;
    std::fs::rename(unfinished, file)
}
