//! after a whole journey, with errors and wrong passwords on the way, what
//! is secret is nowhere, and what is personal is only where it must be: in all
//! topics, all tables, all logs at their most talkative, all figures, all answers.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use journeys::harness::Journey;
use standalone::Service;
use tokio::time::timeout;

use crate::contract::Findings;
use crate::tokens::forger::Key;

mod play;
mod scan;

use play::Play;
use scan::{Kind, Needle, Scan};

/// More than an operator would ask for, libraries included.
const TALKATIVE: &str = "debug,sqlx=debug,hyper=debug,hyper_util=debug,h2=debug,reqwest=debug,\
    tower=debug,tower_http=debug,rdkafka=debug,axum=trace,axum::rejection=trace";

/// A program that is given nonsense says so and ends.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

//
#[tokio::test]
async fn secrets_are_nowhere_and_personal_data_only_where_they_must_be() -> Result<()> {
    let key = Key::generate();
    let mut journey = Journey::start_with(|stack| {
        stack.own_postgres().env_for_all("LOG_LEVEL", TALKATIVE).env(
            Service::LoanAuth,
            "TOKEN_SIGNING_KEYS",
            &key.pem(),
        )
    })
    .await?;
    let play = Play::whole(&mut journey).await?;
    journey.finish().await?;

    let scan = Scan::of(&mut journey, &play).await?;
    let mut findings = Findings::default();
    // Nothing is found by a scan that looks at nothing.
    scan.has_seen_everything(&mut findings);
    for needle in needles(&journey, &play, &key) {
        scan.look_for(&needle, &mut findings);
    }
    findings.conclude();
    Ok(())
}

fn needles(journey: &Journey, play: &Play, key: &Key) -> Vec<Needle> {
    let secret = |what: &'static str, text: &str| Needle::new(what, Kind::Secret, text);
    let mut needles = vec![
        secret("the service credential", journey.stack.service_credential()),
        secret("the signing key", key.pem().lines().nth(1).unwrap_or_default()),
        Needle::quoted("the demo customer's password", "1234"),
        secret("the officer's password", journeys::client::OFFICER_PASSWORD),
        Needle::new("a password's hash", Kind::Hash, "$argon2"),
        Needle::new("the registered number", Kind::Mobile, play::MOBILE),
        secret("the registered number, bare", &play::MOBILE.replace('-', "")),
        Needle::new("the request's number", Kind::RequestMobile, play::OTHER_MOBILE),
        Needle::new("the name", Kind::Name, play::NAME),
        Needle::new("the demo customer's name", Kind::Name, journeys::client::DEMO_NAME),
        Needle::new("the login name", Kind::Login, &play.user_id()),
        Needle::new("the demo customer's login name", Kind::Login, journeys::client::DEMO_USER),
        Needle::new("the officer's login name", Kind::Login, journeys::client::OFFICER_USER),
        Needle::new("the e-mail address", Kind::Email, play::EMAIL),
    ];
    for role in Service::WITH_DATABASE.iter().filter_map(|service| service.role()) {
        needles.push(secret("a role's password", &format!("{role}-of-tests")));
    }
    needles.extend(play::PASSWORDS.iter().map(|password| secret("a password", password)));
    for token in play.tokens() {
        needles.push(Needle::new("a token", Kind::Token, &token));
        // A signature by itself is as good as a token to whoever knows the rest.
        if let Some((_, signature)) = token.rsplit_once('.') {
            needles.push(Needle::new("a token's signature", Kind::Token, signature));
        }
    }
    needles
}

/// How a program ends that should do so at once, and all that it says.
async fn ended(command: Command) -> Result<(Option<i32>, String)> {
    let mut command = tokio::process::Command::from(command);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let Ok(outcome) = timeout(ENDED_WITHIN, child.wait_with_output()).await else {
        return Ok((None, "it goes on".to_owned()));
    };
    let outcome = outcome?;
    let said = [outcome.stdout, outcome.stderr].concat();
    Ok((outcome.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

// a program that is asked for help, or given wrong settings, does not
// repeat the secret ones.
#[tokio::test]
async fn settings_that_are_secret_are_not_told() -> Result<()> {
    const SECRET: &str = "Sup3r-secret-Quagga";
    let folder = standalone::binaries::folder().context("the binaries")?;
    let mut findings = Findings::default();
    let good = [
        // Whatever else runs on this machine.
        ("HTTP_ADDR", "127.0.0.1:0".to_owned()),
        ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        ("DATABASE_URL", format!("postgres://u:{SECRET}@127.0.0.1:1/loan")),
        ("SERVICE_CREDENTIAL", format!("{SECRET}-{SECRET}")),
        ("SERVICE_CREDENTIALS", format!("{SECRET}-{SECRET}")),
        ("TOKEN_SIGNING_KEYS", Key::generate().pem()),
    ];
    let wrong = [
        ("DATABASE_URL", format!("{SECRET} is no address")),
        ("DATABASE_URL", format!("mysql://u:{SECRET}@127.0.0.1:1/loan")),
        ("DATABASE_URL", format!("postgres://u:{SECRET}@127.0.0.1:port/loan")),
        ("SERVICE_CREDENTIALS", "Quagga".to_owned()),
        ("TOKEN_SIGNING_KEYS", format!("{SECRET} is no key")),
        ("HTTP_ADDR", "nowhere".to_owned()),
    ];
    for service in Service::ALL {
        let program = folder.join(service.name());
        let run = |arguments: &[&str], changed: Option<&(&str, String)>| {
            let mut command = Command::new(&program);
            command.args(arguments).envs(good.iter().map(|(name, value)| (name, value)));
            command.envs(changed.map(|(name, value)| (name, value)));
            command
        };
        let (code, text) = ended(run(&["--help"], None)).await?;
        let is_help = code == Some(0) && text.contains("HTTP_ADDR");
        findings.check(is_help, || format!("{service} --help: {text}"));
        findings.check(!text.contains("Quagga"), || format!("{service} --help tells a secret"));
        for setting in &wrong {
            if !text.contains(setting.0) {
                continue; // Not one of this program's.
            }
            let (code, said) = ended(run(&[], Some(setting))).await?;
            findings.check(code == Some(2), || {
                format!("{service} starts with a wrong {}: {said}", setting.0)
            });
            findings.check(!said.contains("Quagga") && said.contains(setting.0), || {
                format!("{service} of a wrong {}: {said}", setting.0)
            });
        }
    }
    findings.conclude();
    Ok(())
}
