//! `loanctl outbox`: what each service has still to send.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::api::{AdminApi, Services};

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// A service's outbox.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outbox {
    #[serde(default)]
    service: String,
    unsent: i64,
    oldest_unsent_seconds: f64,
    kept: i64,
    is_relay: bool,
}

/// Shows them all; where one does not answer, the others nevertheless.
pub(crate) async fn outbox(services: &Services, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for (api, told) in services.all().into_iter().zip(join_all(services.all().map(outbox_of)).await)
    {
        match told {
            Ok(outbox) => all.push(outbox),
            Err(error) => {
                code = ExitCode::from(2);
                writeln!(std::io::stderr(), "error: {} is not seen: {error:#}", api.service)?;
            }
        }
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&all)?)?;
        return Ok(code);
    }
    if all.is_empty() {
        return Ok(code);
    }
    writeln!(
        out,
        "{:<15} {:>8} {:>12} {:>8}  instance asked",
        "service", "unsent", "oldest", "kept"
    )?;
    for one in all {
        let relay = if one.is_relay { "relay" } else { "spare" };
        let oldest = format!("{:.1} s", one.oldest_unsent_seconds);
        writeln!(
            out,
            "{:<15} {:>8} {oldest:>12} {:>8}  {relay}",
            one.service, one.unsent, one.kept
        )?;
    }
    Ok(code)
}

async fn outbox_of(api: &AdminApi) -> anyhow::Result<Outbox> {
    let outbox: Outbox = api.get("/admin/outbox", &[]).await?;
    Ok(Outbox { service: api.service.to_owned(), ..outbox })
}
