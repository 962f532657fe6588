//! The operator's command as a process, on a running system.

mod dead_letters;
mod officers;
mod rebuild;
mod reconcile;
mod restore;
mod topics;

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use journeys::harness::Journey;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What a run of `loanctl` came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    err: String,
}

impl Said {
    /// Fails, with all that was said, on another code.
    pub(crate) fn expect(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "ended with {} and not {code}: {self:?}", self.code);
        Ok(self)
    }

    /// The lines of standard output as JSON.
    pub(crate) fn json(&self) -> Result<Vec<Value>> {
        self.out.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

pub(crate) async fn loanctl(journey: &Journey, arguments: &[&str]) -> Result<Said> {
    loanctl_with(journey, arguments, &[], "").await
}

async fn loanctl_with(
    journey: &Journey,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> Result<Said> {
    let program = journey.stack.bin_dir().join("loanctl");
    let mut child = Command::new(&program)
        .args(arguments)
        .env_clear()
        .envs(journey.stack.operator_environment())
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    Ok(Said {
        code: output.status.code().context("loanctl was killed")?,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// A figure of a service, summed up over its labels.
pub(crate) async fn figure(
    journey: &Journey,
    service: standalone::Service,
    name: &str,
) -> Result<f64> {
    let address = format!("{}/metrics", journey.stack.service(service).admin_url());
    let text = journey.client.get(&address, "").await?.expect(200)?.text;
    let of_this =
        |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let values = text.lines().filter(of_this).filter_map(|line| line.rsplit(' ').next());
    values.map(|value| Ok(value.parse::<f64>()?)).sum()
}

/// A credential for looking on, and one for officers' accounts.
const AUDITOR: &str = "auditor:read:a-secret-for-looking-on-only";
const HOTLINE: &str = "hotline:accounts:a-secret-for-accounts-only";

// a credential opens what it is for; what it is not for is refused and stands in the log.
#[tokio::test]
async fn a_credential_is_good_for_its_scope() -> Result<()> {
    // The services may know of one no more than its hash.
    let hashed = common::admin::hashed_credential(AUDITOR).map_err(anyhow::Error::msg)?;
    let both = format!("{hashed},{HOTLINE}");
    let journey = Journey::start_with(|stack| stack.env_for_all("ADMIN_CREDENTIAL", &both)).await?;
    for (credential, arguments, code) in [
        (AUDITOR, ["outbox"].as_slice(), 0),
        (AUDITOR, &["reconcile"], 0),
        (AUDITOR, &["officers", "list"], 2),
        (AUDITOR, &["officers", "remove", journeys::client::OFFICER_USER], 2),
        (AUDITOR, &["status", "rebuild", "--verify"], 2),
        (HOTLINE, &["officers", "list"], 0),
        (HOTLINE, &["outbox"], 2),
        (HOTLINE, &["reconcile"], 2),
        (HOTLINE, &["status", "rebuild", "--verify"], 2),
    ] {
        let environment = [("ADMIN_CREDENTIAL", credential)];
        let said = loanctl_with(&journey, arguments, &environment, "").await?.expect(code)?;
        let is_refused = said.err.contains("needs a credential with the scope");
        assert_eq!(is_refused, code != 0, "{arguments:?}: {said:?}");
    }
    let log = journey.stack.service(standalone::Service::LoanAuth).log();
    let refused = log.lines().find(|line| line.contains("\"auditor\"") && line.contains("403"));
    let refused = refused.context("a line in the log of who was refused")?;
    assert!(refused.contains("GET") && refused.contains("/admin/officers"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn the_outbox_of_each_service_is_told() -> Result<()> {
    let journey = Journey::start().await?;
    journey.client.apply(&journeys::client::Credentials::demo(), 10_000).await?;
    journey.finish().await?;
    let said = loanctl(&journey, &["outbox", "--json"]).await?.expect(0)?;
    let all = said.json()?.remove(0);
    let all = all.as_array().context("a list")?;
    assert_eq!(all.len(), 5);
    for one in all {
        assert_eq!((&one["unsent"], &one["isRelay"]), (&0.into(), &true.into()), "{one}");
    }
    assert!(loanctl(&journey, &["outbox"]).await?.expect(0)?.out.contains("loan-messenger"));

    // Without the credential, and with another one.
    for credential in ["", "local:read:this-is-not-the-credential-at-all"] {
        let environment = [("ADMIN_CREDENTIAL", credential)];
        let said = loanctl_with(&journey, &["outbox"], &environment, "").await?.expect(2)?;
        assert!(said.err.contains("redential") || said.err.contains("REDENTIAL"), "{said:?}");
        assert_eq!(said.out, "");
    }
    // And none of it through the gateway, or on the services' own ports.
    let secret = journey.stack.admin_credential();
    journey.client.get("/admin/outbox", secret).await?.expect(404)?;
    journey
        .direct(standalone::Service::LoanAuth)?
        .get("/admin/outbox", secret)
        .await?
        .expect(404)?;
    Ok(())
}
