//! Every outcome of the synchronous certification, with the true loan-auth and
//! a proxy between the two that misbehaves.

use std::time::{Duration, Instant};

use anyhow::Result;
use journeys::client::{Answer, Credentials, id_of};
use journeys::harness::{CERTIFY_TIMEOUT_MS, Journey, SEEN_WITHIN};
use journeys::proxy::{Mode, Proxy};
use standalone::Service;

const ROWS: &str = "SELECT count(*) FROM loan_request.loan_request";
const PUBLISHED: &str = "SELECT count(*) FROM loan_request.outbox";
const CERTIFIED: &str = "SELECT count(*) FROM loan_auth.outbox WHERE event_type = 'AuthCertified'";
const LOANS: &str = "SELECT count(*) FROM loan_manager.item";

/// CONTRACT: how long loan-auth has to certify.
const TIMEOUT_MS: &str = "610";

/// All that a timed-out request may take: 610 ms, 250 ms, and a noisy machine.
const TIMED_OUT_WITHIN: Duration = Duration::from_millis(1_500);

/// A loan-auth that is away has opened the breaker within it: failures that last a second,
/// and a slow machine.
const OPEN_WITHIN: Duration = Duration::from_secs(3);

/// Between two applications that are to meet it open.
const PAUSE: Duration = Duration::from_millis(20);

async fn behind_a_proxy() -> Result<(Journey, Proxy)> {
    behind_a_proxy_that_has(Some(TIMEOUT_MS)).await
}

/// With so much time for loan-auth, or with as much as a slow machine needs.
async fn behind_a_proxy_that_has(timeout_ms: Option<&str>) -> Result<(Journey, Proxy)> {
    let proxy = Proxy::start().await?;
    let url = proxy.url();
    let journey = Journey::start_with(|stack| {
        let stack = match timeout_ms {
            Some(timeout) => stack.env(Service::LoanRequest, CERTIFY_TIMEOUT_MS, timeout),
            None => stack,
        };
        stack.env(Service::LoanRequest, "AUTH_URL", &url)
    })
    .await?;
    proxy.lead_to(&journey.stack.url(Service::LoanAuth));
    Ok((journey, proxy))
}

async fn apply(journey: &Journey) -> Result<(Answer, Duration)> {
    let started = Instant::now();
    let body = Credentials::demo().application(10_000);
    let answer = journey.client.post("/loanRequests", "", &body).await?;
    Ok((answer, started.elapsed()))
}

fn assert_told_to_come_back(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
    assert!(answer.header("content-type").starts_with("application/problem+json"));
}

