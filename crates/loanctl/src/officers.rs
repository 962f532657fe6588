//! `loanctl officers`: who may decide, through loan-auth.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use events::Language;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api::{AdminApi, Page, Services};
use crate::password::{Chosen, Source};

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Who may decide.
    List {
        /// JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Let somebody decide. The password is typed, or comes as the flags say.
    Add {
        /// The login name: 3 to 254 characters, without spaces.
        user_id: String,
        /// The name that stands beside what the officer decides.
        #[arg(long)]
        user_name: String,
        /// Where mail goes.
        #[arg(long)]
        user_email: Option<String>,
        /// `ko` or `en`.
        #[arg(long, default_value = "ko")]
        language: Language,
        #[command(flatten)]
        password: Source,
    },
    /// Let somebody decide no more. Every login ends at once; an access token that is
    /// out is good until it expires (OFFICER_ACCESS_TOKEN_SECONDS, two minutes).
    Remove {
        /// The login name.
        user_id: String,
    },
    /// Another password; every login ends.
    ResetPassword {
        /// The login name.
        user_id: String,
        #[command(flatten)]
        password: Source,
    },
}

/// An officer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Officer {
    officer_id: Uuid,
    user_id: String,
    user_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    language: Language,
    #[serde(with = "time::serde::rfc3339")]
    registered_at: OffsetDateTime,
}

/// Does it.
pub(crate) async fn officers(
    services: &Services,
    arguments: Arguments,
) -> anyhow::Result<ExitCode> {
    let auth = &services.auth;
    match arguments.command {
        Command::List { json } => list(auth, json).await?,
        Command::Add { user_id, user_name, user_email, language, password } => {
            let chosen = password.password()?;
            let body = json!({
                "userId": user_id, "userName": user_name, "userEmail": user_email,
                "language": language, "userPassword": chosen.password.expose_secret(),
            });
            let officer: Officer = auth.post("/admin/officers", &body).await?;
            say(&format!("added {}", officer.officer_id), Some(&chosen))?;
        }
        Command::Remove { user_id } => {
            let id = named(auth, &user_id).await?.officer_id;
            let () = auth.delete(&format!("/admin/officers/{id}")).await?;
            say(&format!("removed {id}"), None)?;
        }
        Command::ResetPassword { user_id, password } => {
            let id = named(auth, &user_id).await?.officer_id;
            let chosen = password.password()?;
            let body = json!({ "userPassword": chosen.password.expose_secret() });
            let () = auth.post(&format!("/admin/officers/{id}/password"), &body).await?;
            say(&format!("another password for {id}"), Some(&chosen))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done; and the password, if nobody knows it yet.
fn say(done: &str, chosen: Option<&Chosen>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{done}")?;
    if let Some(chosen) = chosen.filter(|chosen| chosen.is_generated) {
        writeln!(out, "password: {}", chosen.password.expose_secret())?;
    }
    Ok(())
}

async fn list(auth: &AdminApi, as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut after = None;
    loop {
        let page: Page<Officer> = auth.page("/admin/officers", after).await?;
        for officer in &page.items {
            if as_json {
                writeln!(out, "{}", serde_json::to_string(officer)?)?;
            } else {
                let Officer { officer_id, user_id, user_name, .. } = officer;
                writeln!(out, "{officer_id}  {user_id:<30}  {user_name}")?;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// The officer with this login name, which is compared without regard to case.
async fn named(auth: &AdminApi, user_id: &str) -> anyhow::Result<Officer> {
    let wanted = user_id.to_lowercase();
    let mut after = None;
    loop {
        let page: Page<Officer> = auth.page("/admin/officers", after).await?;
        let found = page.items.into_iter().find(|one| one.user_id.to_lowercase() == wanted);
        after = page.next;
        if found.is_some() || after.is_none() {
            return found.context("there is no officer with this login name");
        }
    }
}
