//! `loanctl demo`: the scenario, played through the gateway: seven steps of a loan, a
//! repayment, and a refused certification. Each call is shown as it could be
//! typed, with its answer; after each step the customer's messages and the
//! loan's status are compared with what must be, and a difference ends the
//! demo with exit code 1.

mod mail;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use client::{
    Answer, Client, Credentials, DEMO_PASSWORD, DEMO_USER, OFFICER_PASSWORD, OFFICER_USER, id_of,
};
use serde_json::{Value, json};

/// How long a change may take until it is seen.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The gateway's address.
    #[arg(long, env = "GATEWAY_URL", default_value = "http://localhost:8080")]
    gateway: String,

    /// The folder in which loan-messenger puts mail, if it does (MAIL_URL=file:///…). Then the
    /// demo ends with a mail.
    #[arg(long, env = "MAIL_DROP")]
    mail_drop: Option<PathBuf>,
}

/// Plays it.
pub(crate) async fn demo(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut played = play(&arguments.gateway).await;
    if let (Ok(()), Some(folder)) = (&played, &arguments.mail_drop) {
        played = mail::mail(&arguments.gateway, folder).await;
    }
    if let Err(error) = played {
        eprintln!("\nThe demo failed: {error:#}");
        return Ok(ExitCode::FAILURE);
    }
    println!("\nThe demo went as it must.");
    Ok(ExitCode::SUCCESS)
}

/// A play in progress: who plays, and which loan it is about.
struct Play {
    client: Client,
    customer: String,
    officer: String,
    loan: String,
    messages: u64,
}

async fn play(gateway: &str) -> Result<()> {
    let client = Client::try_new(gateway)?;
    let who = Credentials::demo();
    heading("The customer and the officer log in");
    shown_as(&login("CUSTOMER", gateway, DEMO_USER, DEMO_PASSWORD));
    let customer = client.demo_customer().await?;
    shown_as(&login("OFFICER", gateway, OFFICER_USER, OFFICER_PASSWORD));
    let officer = client.officer().await?;
    heading("1. The customer applies for 10,000 won");
    let answer = client.post("/loanRequests", "", &who.application(10_000)).await?;
    call("POST", gateway, "/loanRequests", Some(&who.application(10_000)), &answer);
    let answer = answer.expect(201)?;
    let loan = id_of(answer.header("location"))?;
    let mut play = Play { client, customer, officer, loan, messages: 0 };

    heading("2. loan-auth has certified it, and loan-manager has received it");
    play.request_status(&play.loan.clone(), "요청완료").await?;
    play.told("접수", "00").await?;

    heading("3. It waits in the officer's queue");
    let answer = play.client.get("/loanManagers?loanStatus=00&size=200", &play.officer).await?;
    call("GET", gateway, "/loanManagers?loanStatus=00&size=200", None, &short(&answer));
    let answer = play.client.get(&format!("/loanManagers/{}", play.loan), &play.officer).await?;
    call("GET", gateway, &format!("/loanManagers/{}", play.loan), None, &answer);
    ensure!(answer.expect(200)?.text_at("/loanStatus")? == "00", "it does not wait");

    for (number, code, name) in
        [("4", "01", "심사진행"), ("5", "02", "대출가능"), ("6", "04", "대출실행")]
    {
        heading(&format!("{number}. The officer sets it to {code} {name}"));
        play.step(&play.loan.clone(), code).await?;
        play.told(name, code).await?;
    }

    heading("7. The customer looks at the loan: executed, 10,000 won outstanding");
    play.outstanding(10_000).await?;

    repayment(&mut play, &who).await?;
    refused(&play, &who).await
}

async fn repayment(play: &mut Play, who: &Credentials) -> Result<()> {
    heading("A repayment of 4,000 won, and the rest");
    let body = who.repayment(Some(&play.loan), 4_000);
    let answer = play.client.post("/loanRequests", "", &body).await?;
    call("POST", &play.client.base, "/loanRequests", Some(&body), &answer);
    let item = id_of(answer.expect(201)?.header("location"))?;
    play.request_status(&item, "요청완료").await?;
    play.messages += 1;
    play.step(&item, "05").await?;
    play.messages += 1;
    play.outstanding(6_000).await?;
    play.step(&play.loan.clone(), "05").await?;
    play.told("대출상환", "05").await?;
    play.outstanding(0).await?;
    heading("Another step is refused, with what is allowed");
    let answer = play.client.step(&play.officer, &play.loan, "01").await?;
    let path = format!("/loanManagers/{}", play.loan);
    call("PATCH", &play.client.base, &path, Some(&json!({ "loanStatus": "01" })), &answer);
    let problem = answer.expect(409)?.json();
    ensure!(
        problem["state"] == "05" && problem["allowed"] == json!([]),
        "the problem is another: {problem}"
    );
    Ok(())
}