// loan-auth is away, and comes back.
#[tokio::test]
async fn loan_auth_is_away_and_nothing_is_left_behind() -> Result<()> {
    let mut journey = Journey::start().await?;
    let customer = journey.client.demo_customer().await?;
    // loan-request has fetched the keys as soon as it reads a token.
    let list = "/loanRequests";
    journey.client.wait_for(list, &customer, SEEN_WITHIN, |answer| answer.status == 200).await?;
    journey.stack.service_mut(Service::LoanAuth).kill()?;
    let mut fastest = Duration::MAX;
    let until = Instant::now() + OPEN_WITHIN;
    while Instant::now() < until {
        let (answer, took) = apply(&journey).await?;
        assert_told_to_come_back(&answer);
        fastest = fastest.min(took);
        tokio::time::sleep(PAUSE).await;
    }
    assert!(fastest < Duration::from_millis(50), "the open breaker answers in {fastest:?}");
    // The token was given before, and the keys are known: reading goes on.
    let list = journey.client.get("/loanRequests", &customer).await?.expect(200)?;
    assert_eq!(list.json()["page"]["totalElements"], 0);
    let visible = format!("{ROWS} WHERE status <> '요청취소'");
    assert_eq!(journey.count(&visible).await?, 0);
    assert_eq!(journey.count(PUBLISHED).await?, 0);

    journey.stack.service_mut(Service::LoanAuth).start_again().await?;
    let until = Instant::now() + SEEN_WITHIN;
    while apply(&journey).await?.0.status != 201 {
        assert!(Instant::now() < until, "it does not heal by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    journey.finish().await?;
    journey.agree_on_applications(1).await
}

// R-22, DESIGN 3.1: the breaker opens and writes nothing at all.
#[tokio::test]
async fn an_open_breaker_writes_nothing() -> Result<()> {
    let mut journey = Journey::start().await?;
    journey.stack.service_mut(Service::LoanAuth).kill()?;
    let until = Instant::now() + OPEN_WITHIN;
    while Instant::now() < until {
        assert_told_to_come_back(&apply(&journey).await?.0);
        tokio::time::sleep(PAUSE).await;
    }
    let rows = journey.count(ROWS).await?;
    for _ in 0..5 {
        assert_told_to_come_back(&apply(&journey).await?.0);
    }
    let after = journey.count(ROWS).await?;
    // A probe of the half-open breaker may write one row in these milliseconds.
    assert!(after <= rows + 1, "{rows} rows became {after} behind an open breaker");
    assert_eq!(journey.count(PUBLISHED).await?, 0);
    Ok(())
}

// whoever hangs up gets no answer, and what was begun comes to its end all the same, so
// that nothing is left to be taken back later, and no wrong password is uncounted.
#[tokio::test]
async fn whoever_hangs_up_leaves_nothing_undecided() -> Result<()> {
    let journey = Journey::start().await?;
    apply(&journey).await?.0.expect(201)?;
    let body = Credentials::demo().application(10_000);
    for ms in 1..=20 {
        let request = journey.client.request(reqwest::Method::POST, "/loanRequests").json(&body);
        let _hung_up = request.timeout(Duration::from_millis(ms)).send().await;
    }
    // Less than the time after which anybody would ask for what is undecided.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let uncertified = format!("{ROWS} WHERE customer_id IS NULL");
    assert_eq!(journey.count(&uncertified).await?, 0);
    assert!(journey.count(ROWS).await? > 1, "none of them arrived");
    journey.finish().await
}

// DESIGN 3.1: timed out, and the void finds it certified: 201.
#[tokio::test]
async fn timed_out_and_then_certified() -> Result<()> {
    let (journey, proxy) = behind_a_proxy().await?;
    apply(&journey).await?.0.expect(201)?;
    proxy.set(Mode::HoldAnswers);
    let released = tokio::spawn(async move {
        // The certification's time is over; the void's answer comes through.
        tokio::time::sleep(Duration::from_millis(680)).await;
        proxy.set(Mode::Pass);
        proxy
    });
    let (answer, took) = apply(&journey).await?;
    let _proxy = released.await?;
    let answer = answer.expect(201)?;
    assert!(took >= Duration::from_millis(600) && took < TIMED_OUT_WITHIN, "{took:?}");
    let id = id_of(answer.header("location"))?;
    let certified = format!("{ROWS} WHERE loan_request_id = '{id}' AND customer_id IS NOT NULL");
    assert_eq!(journey.count(&certified).await?, 1);
    journey.finish().await?;
    journey.agree_on_applications(2).await
}

// DESIGN 3.1: timed out, and voided: 503, no loan, no message, an audit row.
#[tokio::test]
async fn timed_out_and_then_voided() -> Result<()> {
    let journey = Journey::start_with(|stack| {
        let stack = stack.env(Service::LoanRequest, CERTIFY_TIMEOUT_MS, TIMEOUT_MS);
        stack.env(Service::LoanAuth, "CERTIFY_DELAY_MS", "2000-2000")
    })
    .await?;
    let (answer, took) = apply(&journey).await?;
    assert_told_to_come_back(&answer);
    assert!(took >= Duration::from_millis(600) && took < TIMED_OUT_WITHIN, "{took:?}");
    let audit = format!("{ROWS} WHERE status = '요청취소' AND reason = 'voided'");
    journey.wait_count(&audit, 1).await?;
    // The late certification must not win.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(journey.count(CERTIFIED).await?, 0);
    assert_eq!(journey.count(LOANS).await?, 0);
    assert_eq!(journey.count("SELECT count(*) FROM loan_messenger.message").await?, 0);
    assert_eq!(journey.count(PUBLISHED).await?, 0);
    journey.finish().await
}

// DESIGN 3.1: neither known in time: 202, and decided in the background.
#[tokio::test]
async fn undecided_is_202_and_is_decided_later() -> Result<()> {
    let (journey, proxy) = behind_a_proxy().await?;
    let customer = journey.client.demo_customer().await?;
    apply(&journey).await?.0.expect(201)?;

    // Certified, but nobody hears of it.
    proxy.set(Mode::HoldAnswers);
    let (answer, took) = apply(&journey).await?;
    let certified = id_of(answer.expect(202)?.header("location"))?;
    assert!(took < TIMED_OUT_WITHIN, "{took:?}");
    // The event decides it, although no answer ever comes.
    let path = format!("/loanRequests/{certified}");
    journey
        .client
        .wait_for(&path, &customer, SEEN_WITHIN, |answer| {
            answer.json()["requestStatus"] == "요청완료"
        })
        .await?;

    // Neither the certification nor the void gets there.
    proxy.set(Mode::Hold);
    let mut held = None;
    for _ in 0..10 {
        let (answer, _) = apply(&journey).await?;
        if answer.status == 202 {
            held = Some(id_of(answer.header("location"))?);
            break;
        }
        // The breaker has opened meanwhile; it lets a probe through in a moment.
        assert_told_to_come_back(&answer);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let held = held.unwrap();
    let pending = format!("{ROWS} WHERE loan_request_id = '{held}' AND status = '인증대기'");
    assert_eq!(journey.count(&pending).await?, 1);
    proxy.set(Mode::Pass);
    journey.wait_count(&pending, 0).await?;
    journey.finish().await?;
    // Whoever was first has won, everywhere the same.
    let certified = journey.count(CERTIFIED).await?;
    journey.agree_on_applications(certified).await
}

// DESIGN 3.1: loan-request dies between its commit and the answer.
#[tokio::test]
async fn a_crash_between_commit_and_answer_is_taken_up() -> Result<()> {
    // What is looked at is the crash, not the time.
    let (mut journey, proxy) = behind_a_proxy_that_has(None).await?;
    apply(&journey).await?.0.expect(201)?;
    proxy.set(Mode::Hold);
    let client = journey.client.clone();
    let lost = tokio::spawn(async move {
        client.post("/loanRequests", "", &Credentials::demo().application(7_777)).await
    });
    let pending = format!("{ROWS} WHERE amount = 7777 AND status = '인증대기'");
    journey.wait_count(&pending, 1).await?;
    journey.stack.service_mut(Service::LoanRequest).kill()?;
    let answer = lost.await??;
    assert!(answer.status == 502 || answer.status == 503, "{} {}", answer.status, answer.text);
    proxy.set(Mode::Pass);
    journey.stack.service_mut(Service::LoanRequest).start_again().await?;
    journey.wait_count(&pending, 0).await?;
    journey.finish().await?;
    let certified = journey.count(CERTIFIED).await?;
    journey.agree_on_applications(certified).await
}
