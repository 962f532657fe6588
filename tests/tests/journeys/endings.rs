//! How a process ends when it can't end in order: by a second signal, and by its
//! bound.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use journeys::harness::Journey;
use nix::sys::signal::Signal;
use standalone::{Service, Stack};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// "At once", on a machine that has other things to do as well.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// A request whose body never comes to its end: an end in order waits for it.
async fn request_without_end(url: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
    let head = "POST /loanRequests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\n\r\n{\"requestId\":";
    stream.write_all(head.as_bytes()).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(stream)
}

/// The exit code, and after how long it came.
async fn ended(stack: &mut Stack, service: Service) -> Result<(Option<i32>, Duration)> {
    let begun = Instant::now();
    let process = stack.service_mut(service).process_mut();
    let status = process.wait(Duration::from_secs(20)).await.context("it does not end")?;
    Ok((status.code(), begun.elapsed()))
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_a_process_at_once() -> Result<()> {
    for service in [Service::LoanRequest, Service::Gateway] {
        let mut journey =
            Journey::start_with(|stack| stack.only(&[Service::LoanRequest, Service::Gateway]))
                .await?;
        let stack = &mut journey.stack;
        let _request = request_without_end(&stack.url(service)).await?;
        stack.service_mut(service).signal(Signal::SIGTERM)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(stack.service_mut(service).is_running(), "{service} waits for the request");
        stack.service_mut(service).signal(Signal::SIGTERM)?;
        let (code, took) = ended(stack, service).await?;
        assert_eq!(code, Some(1), "{service}");
        assert!(took < AT_ONCE, "{service} took {took:?}");
        assert!(stack.service(service).log().contains("ended at once by a second signal"));
    }
    Ok(())
}

//
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_ends_a_process_at_once() -> Result<()> {
    const BOUND: Duration = Duration::from_secs(3);
    let mut journey = Journey::start_with(|stack| {
        let stack = stack.only(&[Service::LoanRequest, Service::Gateway]);
        stack.env_for_all("SHUTDOWN_BOUND_SECONDS", "3")
    })
    .await?;
    for service in [Service::LoanRequest, Service::Gateway] {
        let stack = &mut journey.stack;
        let _request = request_without_end(&stack.url(service)).await?;
        stack.service_mut(service).signal(Signal::SIGTERM)?;
        let (code, took) = ended(stack, service).await?;
        assert_eq!(code, Some(1), "{service}");
        assert!(took > BOUND - AT_ONCE && took < BOUND + AT_ONCE, "{service} took {took:?}");
    }
    Ok(())
}
