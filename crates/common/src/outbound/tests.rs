#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod http;
mod script;

use std::time::Duration;

use ::http::StatusCode;
use tokio::time::{Instant, advance, sleep};

use self::script::{Script, Step, post};
use super::*;

const MS: Duration = Duration::from_millis(1);

/// The defaults, but every call is one attempt, and five failures are enough, however
/// soon they come.
fn settings() -> OutboundSettings {
    let retry = RetrySettings { retries_max: 0, ..RetrySettings::default() };
    let breaker = BreakerSettings {
        failures_in_a_row: 5,
        failing_for_min: Duration::ZERO,
        ..BreakerSettings::default()
    };
    OutboundSettings { retry, breaker, ..OutboundSettings::default() }
}

/// The defaults, but the breaker stays closed.
fn retrying() -> OutboundSettings {
    let breaker = BreakerSettings { failures_in_a_row: u32::MAX, ..BreakerSettings::default() };
    OutboundSettings { breaker, ..OutboundSettings::default() }
}

async fn call(outbound: &Outbound) -> Result<Answer, CallError> {
    outbound.reserve()?.send(post()).await
}

/// Fails until the breaker opens, and says when it may be asked again.
async fn open(outbound: &Outbound, script: &Script) -> Duration {
    script.always(Step::NotSent);
    for _ in 0..settings().breaker.failures_in_a_row {
        assert_eq!(call(outbound).await.unwrap_err(), CallError::NotSent);
    }
    match outbound.reserve().err().unwrap() {
        Refused::BreakerOpen { retry_after } => retry_after,
        Refused::BulkheadFull => panic!("the bulkhead is not full"),
    }
}

//
#[tokio::test(start_paused = true)]
async fn after_failures_in_a_row_nothing_is_sent_until_a_probe_succeeds() {
    let (outbound, script) = script::outbound(&settings());
    let retry_after = open(&outbound, &script).await;
    assert_eq!(retry_after, Duration::from_secs(1));
    let sent = script.attempts();
    for _ in 0..100 {
        assert!(matches!(outbound.reserve(), Err(Refused::BreakerOpen { .. })));
    }
    assert_eq!(script.attempts(), sent);

    script.always(Step::Status(200));
    advance(retry_after - MS).await;
    assert!(outbound.reserve().is_err());
    advance(MS).await;
    assert!(call(&outbound).await.is_ok());
    // Closed again: as many as the bulkhead holds.
    let all: Vec<_> = (0..64).map(|_| outbound.reserve().unwrap()).collect();
    assert_eq!(outbound.reserve().err(), Some(Refused::BulkheadFull));
    drop(all);
}

//
#[tokio::test(start_paused = true)]
async fn a_standstill_of_a_moment_opens_nothing_and_an_outage_does() {
    let mut settings = settings();
    settings.breaker.failing_for_min = Duration::from_secs(1);
    let (outbound, script) = script::outbound(&settings);
    script.always(Step::NotSent);
    for _ in 0..2 {
        // As many as are on their way, and all in the same moment.
        for _ in 0..100 {
            assert_eq!(call(&outbound).await.unwrap_err(), CallError::NotSent);
        }
        advance(Duration::from_secs(1) - MS).await;
        assert_eq!(call(&outbound).await.unwrap_err(), CallError::NotSent);
        // One success, and what was before is no part of an outage.
        script.next(Step::Status(200));
        call(&outbound).await.unwrap();
    }
    assert_eq!(call(&outbound).await.unwrap_err(), CallError::NotSent);
    advance(Duration::from_secs(1)).await;
    for _ in 0..3 {
        assert_eq!(call(&outbound).await.unwrap_err(), CallError::NotSent);
    }
    assert!(outbound.reserve().is_ok(), "four failures are too few, however long it lasts");
    assert_eq!(call(&outbound).await.unwrap_err(), CallError::NotSent);
    let refused = outbound.reserve().err();
    assert_eq!(refused, Some(Refused::BreakerOpen { retry_after: Duration::from_secs(1) }));
}

