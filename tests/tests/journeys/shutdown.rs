//! The end of each process: in good order under load, at once when asked twice,
//! and never later than its bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use journeys::client::{Client, Credentials};
use journeys::harness::Journey;
use nix::sys::signal::Signal;
use standalone::Service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

/// The bound that every binary has where nobody says otherwise.
const BOUND: Duration = Duration::from_secs(25);
/// What "at once" may take on a noisy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Applications, one after the other from each of some clients, until told to
/// stop; counts those that were accepted.
struct Load {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicI64>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(client: &Client) -> Self {
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let clients = (0..4).map(|_| {
            let (client, stop, accepted) =
                (client.clone(), Arc::clone(&stop), Arc::clone(&accepted));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let body = Credentials::demo().application(1_000);
                    // Away for a moment, which is what is looked at.
                    if let Ok(answer) = client.post("/loanRequests", "", &body).await
                        && answer.status == 201
                    {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::time::sleep(Duration::from_millis(40)).await;
                }
            })
        });
        let clients = clients.collect();
        Self { stop, accepted, clients }
    }

    async fn stop(self) -> Result<i64> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await?;
        }
        Ok(self.accepted.load(Ordering::Relaxed))
    }
}

/// Events that came again, by a service's own figures.
async fn duplicates(journey: &Journey, service: Service) -> Result<f64> {
    let url = format!("{}/metrics", journey.stack.service(service).admin_url());
    let figures = journey.client.get(&url, "").await?.expect(200)?.text;
    let counted = figures.lines().filter(|line| {
        line.starts_with("consumer_events_total") && line.contains("outcome=\"duplicate\"")
    });
    counted
        .map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>().context("a figure"))
        .sum()
}

// SIGTERM under load drops nothing that was accepted and commits the offsets.
#[tokio::test]
async fn each_process_ends_in_good_order_under_load() -> Result<()> {
    let mut journey = Journey::start().await?;
    let load = Load::start(&journey.client);
    for service in Service::ALL {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let process = journey.stack.service_mut(service);
        let asked = Instant::now();
        let status = process.terminate().await?;
        let took = asked.elapsed();
        ensure!(status.success(), "{service} ended with {status}");
        ensure!(took < BOUND, "{service} took {took:?}");
        process.start_again().await?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let accepted = load.stop().await?;
    assert!(accepted > 0);
    journey.finish().await?;
    // Answers that were lost on the way may have been acceptances.
    let there = journey
        .count("SELECT count(*) FROM loan_request.loan_request WHERE customer_id IS NOT NULL")
        .await?;
    ensure!(there >= accepted, "{accepted} were accepted, and {there} are there");
    journey.agree_on_applications(there).await?;
    for service in Service::WITH_DATABASE {
        assert_eq!(duplicates(&journey, service).await?, 0.0, "{service} has read events again");
    }
    Ok(())
}

//
#[tokio::test]
async fn a_second_signal_ends_each_process_at_once() -> Result<()> {
    let mut journey =
        Journey::start_with(|stack| stack.env_for_all("SHUTDOWN_LINGER_SECONDS", "20")).await?;
    for service in Service::ALL {
        let process = journey.stack.service_mut(service).process_mut();
        process.signal(Signal::SIGTERM)?;
        ensure!(process.wait(Duration::from_secs(1)).await.is_none(), "{service} does not linger");
        process.signal(Signal::SIGTERM)?;
        let ended = process.wait(AT_ONCE).await;
        let status = ended.with_context(|| format!("{service} does not end at once"))?;
        assert_eq!(status.code(), Some(1), "{service}");
        let log = journey.stack.service(service).log();
        assert!(log.contains("ended at once by a second signal"), "{service} says why it ended");
    }
    Ok(())
}

//
#[tokio::test]
async fn no_process_takes_longer_than_its_bound() -> Result<()> {
    let mut journey =
        Journey::start_with(|stack| stack.env_for_all("SHUTDOWN_BOUND_SECONDS", "2")).await?;
    // The gateway wants to read a body to its end, which does not come for longer.
    let address = journey.stack.gateway_url().trim_start_matches("http://").to_owned();
    let mut slow = tokio::net::TcpStream::connect(&address).await?;
    let head = format!(
        "POST /loanRequests HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).await?;
    let mut said = [0; 12];
    slow.read_exact(&mut said).await?;
    ensure!(said.ends_with(b" 100"), "it reads: {}", String::from_utf8_lossy(&said));
    // The gateway first, before it gives up the body.
    for service in Service::ALL.into_iter().rev() {
        // Each service wants to send what is in its outbox, and cannot look at it for
        // longer. From shortly before: a relay that has given up its connection meanwhile
        // has nothing to wait for.
        let mut outbox = journey.db.begin().await?;
        if Service::WITH_DATABASE.contains(&service) {
            let schema = service.name().replace('-', "_");
            let lock = format!("LOCK TABLE {schema}.outbox IN ACCESS EXCLUSIVE MODE");
            sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *outbox).await?;
        }
        let process = journey.stack.service_mut(service).process_mut();
        process.signal(Signal::SIGTERM)?;
        let asked = Instant::now();
        let ended = process.wait(Duration::from_secs(2) + AT_ONCE).await;
        let status = ended.with_context(|| format!("{service} does not end after its bound"))?;
        assert_eq!(status.code(), Some(1), "{service}");
        ensure!(asked.elapsed() > Duration::from_secs(1), "{service} had nothing to wait for");
    }
    Ok(())
}

//
#[test]
fn a_linger_that_leaves_no_time_for_the_end_stops_the_start_with_one_line() -> Result<()> {
    let folder = standalone::binaries::folder().unwrap();
    let output = std::process::Command::new(folder.join(Service::LoanManager.name()))
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .env("HTTP_ADDR", "127.0.0.1:0")
        .env("ADMIN_ADDR", "127.0.0.1:0")
        .env("SHUTDOWN_BOUND_SECONDS", "5")
        .env("SHUTDOWN_LINGER_SECONDS", "5")
        .stdin(std::process::Stdio::null())
        .output()?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected = "SHUTDOWN_LINGER_SECONDS (5) must be less than SHUTDOWN_BOUND_SECONDS (5)";
    assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
    Ok(())
}
