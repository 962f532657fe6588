//! `loanctl logs`: what each process logs, and changing it while it runs.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::api::{AdminApi, Services};

/// Where the level is.
const PATH: &str = "/admin/log-level";

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Of this one alone: loan-request …, or gateway.
    #[arg(long)]
    service: Option<String>,
    /// What is logged from now on until the process ends, as LOG_LEVEL is written: `debug`, or
    /// `info,sqlx=debug`. Of the one instance that answers; for all of them, and for ever,
    /// it is a setting. Without it the level is shown.
    level: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct LogLevel {
    level: String,
}

/// Shows it, or changes it.
pub(crate) async fn logs(services: &Services, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let all = services.all().into_iter().chain([&services.gateway]);
    let asked: Vec<&AdminApi> = match &arguments.service {
        None => all.collect(),
        Some(name) => {
            let mut all = all;
            let one = all.find(|api| api.service == name);
            vec![one.with_context(|| format!("--service {name}: there is none of that name"))?]
        }
    };
    let mut out = std::io::stdout().lock();
    for api in asked {
        let now: LogLevel = match &arguments.level {
            None => api.get(PATH, &[]).await?,
            Some(level) => api.post(PATH, &LogLevel { level: level.clone() }).await?,
        };
        writeln!(out, "{:<15} {}", api.service, now.level)?;
    }
    Ok(ExitCode::SUCCESS)
}
