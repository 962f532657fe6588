//! `loanctl messages`: what was to be sent to customers, through loan-messenger.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use events::Language;
use events::codes::{Channel, DeliveryState, MessageKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::api::{AdminApi, IDS_MAX, PAGE_ROWS, Page, Services};

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Those that were to be sent, in the order of their writing; nothing of their
    /// texts, nothing of addresses.
    List {
        /// Only those in this state: waiting, sent, failed, given-up, dropped.
        #[arg(long)]
        state: Option<DeliveryState>,
        /// Only those to this customer.
        #[arg(long)]
        customer: Option<Uuid>,
        /// JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// One, with what it waits for and each attempt to send it, the newest first.
    Show {
        /// The message.
        message_id: Uuid,
    },
    /// Sends messages once more, under a new id and by the channel that is chosen now: whoever
    /// has one gets it again. Exits with 1 if one is not known, or was never to be sent.
    Resend {
        /// The messages.
        #[arg(required = true)]
        message_ids: Vec<Uuid>,
    },
    /// Tries those again that failed or were given up since then; they keep their id.
    Recover {
        /// Since when, as 2026-11-21T08:00:00Z.
        #[arg(long, value_parser = time_of)]
        since: OffsetDateTime,
        /// Only those that were to go by this channel: mail, sms, webhook.
        #[arg(long)]
        channel: Option<Channel>,
        /// Only those that did not go for this reason, as `list` shows it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// What messages look like, of a made-up loan.
    Preview {
        /// Only this kind: request-received, approved …, address-verification (the codes).
        #[arg(long)]
        kind: Option<String>,
        /// Only in this language: ko, en.
        #[arg(long)]
        language: Option<Language>,
        /// In which form: plain, html, sms, webhook.
        #[arg(long, value_enum, default_value_t = Form::Plain)]
        form: Form,
    },
}

/// A form in which a message is sent.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    Plain,
    Html,
    Sms,
    Webhook,
}

fn time_of(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "must be a time with its zone, as 2026-11-21T08:00:00Z".to_owned())
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    message_id: Uuid,
    customer_id: Uuid,
    seq: i64,
    kind: MessageKind,
    state: DeliveryState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    round: i32,
    attempts: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(flatten)]
    delivery: Delivery,
    #[serde(default)]
    turn: Option<Turn>,
    log: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    first_seq: i64,
    due_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    number: i32,
    channel: String,
    begun_at: String,
    #[serde(default)]
    ended_at: Option<String>,
    #[serde(default)]
    outcome: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resent {
    message_ids: Vec<Uuid>,
    #[serde(default)]
    unknown: Vec<Uuid>,
}

#[derive(Debug, Deserialize)]
struct Preview {
    kind: String,
    language: Language,
    subject: String,
    plain: String,
    html: String,
    sms: String,
    webhook: serde_json::Value,
}