async fn refused(play: &Play, who: &Credentials) -> Result<()> {
    heading("A wrong password: refused, and nothing comes of it");
    let newest = async || {
        let answer = play.client.get("/loanMessengers?size=1", &play.customer).await?;
        anyhow::Ok(
            list(&answer.expect(200)?, "loanMessengers").first().map(|one| one["id"].clone()),
        )
    };
    let before = newest().await?;
    let stranger = Credentials { password: "wrong-password".into(), ..who.clone() };
    let answer = play.client.post("/loanRequests", "", &stranger.application(10_000)).await?;
    let body = stranger.application(10_000);
    call("POST", &play.client.base, "/loanRequests", Some(&body), &answer);
    ensure!(answer.header("content-type").starts_with("application/problem+json"), "no problem");
    answer.expect(403)?;
    ensure!(newest().await? == before, "a message came of it");

    heading("What the customer was told");
    let path = format!("{}&size={}", play.messages_path(), play.messages);
    let answer = play.client.get(&path, &play.customer).await?;
    for message in list(&answer, "loanMessengers") {
        println!(
            "  {} · {}",
            message["kind"].as_str().unwrap_or("?"),
            message["body"].as_str().unwrap_or("?")
        );
    }
    Ok(())
}

impl Play {
    async fn step(&self, id: &str, code: &str) -> Result<()> {
        let answer = self.client.step(&self.officer, id, code).await?;
        let path = format!("/loanManagers/{id}");
        call("PATCH", &self.client.base, &path, Some(&json!({ "loanStatus": code })), &answer);
        ensure!(answer.expect(200)?.text_at("/loanStatus")? == code, "the step was not taken");
        Ok(())
    }

    /// The request gets to the status.
    async fn request_status(&self, id: &str, status: &str) -> Result<()> {
        let path = format!("/loanRequests/{id}");
        let answer = self
            .client
            .wait_for(&path, &self.customer, SEEN_WITHIN, |answer| {
                answer.json()["requestStatus"] == status
            })
            .await?;
        call("GET", &self.client.base, &path, None, &answer);
        Ok(())
    }

    /// One more message came, and the status shows the step.
    async fn told(&mut self, name: &str, code: &str) -> Result<()> {
        self.messages += 1;
        let path = format!("/loanStatus/loans/{}", self.loan);
        let answer = self
            .client
            .wait_for(&path, &self.customer, SEEN_WITHIN, |answer| {
                let loan = answer.json();
                loan["loanStatus"] == name && loan["loanStatusCode"] == code
            })
            .await?;
        println!("$ curl -s '{}{path}'{}", self.client.base, bearer("GET", &path));
        println!("  loanStatus: {name} ({code})");
        let (path, wanted) = (format!("{}&size=1", self.messages_path()), self.messages);
        let answer_messages = self
            .client
            .wait_for(&path, &self.customer, SEEN_WITHIN, |answer| {
                count(answer).is_ok_and(|now| now >= wanted)
            })
            .await?;
        let now = count(&answer_messages)?;
        ensure!(now == wanted, "{now} messages instead of {wanted}");
        if let Some(message) = list(&answer_messages, "loanMessengers").first() {
            println!("  message: {}", message["body"].as_str().unwrap_or("?"));
        }
        drop(answer);
        Ok(())
    }

    /// Those of this loan: the customer may have thousands of others.
    fn messages_path(&self) -> String {
        format!("/loanMessengers?loanId={}", self.loan)
    }

    async fn outstanding(&self, won: i64) -> Result<()> {
        let path = format!("/loanStatus/loans/{}", self.loan);
        let answer = self
            .client
            .wait_for(&path, &self.customer, SEEN_WITHIN, |answer| {
                answer.json()["outstanding"] == won
            })
            .await?;
        call("GET", &self.client.base, &path, None, &answer);
        Ok(())
    }
}

fn heading(text: &str) {
    println!("\n── {text}");
}

fn shown_as(command: &str) {
    println!("$ {command}");
}

/// A login whose token the later calls refer to.
fn login(name: &str, gateway: &str, user: &str, password: &str) -> String {
    format!(
        "{name}=$(curl -s {gateway}/auth/token -d grant_type=password -d username={user} -d password={password} | grep -o '\"access_token\":\"[^\"]*' | cut -d'\"' -f4)"
    )
}

/// Shows a call as it can be typed after the logins, and its answer.
fn call(method: &str, base: &str, path: &str, body: Option<&Value>, answer: &Answer) {
    let method_shown = if method == "PATCH" { " -X PATCH" } else { "" };
    let body = body.map(|body| format!(" --json '{body}'")).unwrap_or_default();
    println!("$ curl -s{method_shown} '{base}{path}'{}{body}", bearer(method, path));
    println!("  HTTP {} ({:.1} ms)", answer.status, answer.took.as_secs_f64() * 1_000.0);
    if let Some(location) = answer.headers.get("location").and_then(|value| value.to_str().ok()) {
        println!("  Location: {location}");
    }
    println!("  {}", answer.text);
}

/// Whose token a call bears: an application shows who it is by what is in it.
fn bearer(method: &str, path: &str) -> &'static str {
    match method {
        "POST" => "",
        _ if path.starts_with("/loanManagers") => " -H \"Authorization: Bearer $OFFICER\"",
        _ => " -H \"Authorization: Bearer $CUSTOMER\"",
    }
}

fn short(answer: &Answer) -> Answer {
    let waiting = answer.json()["page"]["totalElements"].to_string();
    Answer { text: format!("… {waiting} waiting"), ..answer.clone() }
}

fn list(answer: &Answer, name: &str) -> Vec<Value> {
    answer.json()["_embedded"][name].as_array().cloned().unwrap_or_default()
}

fn count(answer: &Answer) -> Result<u64> {
    match answer.json()["page"]["totalElements"].as_u64() {
        Some(count) if answer.status == 200 => Ok(count),
        _ => bail!("no list: {} {}", answer.status, answer.text),
    }
}
