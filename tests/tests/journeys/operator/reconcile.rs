//! Whether the services agree: each kind of damage is found, named and mended.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use journeys::client::{Credentials, id_of};
use journeys::harness::Journey;
use serde_json::Value;
use standalone::Service;

use super::{Said, loanctl};

/// What is reported, by request.
fn found(said: &Said) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in said.json()? {
        if let (Some(id), Some(kind)) = (line["loanRequestId"].as_str(), line["kind"].as_str()) {
            all.entry(id.to_owned()).or_default().insert(kind.to_owned());
        }
    }
    Ok(all)
}

fn summary(said: &Said) -> Result<Value> {
    Ok(said.json()?.pop().context("a last line")?["summary"].clone())
}

async fn run(journey: &Journey, more: &[&str]) -> Result<Said> {
    let arguments = [&["reconcile", "--json", "--older-than", "0s"], more].concat();
    loanctl(journey, &arguments).await
}

/// A statement of the superuser, that touches so many rows.
async fn damage(journey: &Journey, sql: &str, id: &str, rows: u64) -> Result<()> {
    let sql = sql.replace("$id", &format!("'{id}'"));
    let done = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).execute(&journey.db).await?;
    ensure!(done.rows_affected() == rows, "{} rows: {sql}", done.rows_affected());
    Ok(())
}

/// A repayment that loan-manager rejects, and that is compensated.
async fn rejected(journey: &Journey, who: &Credentials, loan: &str) -> Result<String> {
    let body = who.repayment(Some(loan), 999_999);
    let answer = journey.client.post("/loanRequests", "", &body).await?.expect(201)?;
    let id = id_of(answer.header("location"))?;
    let done = format!(
        "SELECT count(*) FROM loan_status.cancellation c JOIN loan_auth.certification a USING (loan_request_id)
         WHERE a.outcome = 'cancelled' AND loan_request_id = '{id}'"
    );
    journey.wait_count(&done, 1).await?;
    Ok(id)
}

/// An application that everybody has heard of.
async fn applied(journey: &Journey, who: &Credentials) -> Result<String> {
    let id = journey.client.apply(who, 10_000).await?;
    let shown = format!(
        "SELECT count(*) FROM loan_status.entry s JOIN loan_messenger.message m USING (loan_request_id)
         JOIN loan_request.loan_request r USING (loan_request_id)
         WHERE r.status = '요청완료' AND loan_request_id = '{id}'"
    );
    journey.wait_count(&shown, 1).await?;
    Ok(id)
}

/// A certification of which loan-manager believes to have worked on it, and has not.
async fn unheard(journey: &mut Journey, who: &Credentials) -> Result<String> {
    journey.stack.service_mut(Service::LoanManager).terminate().await?;
    let id = journey.client.apply(who, 10_000).await?;
    let claim = "INSERT INTO loan_manager.inbox (event_id, topic)
        SELECT event_id, 'loan.auth' FROM loan_auth.certification WHERE loan_request_id = $id";
    damage(journey, claim, &id, 1).await?;
    journey.stack.service_mut(Service::LoanManager).start_again().await?;
    Ok(id)
}