/// Does it.
pub(crate) async fn messages(
    services: &Services,
    arguments: Arguments,
) -> anyhow::Result<ExitCode> {
    let messenger = &services.messenger;
    match arguments.command {
        Command::List { state, customer, json } => list(messenger, state, customer, json).await?,
        Command::Show { message_id } => show(messenger, message_id).await?,
        Command::Resend { message_ids } => {
            let mut message_ids = message_ids;
            message_ids.sort_unstable();
            message_ids.dedup();
            let mut all_known = true;
            for ids in message_ids.chunks(IDS_MAX) {
                let body = json!({ "ids": ids });
                let resent: Resent = messenger.post("/admin/deliveries/resend", &body).await?;
                say_again(ids, &resent)?;
                all_known &= resent.unknown.is_empty();
            }
            if !all_known {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Recover { since, channel, reason } => {
            let until = common::clock::Clock::system().now();
            let body = json!({
                "since": since.format(&Rfc3339)?, "until": until.format(&Rfc3339)?,
                "channel": channel, "reason": reason,
            });
            recover(messenger, &body).await?;
        }
        Command::Preview { kind, language, form } => {
            preview(messenger, kind, language, form).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    messenger: &AdminApi,
    state: Option<DeliveryState>,
    customer: Option<Uuid>,
    as_json: bool,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut after: Option<Uuid> = None;
    let mut count = 0_usize;
    loop {
        let mut query = vec![("size", PAGE_ROWS.to_string())];
        query.extend(after.map(|after| ("after", after.to_string())));
        query.extend(state.map(|state| ("state", state.to_string())));
        query.extend(customer.map(|customer| ("customerId", customer.to_string())));
        let page: Page<Delivery> = messenger.get("/admin/deliveries", &query).await?;
        for delivery in &page.items {
            if as_json {
                writeln!(out, "{}", serde_json::to_string(delivery)?)?;
            } else {
                writeln!(out, "{}", line(delivery))?;
            }
        }
        count += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if !as_json {
        writeln!(out, "{count} messages")?;
    }
    Ok(())
}

fn line(delivery: &Delivery) -> String {
    let Delivery { message_id, customer_id, seq, kind, state, attempts, created_at, .. } = delivery;
    let channel = delivery.channel.as_deref().unwrap_or("-");
    let reason = delivery.reason.as_deref().unwrap_or("");
    format!(
        "{message_id}  {created_at}  {customer_id} #{seq}  {kind}  {state}  {channel}  attempts {attempts}  {reason}"
    )
}

async fn show(messenger: &AdminApi, id: Uuid) -> anyhow::Result<()> {
    let told: Told = messenger.get(&format!("/admin/deliveries/{id}"), &[]).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line(&told.delivery))?;
    if let Some(Turn { first_seq, due_at }) = &told.turn {
        if *first_seq == told.delivery.seq {
            writeln!(out, "  is looked at next at {due_at}")?;
        } else {
            writeln!(out, "  waits behind #{first_seq}, which is looked at next at {due_at}")?;
        }
    }
    for attempt in &told.log {
        let Attempt { number, channel, begun_at, .. } = attempt;
        let outcome = attempt.outcome.as_deref().unwrap_or("begun, and not known how it ended");
        let ended = attempt.ended_at.as_deref().unwrap_or("");
        let detail = attempt.detail.as_deref().unwrap_or("");
        writeln!(out, "  {number:>4}  {channel}  {begun_at}  {ended}  {outcome}  {detail}")?;
    }
    Ok(())
}

/// Goes on until nothing is left.
async fn recover(messenger: &AdminApi, body: &serde_json::Value) -> anyhow::Result<()> {
    let mut count = 0;
    loop {
        let resent: Resent = messenger.post("/admin/deliveries/recover", body).await?;
        count += resent.message_ids.len();
        if resent.message_ids.is_empty() {
            break;
        }
    }
    writeln!(std::io::stdout().lock(), "{count} are tried again")?;
    Ok(())
}

fn say_again(asked: &[Uuid], resent: &Resent) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for id in asked {
        let said = if resent.message_ids.contains(id) {
            "is sent again"
        } else if resent.unknown.contains(id) {
            "is not known, or was never to be sent"
        } else {
            "waits already"
        };
        writeln!(out, "{id} {said}")?;
    }
    Ok(())
}

async fn preview(
    messenger: &AdminApi,
    kind: Option<String>,
    language: Option<Language>,
    form: Form,
) -> anyhow::Result<()> {
    let mut query = Vec::new();
    query.extend(kind.map(|kind| ("kind", kind)));
    query.extend(language.map(|language| ("language", language.to_string())));
    let previews: Vec<Preview> = messenger.get("/admin/messages/preview", &query).await?;
    let mut out = std::io::stdout().lock();
    for preview in previews {
        let Preview { kind, language, subject, plain, html, sms, webhook } = preview;
        match form {
            Form::Plain => writeln!(out, "── {kind} ({language})\n{subject}\n\n{plain}")?,
            Form::Html => writeln!(out, "{html}")?,
            Form::Sms => writeln!(out, "{kind} ({language})  {sms}")?,
            Form::Webhook => writeln!(out, "{}", serde_json::to_string_pretty(&webhook)?)?,
        }
    }
    Ok(())
}
