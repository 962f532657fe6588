//! Dead letters: listed without their content, put back with one effect, discarded.

use anyhow::{Context as _, Result};
use journeys::client::Credentials;
use journeys::harness::Journey;
use serde_json::Value;
use standalone::Service;

use super::{figure, loanctl, loanctl_with};
use crate::by_hand::{Hand, read};
use crate::plumbing::until;

const TOPIC: &str = "loan.manager";
const LETTERS: &str = "loan.manager.dlq";

async fn open(journey: &Journey, more: &[&str]) -> Result<Vec<Value>> {
    let arguments = [&["dlq", "list", "--json"], more].concat();
    loanctl(journey, &arguments).await?.expect(0)?.json()
}

fn id(letter: &Value) -> Result<&str> {
    letter["id"].as_str().context("an id")
}

/// loan-messenger cannot write messages of this kind, until somebody mends that.
async fn refuse_messages(journey: &Journey, kind: &str) -> Result<()> {
    let sql = format!(
        "ALTER TABLE loan_messenger.message ADD CONSTRAINT out_of_order CHECK (kind <> '{kind}') NOT VALID"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&journey.db).await?;
    Ok(())
}

async fn mend(journey: &Journey) -> Result<()> {
    let sql = "ALTER TABLE loan_messenger.message DROP CONSTRAINT out_of_order";
    sqlx::query(sql).execute(&journey.db).await?;
    Ok(())
}

async fn letters(journey: &Journey, wanted: usize) -> Result<Vec<Value>> {
    until("the letters lie there", async || Ok(open(journey, &[]).await?.len() == wanted)).await?;
    open(journey, &[]).await
}

/// As the service itself counts them.
async fn counted(journey: &Journey, wanted: f64) -> Result<()> {
    until("the service counts them", async || {
        Ok(figure(journey, Service::LoanMessenger, "dead_letters_open").await? == wanted)
    })
    .await
}

//
#[tokio::test]
async fn a_letter_is_put_back_and_has_its_effect_once() -> Result<()> {
    const MESSAGES: &str = "SELECT count(*) FROM loan_messenger.message";
    let journey = Journey::start().await?;
    assert_eq!(open(&journey, &[]).await?.len(), 0);
    refuse_messages(&journey, "request-received").await?;
    let loan = journey.client.apply(&Credentials::demo(), 10_000).await?;
    let letter = letters(&journey, 1).await?.remove(0);
    assert_eq!(letter["group"], "loan-messenger");
    assert_eq!(letter["topic"], TOPIC);
    assert_eq!(letter["subject"], loan.as_str());
    assert!(letter["reason"].as_str().is_some_and(|why| why.contains("out_of_order")), "{letter}");
    counted(&journey, 1.0).await?;
    assert_eq!(figure(&journey, Service::LoanMessenger, "dead_letters_total").await?, 1.0);

    // A letter stops nobody: what comes after it in the same partition arrives.
    let officer = journey.client.officer().await?;
    journey.client.step(&officer, &loan, "01").await?.expect(200)?;
    journey.wait_count(MESSAGES, 1).await?;

    // What is in it is shown to who asks for it, and else to nobody.
    let hidden = loanctl(&journey, &["dlq", "show", id(&letter)?]).await?.expect(0)?.out;
    assert!(hidden.contains("dlq_reason") && !hidden.contains("Deposit"), "{hidden}");
    let shown =
        loanctl(&journey, &["dlq", "show", id(&letter)?, "--payload"]).await?.expect(0)?.out;
    assert!(shown.contains("Deposit"), "{shown}");

    // Put back too early, it comes back as another letter, and the first is closed.
    let redrive = ["dlq", "redrive", "--id", id(&letter)?, "--by", "somebody"];
    loanctl(&journey, &redrive).await?.expect(0)?;
    until("it is set aside again", async || {
        let open = open(&journey, &[]).await?;
        Ok(open.len() == 1 && open[0]["id"] != letter["id"])
    })
    .await?;
    let said = loanctl(&journey, &redrive).await?.expect(2)?;
    assert!(said.err.contains("no open letter"), "{said:?}");

    mend(&journey).await?;
    let said = loanctl(&journey, &["dlq", "redrive", "--all"]).await?.expect(0)?;
    assert!(said.out.contains("1 redriven"), "{said:?}");
    journey.wait_count(MESSAGES, 2).await?;
    assert_eq!(open(&journey, &[]).await?.len(), 0);
    counted(&journey, 0.0).await?;
    // Once, for the one that lacked it; nobody else has worked on it twice.
    journey.wait_count("SELECT count(*) FROM loan_status.entry", 2).await?;
    loanctl(&journey, &["reconcile", "--older-than", "0s"]).await?.expect(0)?;
    let markers = read(journey.stack.bootstrap(), LETTERS).await?;
    let marker = markers.iter().find(|one| one.header("dlq_handled_by") == "somebody");
    assert_eq!(marker.context("a marker")?.header("dlq_outcome"), "redriven");
    Ok(())
}