// everything that can be lost is found, mended once, and nothing happens twice.
#[tokio::test]
async fn every_kind_of_damage_is_found_and_mended_and_nothing_happens_twice() -> Result<()> {
    let mut journey = Journey::start().await?;
    let officer = journey.client.officer().await?;
    let who = Credentials::demo();
    let loan = journey.executed_loan(&who, &officer, 50_000).await?;
    let body = who.repayment(Some(&loan), 20_000);
    let answer = journey.client.post("/loanRequests", "", &body).await?.expect(201)?;
    let repayment = id_of(answer.header("location"))?;
    journey.waits(&officer, &repayment).await?;
    journey.client.step(&officer, &repayment, "05").await?.expect(200)?;
    let mut applications = Vec::new();
    for _ in 0..4 {
        applications.push(applied(&journey, &who).await?);
    }
    let (first, second, third) = (
        rejected(&journey, &who, &loan).await?,
        rejected(&journey, &who, &loan).await?,
        rejected(&journey, &who, &loan).await?,
    );
    journey.finish().await?;
    journey.wait_count("SELECT count(*) FROM loan_messenger.message", 13).await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", 13).await?;
    let said = run(&journey, &[]).await?.expect(0)?;
    assert_eq!(summary(&said)?["checked"], 9);
    assert_eq!(summary(&said)?["disagreeing"], 0, "{said:?}");

    let lost = unheard(&mut journey, &who).await?;
    let damages: [(&str, &str, u64, &[&str]); 9] = [
        (
            "UPDATE loan_request.loan_request SET status = '인증대기', received_at = NULL WHERE loan_request_id = $id",
            &applications[0], 1, &["request-behind"],
        ),
        (
            "DELETE FROM loan_messenger.message WHERE loan_request_id = $id",
            &applications[1], 1, &["message-missing"],
        ),
        (
            "DELETE FROM loan_status.entry WHERE loan_request_id = $id",
            &applications[2], 1, &["status-missing"],
        ),
        (
            "UPDATE loan_status.loan SET loan_status = '05', outstanding = 0 WHERE loan_id = $id",
            &applications[3], 1, &["status-behind"],
        ),
        (
            "DELETE FROM loan_messenger.message WHERE loan_request_id = $id AND kind = 'executed'",
            &loan, 1, &["message-missing"],
        ),
        (
            "UPDATE loan_auth.open_loan SET is_open = false, loan_version = 0 WHERE loan_id = $id",
            &loan, 1, &["open-loan-wrong"],
        ),
        (
            "UPDATE loan_request.loan_request SET status = '요청완료', received_at = now(), reason = NULL,
                 comment = NULL, cancelled_at = NULL, cancelled_event_id = NULL WHERE loan_request_id = $id",
            &first, 1, &["not-compensated"],
        ),
        (
            "UPDATE loan_auth.certification SET outcome = 'certified', cancelled_at = NULL WHERE loan_request_id = $id",
            &second, 1, &["certification-not-cancelled"],
        ),
        (
            "DELETE FROM loan_status.cancellation WHERE loan_request_id = $id",
            &third, 1, &["status-not-cancelled"],
        ),
    ];
    let mut expected =
        BTreeMap::from([(lost.clone(), BTreeSet::from(["manager-missing".to_owned()]))]);
    for (sql, id, rows, kinds) in damages {
        damage(&journey, sql, id, rows).await?;
        let of_this = expected.entry(id.to_owned()).or_default();
        of_this.extend(kinds.iter().map(|kind| (*kind).to_owned()));
    }
    let said = run(&journey, &[]).await?.expect(1)?;
    assert_eq!(found(&said)?, expected);
    assert_eq!(summary(&said)?["disagreeing"], 9);
    // What is younger than the bound is on its way.
    let young = ["reconcile", "--json", "--older-than", "1h"];
    let young = loanctl(&journey, &young).await?.expect(0)?;
    assert_eq!(summary(&young)?["disagreeing"], 0);
    assert!(summary(&young)?["inFlight"].as_i64() >= Some(9), "{young:?}");
    // People read it, too.
    let text = loanctl(&journey, &["reconcile", "--older-than", "0s"]).await?.expect(1)?.out;
    assert!(
        text.contains("status-behind") && text.contains("is 00 and owes nothing, shown 05 owing 0"),
        "{text}"
    );

    for round in 0..2 {
        let said = run(&journey, &["--repair"]).await?.expect(0)?;
        let summary = summary(&said)?;
        let mended = if round == 0 { 9 } else { 0 };
        assert_eq!((&summary["mended"], &summary["left"]), (&mended.into(), &0.into()), "{said:?}");
        journey.finish().await?;
        // One for each event that there is, and none twice.
        journey.wait_count("SELECT count(*) FROM loan_messenger.message", 14).await?;
        journey.wait_count("SELECT count(*) FROM loan_status.entry", 14).await?;
        journey.wait_count("SELECT count(*) FROM loan_manager.history", 14).await?;
        journey.wait_count("SELECT count(*) FROM loan_manager.item", 10).await?;
        let open = format!(
            "SELECT count(*) FROM loan_auth.open_loan WHERE is_open AND loan_id = '{loan}'"
        );
        journey.wait_count(&open, 1).await?;
        assert_eq!(found(&run(&journey, &[]).await?.expect(0)?)?, BTreeMap::new());
    }
    Ok(())
}

// What only a person can mend is told and left alone.
#[tokio::test]
async fn money_that_does_not_add_up_is_found_and_not_touched() -> Result<()> {
    let journey = Journey::start().await?;
    let officer = journey.client.officer().await?;
    let loan = journey.executed_loan(&Credentials::demo(), &officer, 50_000).await?;
    journey.finish().await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", 4).await?;
    let wrong = "UPDATE loan_manager.item SET outstanding = 40000 WHERE loan_request_id = $id";
    damage(&journey, wrong, &loan, 1).await?;
    let undecided = "INSERT INTO loan_request.loan_request (loan_request_id, request_id, loan_id, request_name,
            amount, currency, status, submitted_at, decide_after)
        SELECT id, '01', id, 'Deposit', 1, 'KRW', '인증대기', now() - interval '1 day', now() + interval '1 day'
        FROM (VALUES ('01900000-0000-7000-8000-000000000001'::uuid)) AS one(id) WHERE id::text <> $id";
    damage(&journey, undecided, &loan, 1).await?;
    for more in [&[][..], &["--repair", "--repair-wait", "100ms"]] {
        let said = run(&journey, more).await?.expect(1)?;
        let kinds = found(&said)?;
        assert!(kinds[&loan].contains("books-wrong"), "{said:?}");
        assert_eq!(
            kinds["01900000-0000-7000-8000-000000000001"],
            BTreeSet::from(["undecided".to_owned()])
        );
        let line = said.json()?.into_iter().find(|line| line["kind"] == "undecided");
        let line = line.context("a line")?;
        assert!(line["ageSeconds"].as_i64() >= Some(86_000), "{line}");
        assert_eq!(line["isRepairable"], false);
    }
    let owed =
        format!("SELECT outstanding FROM loan_manager.item WHERE loan_request_id = '{loan}'");
    assert_eq!(journey.count(&owed).await?, 40_000);
    Ok(())
}

// It can't do its work: neither agreement nor disagreement.
#[tokio::test]
async fn a_service_that_is_away_is_no_disagreement() -> Result<()> {
    let mut journey = Journey::start().await?;
    journey.stack.service_mut(Service::LoanStatus).terminate().await?;
    let said = run(&journey, &[]).await?.expect(2)?;
    assert!(said.err.contains("loan-status"), "{said:?}");
    Ok(())
}
