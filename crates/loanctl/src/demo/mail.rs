//! The end of the demo: a customer with a mail address, and the mail that comes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use client::{Client, Credentials};
use common::clock::Clock;
use serde_json::json;

use super::{SEEN_WITHIN, call, heading};

/// The time between two looks into the folder.
const LOOK: Duration = Duration::from_millis(50);

/// What stands before the code of a verification.
const CODE: &str = "Your code: ";

/// Registers a customer who is written to by mail, and shows what they get.
pub(super) async fn mail(gateway: &str, folder: &Path) -> Result<()> {
    let client = Client::try_new(gateway)?;
    let address = format!("demo-{}@example.com", Clock::system().new_id().simple());
    let who = Credentials {
        user_id: address.clone(),
        user_name: "Demo".into(),
        password: "a-demo-password".into(),
    };
    heading("A customer with a mail address: it is verified before anything is sent there");
    let body = json!({
        "userId": who.user_id, "userName": who.user_name, "userPassword": who.password,
        "userMobile": "010-000-0000", "userEmail": address, "language": "en",
    });
    let answer = client.post("/customers", "", &body).await?;
    call("POST", gateway, "/customers", Some(&body), &answer);
    answer.expect(201)?;
    let token = client.token(&who.user_id, &who.password).await?;
    let (_, mail) = wait_for(folder, &address, CODE).await?;
    let code: String = mail
        .split(CODE)
        .nth(1)
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let path = "/loanMessengers/delivery/confirmations";
    let body = json!({ "channel": "mail", "code": code });
    let answer = client.post(path, &token, &body).await?;
    call("POST", gateway, path, Some(&body), &answer);
    answer.expect(204)?;

    heading("They apply, and a mail comes");
    let answer = client.post("/loanRequests", "", &who.application(10_000)).await?;
    call("POST", gateway, "/loanRequests", Some(&who.application(10_000)), &answer);
    answer.expect(201)?;
    let (file, mail) = wait_for(folder, &address, "We have received your loan application").await?;
    println!("$ cat '{}'", file.display());
    for line in mail.lines() {
        println!("  {line}");
    }
    let told = |answer: &client::Answer| {
        answer.json()["_embedded"]["loanMessengers"][0]["delivery"] == "sent"
    };
    let answer = client.wait_for("/loanMessengers?size=1", &token, SEEN_WITHIN, told).await?;
    call("GET", gateway, "/loanMessengers?size=1", None, &answer);
    ensure!(answer.json()["_embedded"]["loanMessengers"][0]["channel"] == "mail", "not by mail");
    Ok(())
}

/// The mail to this address that says this, when it is there.
async fn wait_for(folder: &Path, address: &str, text: &str) -> Result<(PathBuf, String)> {
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        if let Some(found) = find(folder, address, text)? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "no mail has come into {}", folder.display());
        tokio::time::sleep(LOOK).await;
    }
}

fn find(folder: &Path, address: &str, text: &str) -> Result<Option<(PathBuf, String)>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("the folder {} can't be read", folder.display()))?;
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_none_or(|ending| ending != "eml") {
            continue;
        }
        // What is not UTF-8 is no mail of ours.
        let Ok(mail) = std::fs::read_to_string(&file) else { continue };
        if mail.contains(&format!("To: {address}")) && mail.contains(text) {
            return Ok(Some((file, mail)));
        }
    }
    Ok(None)
}