//
#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_opens_it_for_nobody() {
    let (outbound, script) = script::outbound(&settings());
    script.always(Step::Hang);
    for _ in 0..100 {
        let patience = Duration::from_millis(600);
        assert!(tokio::time::timeout(patience, call(&outbound)).await.is_err());
    }
    assert!(outbound.reserve().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_it_for_twice_as_long_up_to_the_bound() {
    let (outbound, script) = script::outbound(&settings());
    let mut retry_after = open(&outbound, &script).await;
    for seconds in [2, 4, 8, 10, 10] {
        advance(retry_after).await;
        assert_eq!(call(&outbound).await.unwrap_err(), CallError::NotSent);
        let Err(Refused::BreakerOpen { retry_after: next }) = outbound.reserve() else {
            panic!("it is open")
        };
        assert_eq!(next, Duration::from_secs(seconds));
        retry_after = next;
    }
    // A recovery starts over.
    advance(retry_after).await;
    script.always(Step::Status(200));
    call(&outbound).await.unwrap();
    assert_eq!(open(&outbound, &script).await, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn half_open_lets_so_many_probes_through_and_no_more() {
    let mut settings = settings();
    settings.breaker.probes_max = 2;
    let (outbound, script) = script::outbound(&settings);
    let retry_after = open(&outbound, &script).await;
    advance(retry_after).await;
    let one = outbound.reserve().unwrap();
    let two = outbound.reserve().unwrap();
    assert!(matches!(outbound.reserve(), Err(Refused::BreakerOpen { .. })));
    // A probe that is not made is no verdict, and its place is another's.
    drop(one);
    let three = outbound.reserve().unwrap();
    assert!(matches!(outbound.reserve(), Err(Refused::BreakerOpen { .. })));
    script.always(Step::Status(200));
    three.send(post()).await.unwrap();
    // The second probe belongs to a time that is over: its failure is no news.
    script.always(Step::NotSent);
    assert_eq!(two.send(post()).await.unwrap_err(), CallError::NotSent);
    assert!(outbound.reserve().is_ok());
}

#[tokio::test(start_paused = true)]
async fn our_own_refusals_are_no_failures() {
    let mut settings = settings();
    settings.concurrency_max = 1;
    let (outbound, script) = script::outbound(&settings);
    let held = outbound.reserve().unwrap();
    for _ in 0..100 {
        assert_eq!(outbound.reserve().err(), Some(Refused::BulkheadFull));
    }
    drop(held);
    assert!(outbound.reserve().is_ok());
    call(&outbound).await.unwrap();
    assert_eq!(script.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_gives_the_probe_back() {
    let mut settings = settings();
    settings.concurrency_max = 1;
    settings.breaker.probes_max = 2;
    let (outbound, script) = script::outbound(&settings);
    let retry_after = open(&outbound, &script).await;
    advance(retry_after).await;
    let probe = outbound.reserve().unwrap();
    for _ in 0..10 {
        assert_eq!(outbound.reserve().err(), Some(Refused::BulkheadFull));
    }
    drop(probe);
    assert!(outbound.reserve().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_4xx_is_an_answer() {
    let (outbound, script) = script::outbound(&settings());
    for status in [400, 401, 404, 409, 422, 429] {
        script.always(Step::Status(status));
        for _ in 0..20 {
            assert_eq!(call(&outbound).await.unwrap().status.as_u16(), status);
        }
    }
    assert!(outbound.reserve().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_5xx_is_a_failure() {
    let (outbound, script) = script::outbound(&settings());
    script.always(Step::Status(500));
    for _ in 0..5 {
        let failed = CallError::Status(StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(call(&outbound).await.unwrap_err(), failed);
    }
    assert!(matches!(outbound.reserve(), Err(Refused::BreakerOpen { .. })));
}

#[tokio::test(start_paused = true)]
async fn running_out_of_time_is_a_failure_and_comes_in_time() {
    let (outbound, script) = script::outbound(&settings());
    script.always(Step::Hang);
    for _ in 0..5 {
        let started = Instant::now();
        assert_eq!(call(&outbound).await.unwrap_err(), CallError::Unknown);
        assert_eq!(started.elapsed(), Duration::from_millis(610));
    }
    assert!(matches!(outbound.reserve(), Err(Refused::BreakerOpen { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_success_of_better_days_does_not_close_it() {
    let mut settings = settings();
    settings.timeout = Duration::from_secs(60);
    let (outbound, script) = script::outbound(&settings);
    script.next(Step::After(Duration::from_secs(5), 200));
    let old = outbound.reserve().unwrap();
    let old = tokio::spawn(old.send(post()));
    sleep(MS).await;
    let retry_after = open(&outbound, &script).await;

    advance(retry_after).await;
    script.next(Step::After(Duration::from_secs(30), 200));
    let probe = outbound.reserve().unwrap();
    let probe = tokio::spawn(probe.send(post()));
    assert!(old.await.unwrap().is_ok());
    assert!(matches!(outbound.reserve(), Err(Refused::BreakerOpen { .. })), "the probe is out");
    assert!(probe.await.unwrap().is_ok());
    assert!(outbound.reserve().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reservation_gives_everything_back_and_counts_neither_way() {
    let mut settings = settings();
    settings.concurrency_max = 2;
    let (outbound, script) = script::outbound(&settings);
    for _ in 0..100 {
        let two = (outbound.reserve().unwrap(), outbound.reserve().unwrap());
        assert_eq!(outbound.reserve().err(), Some(Refused::BulkheadFull));
        drop(two);
    }
    // Four failures, a dropped one, and the fifth still opens it.
    script.always(Step::NotSent);
    for _ in 0..4 {
        let _ = call(&outbound).await;
    }
    drop(outbound.reserve().unwrap());
    assert!(outbound.reserve().is_ok());
    let _ = call(&outbound).await;
    assert!(outbound.reserve().is_err());
    assert_eq!(script.attempts(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_any_more_gives_everything_back() {
    let mut settings = settings();
    settings.concurrency_max = 1;
    let (outbound, script) = script::outbound(&settings);
    let retry_after = open(&outbound, &script).await;
    advance(retry_after).await;
    script.always(Step::Hang);
    let probe = tokio::spawn(outbound.reserve().unwrap().send(post()));
    sleep(MS).await;
    assert!(outbound.reserve().is_err());
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    script.always(Step::Status(200));
    call(&outbound).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_sent_again() {
    let (outbound, script) = script::outbound(&retrying());
    script.next(Step::NotSent);
    script.always(Step::Status(201));
    let answer = call(&outbound).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.may_have_arrived_before), (201, false));
    assert_eq!(script.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_arrived_is_sent_again_only_where_that_is_harmless() {
    let (outbound, script) = script::outbound(&retrying());
    for cut in [Step::Cut, Step::Status(503)] {
        let attempts = script.attempts();
        script.next(cut);
        script.always(Step::Status(200));
        assert!(call(&outbound).await.is_err());
        assert_eq!(script.attempts(), attempts + 1);

        script.next(cut);
        let answer = outbound.reserve().unwrap().idempotent().send(post()).await.unwrap();
        assert_eq!(script.attempts(), attempts + 3);
        assert!(answer.may_have_arrived_before);
    }
    // An error of the other side's own would be the same again.
    let attempts = script.attempts();
    script.always(Step::Status(500));
    assert!(outbound.reserve().unwrap().idempotent().send(post()).await.is_err());
    assert_eq!(script.attempts(), attempts + 1);
}

#[tokio::test(start_paused = true)]
async fn all_attempts_share_one_deadline() {
    let (outbound, script) = script::outbound(&retrying());
    script.next(Step::CutAfter(Duration::from_millis(300)));
    script.always(Step::Hang);
    let started = Instant::now();
    let outcome = outbound.reserve().unwrap().idempotent().send(post()).await;
    assert_eq!(outcome.unwrap_err(), CallError::Unknown);
    assert_eq!(started.elapsed(), Duration::from_millis(610));
    assert_eq!(script.attempts(), 2);

    // Too late for another.
    script.next(Step::CutAfter(Duration::from_millis(500)));
    let started = Instant::now();
    let outcome = outbound.reserve().unwrap().idempotent().send(post()).await;
    assert_eq!(outcome.unwrap_err(), CallError::Unknown);
    assert_eq!(started.elapsed(), Duration::from_millis(500));
    assert_eq!(script.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn retries_add_a_tenth_to_the_load_and_no_more() {
    let (outbound, script) = script::outbound(&retrying());
    script.always(Step::NotSent);
    for _ in 0..1_000 {
        assert_eq!(call(&outbound).await.unwrap_err(), CallError::NotSent);
    }
    let retries = script.attempts() - 1_000;
    // A tenth of the calls, and one a second for the ten seconds that count.
    assert!((90..=111).contains(&retries), "{retries} retries");
}

#[tokio::test(start_paused = true)]
async fn the_last_word_is_on_all_attempts_together() {
    let mut settings = retrying();
    let (outbound, script) = script::outbound(&settings);
    script.next(Step::Cut);
    script.always(Step::NotSent);
    let outcome = outbound.reserve().unwrap().idempotent().send(post()).await;
    assert_eq!(outcome.unwrap_err(), CallError::Unknown, "the first may have arrived");

    // The first failure opens the breaker, so the retry is refused.
    settings.breaker.failures_in_a_row = 1;
    settings.breaker.failing_for_min = Duration::ZERO;
    for (first, all) in [(Step::NotSent, CallError::NotSent), (Step::Cut, CallError::Unknown)] {
        let (outbound, script) = script::outbound(&settings);
        script.next(first);
        let outcome = outbound.reserve().unwrap().idempotent().send(post()).await;
        assert_eq!(outcome.unwrap_err(), all);
        assert_eq!(script.attempts(), 1);
    }
}
