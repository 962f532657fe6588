//! From `./dev up` to a system that is ready, and to its first loan.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use journeys::client::Client;
use standalone::net::PortBlock;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Figure, settle};

/// Where it is started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// This clone: what is to be built is built.
    Here,
    /// A fresh clone of it: all is compiled, from what cargo has fetched or fetches.
    FreshClone,
}

/// Starts it with no data, ends it, and starts it with what it has.
pub(super) async fn measure(from: From) -> Result<Vec<Figure>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no repository")?;
    let folder = TempDir::new()?;
    let clone = match from {
        From::Here => here.to_owned(),
        From::FreshClone => clone(here, &folder.path().join("clone")).await?,
    };
    let mut ports = PortBlock::take()?;
    let port = ports.port()?;
    let dev = Dev { clone, data: folder.path().join("data"), port };
    let client = Client::try_new(format!("http://127.0.0.1:{port}"))?;

    let begun = Instant::now();
    let first = dev.up_to_loan(&client, begun).await;
    dev.run(&["down"]).await?;
    let (ready, loan) = first?;
    let begun = Instant::now();
    let again = dev.up_to_loan(&client, begun).await;
    dev.run(&["down"]).await?;
    let (ready_again, loan_again) = again?;

    let mut figures = vec![Figure {
        name: "./dev up with its data → ready",
        measured: format!("{}; first loan in the status {}", s(ready_again), s(loan_again)),
        goal: "≤ 10 s",
        met: ready_again <= Duration::from_secs(10),
    }];
    figures.push(match from {
        From::Here => Figure {
            name: "./dev up without data → first loan in the status",
            measured: format!("{} (ready {})", s(loan), s(ready)),
            goal: "≤ 20 s",
            met: loan <= Duration::from_secs(20),
        },
        From::FreshClone => Figure {
            name: "./dev up in a fresh clone → first loan in the status",
            measured: format!("{} (ready {})", s(loan), s(ready)),
            goal: "≤ 40 min",
            met: loan <= Duration::from_secs(40 * 60),
        },
    });
    Ok(figures)
}

async fn clone(from: &Path, to: &Path) -> Result<PathBuf> {
    let status = Command::new("git").arg("clone").arg("-q").args([from, to]).status().await?;
    ensure!(status.success(), "git cannot clone {}", from.display());
    Ok(to.to_owned())
}

/// The command of a clone, for a system of our own.
struct Dev {
    clone: PathBuf,
    data: PathBuf,
    port: u16,
}

impl Dev {
    /// When it was ready, and when its first loan was seen.
    async fn up_to_loan(&self, client: &Client, begun: Instant) -> Result<(Duration, Duration)> {
        self.run(&["up", "--detach", "--port-base", &self.port.to_string()]).await?;
        let ready = begun.elapsed();
        settle(client).await?;
        Ok((ready, begun.elapsed()))
    }

    async fn run(&self, arguments: &[&str]) -> Result<()> {
        let status = Command::new(self.clone.join("dev"))
            .args(arguments)
            .env("DEV_DATA", &self.data)
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(&self.clone)
            .stdin(Stdio::null())
            .status()
            .await?;
        ensure!(status.success(), "./dev {} ended with {status}", arguments.join(" "));
        Ok(())
    }
}

fn s(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}
