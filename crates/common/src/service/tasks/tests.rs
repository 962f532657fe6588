#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use super::*;
use crate::service::tests::{ONE_AT_A_TIME, terminate};

type Order = Arc<Mutex<Vec<&'static str>>>;

fn life(bound: Duration) -> (Life, Shutdown) {
    let shutdown = Shutdown::new();
    let life = Life::with_bounds(shutdown.clone(), Readiness::new(), bound, Duration::ZERO);
    (life.unwrap(), shutdown)
}

/// Tasks of every kind that write down when they end.
fn fill(life: &mut Life, order: &Order) {
    let note = |name: &'static str| {
        let order = Arc::clone(order);
        move |stop: CancellationToken| async move {
            stop.cancelled().await;
            // The later ones would overtake if they did not wait for it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            order.lock().unwrap().push(name);
            Ok(())
        }
    };
    life.until_last("admin", note("last"));
    life.after_work("relay", note("after work"));
    life.work("consumer", note("work"));
    life.requests("http", note("requests"));
}

fn is_success(code: ExitCode) -> bool {
    format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
}

//
#[tokio::test]
async fn a_signal_ends_all_in_order_with_0() {
    let _guard = ONE_AT_A_TIME.lock().await;
    let order = Order::default();
    let (mut life, shutdown) = life(Duration::from_secs(10));
    fill(&mut life, &order);
    let running = tokio::spawn(life.run());
    terminate();
    assert!(is_success(running.await.unwrap()));
    let mut order = order.lock().unwrap().clone();
    order[..2].sort_unstable();
    assert_eq!(order, ["requests", "work", "after work", "last"]);
    assert!(!shutdown.hard().is_cancelled());
}

#[tokio::test]
async fn a_task_that_fails_panics_or_just_ends_is_a_failure_in_order() {
    let _guard = ONE_AT_A_TIME.lock().await;
    for how in ["fails", "panics", "ends"] {
        let order = Order::default();
        let (mut life, _) = life(Duration::from_secs(10));
        fill(&mut life, &order);
        life.work("bad", async move |_| match how {
            "fails" => anyhow::bail!("no more"),
            "panics" => panic!("no more"),
            _ => Ok(()),
        });
        assert!(!is_success(life.run().await), "{how}");
        assert_eq!(order.lock().unwrap().len(), 4, "the others end in order");
    }
}

#[tokio::test]
async fn the_end_has_a_bound_and_then_comes_at_once() {
    let _guard = ONE_AT_A_TIME.lock().await;
    let (mut life, shutdown) = life(Duration::from_millis(100));
    life.work("stuck", async move |_| std::future::pending().await);
    let running = tokio::spawn(life.run());
    terminate();
    assert!(!is_success(running.await.unwrap()));
    assert!(shutdown.hard().is_cancelled());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let _guard = ONE_AT_A_TIME.lock().await;
    let (mut life, shutdown) = life(Duration::from_secs(60));
    life.work("stuck", async move |_| std::future::pending().await);
    let running = tokio::spawn(life.run());
    terminate();
    shutdown.soft().cancelled().await;
    terminate();
    assert!(!is_success(running.await.unwrap()));
    assert!(shutdown.hard().is_cancelled());
}

#[tokio::test]
async fn a_signal_during_the_start_ends_it() {
    let _guard = ONE_AT_A_TIME.lock().await;
    let (mut life, _) = life(Duration::from_secs(60));
    assert_eq!(life.unless_ended(async { 7 }).await, Some(7));
    let waiting =
        tokio::spawn(async move { life.unless_ended(std::future::pending::<()>()).await });
    terminate();
    assert_eq!(waiting.await.unwrap(), None);
}