// in any order, for one group or topic, and what is no event as well.
#[tokio::test]
async fn letters_are_discarded_in_any_order_and_never_listed_again() -> Result<()> {
    let journey = Journey::start().await?;
    refuse_messages(&journey, "request-received").await?;
    for _ in 0..3 {
        journey.client.apply(&Credentials::demo(), 10_000).await?;
    }
    let three = letters(&journey, 3).await?;
    counted(&journey, 3.0).await?;
    // The one in the middle first.
    let middle = id(&three[1])?.to_owned();
    loanctl(&journey, &["dlq", "discard", "--id", &middle]).await?.expect(0)?;
    let left = open(&journey, &[]).await?;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|letter| letter["id"] != middle.as_str()), "{left:?}");
    counted(&journey, 2.0).await?;

    Hand::new(journey.stack.bootstrap())?.send(TOPIC, "a", Some("garbage"), &[]).await?;
    // Each of the four who read the topic sets it aside for itself.
    letters(&journey, 6).await?;
    assert_eq!(open(&journey, &["--group", "loan-status"]).await?.len(), 1);
    assert_eq!(open(&journey, &["--topic", "loan.auth"]).await?.len(), 0);
    loanctl(&journey, &["dlq", "discard", "--all", "--group", "loan-status"]).await?.expect(0)?;
    assert_eq!(open(&journey, &[]).await?.len(), 5);
    loanctl(&journey, &["dlq", "discard", "--all", "--topic", TOPIC]).await?.expect(0)?;
    assert_eq!(open(&journey, &[]).await?.len(), 0);
    counted(&journey, 0.0).await?;
    mend(&journey).await?;
    // Discarded is discarded: what is missing by it was decided, and no repair brings it back.
    let before = journey.count("SELECT count(*) FROM loan_messenger.message").await?;
    loanctl(&journey, &["reconcile", "--older-than", "0s"]).await?.expect(0)?;
    loanctl(&journey, &["reconcile", "--older-than", "0s", "--repair"]).await?.expect(0)?;
    journey.wait_count("SELECT count(*) FROM loan_messenger.message", before).await?;
    for wrong in
        [&["dlq", "discard"][..], &["dlq", "show", "other/0/1"], &["dlq", "list", "--topic", "x"]]
    {
        loanctl(&journey, wrong).await?.expect(2)?;
    }
    Ok(())
}

/// A credential for looking on, and one for mending.
const AUDITOR: &str = "auditor:read:a-secret-for-looking-on-only";
const OPERATOR: &str = "operator:repair:a-secret-for-whoever-mends";

// whoever can write to Kafka can lay a letter there; it goes nowhere, and neither does
// a real one for who may only look.
#[tokio::test]
async fn only_what_a_service_set_aside_is_put_back_and_not_by_who_may_only_look() -> Result<()> {
    let both = format!("{OPERATOR},{AUDITOR}");
    let journey = Journey::start_with(|stack| stack.env_for_all("ADMIN_CREDENTIAL", &both)).await?;
    let redrive = async |credential: &str, what: &[&str]| {
        let arguments = [&["dlq", "redrive"], what].concat();
        loanctl_with(&journey, &arguments, &[("ADMIN_CREDENTIAL", credential)], "").await
    };
    refuse_messages(&journey, "request-received").await?;
    journey.client.apply(&Credentials::demo(), 10_000).await?;
    let real = letters(&journey, 1).await?.remove(0);
    let said = redrive(AUDITOR, &["--id", id(&real)?]).await?.expect(2)?;
    assert!(said.err.contains("needs a credential with the scope"), "{said:?}");

    // The same letter of another event, and of another group.
    let bootstrap = journey.stack.bootstrap();
    let laid = read(bootstrap, LETTERS).await?.remove(0);
    let another = uuid::Uuid::from_u128(4_711).to_string();
    for (name, value) in [("ce_id", another.as_str()), ("dlq_group", "loan-nobody")] {
        let mut headers = laid.headers.clone();
        headers.insert(name.to_owned(), value.to_owned());
        let headers: Vec<_> = headers.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        let key = laid.key.as_deref().unwrap_or_default();
        Hand::new(bootstrap)?.send(LETTERS, key, laid.value.as_deref(), &headers).await?;
    }
    let all = letters(&journey, 3).await?;
    let manager = read(bootstrap, TOPIC).await?.len();
    for (letter, why) in
        [(&all[1], "loan-messenger still has set aside"), (&all[2], "no group of these")]
    {
        let said = redrive(OPERATOR, &["--id", id(letter)?]).await?.expect(2)?;
        assert!(said.err.contains(why) && said.err.contains("discard it"), "{said:?}");
    }
    assert_eq!(read(bootstrap, TOPIC).await?.len(), manager, "nothing was put back");

    // They hold up nobody else, and can be closed.
    mend(&journey).await?;
    let said = redrive(OPERATOR, &["--all"]).await?.expect(0)?;
    assert!(said.out.contains("1 redriven") && said.err.matches("discard it").count() == 2);
    journey.wait_count("SELECT count(*) FROM loan_messenger.message", 1).await?;
    let log = journey.stack.service(Service::LoanMessenger).log();
    let asked = log
        .lines()
        .any(|line| line.contains("/admin/dead-letters/check") && line.contains("\"operator\""));
    assert!(asked, "who put letters back stands in the log");
    loanctl(&journey, &["dlq", "list"]).await?.expect(0)?;
    let discard = ["dlq", "discard", "--all"];
    let said =
        loanctl_with(&journey, &discard, &[("ADMIN_CREDENTIAL", OPERATOR)], "").await?.expect(0)?;
    assert!(said.out.contains("2 discarded"), "{said:?}");
    Ok(())
}
