//! Breaking something, and healing it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use journeys::proxy::Mode;
use nix::sys::signal::Signal;
use standalone::Service;

use crate::faults::{Fault, Link, Part};
use crate::plan::{Step, Timed};
use crate::system::System;

/// How long a process that is asked to end may take; its own bound is 25 s.
const END_WITHIN: Duration = Duration::from_secs(26);

/// Breaks and heals what a step says. What comes back is what went wrong with
/// that itself: a process that ended as nobody had asked it to.
pub(crate) async fn play(system: &mut System, step: &Step) -> Result<Vec<String>> {
    let begun = Instant::now();
    let mut ends: Vec<(u64, Timed)> = Vec::new();
    for timed in &step.faults {
        wait_until(begun, timed.after_ms).await;
        begin(system, timed).await.with_context(|| format!("{} cannot begin", timed.fault))?;
        ends.push((timed.after_ms + timed.lasts_ms, *timed));
    }
    ends.sort_unstable_by_key(|(at_ms, _)| *at_ms);
    for (at_ms, timed) in ends {
        wait_until(begun, at_ms).await;
        heal(system, &timed).await.with_context(|| format!("{} cannot be healed", timed.fault))?;
    }
    let killed = |name: &str| {
        step.faults.iter().any(|timed| match timed.fault {
            Fault::Kill(part) => name.starts_with(&part.to_string()),
            // A database without room for its log ends, and so may the broker.
            Fault::FullDisk(part) => name.starts_with(&part.to_string()),
            _ => false,
        })
    };
    let ended = system.revive().await?;
    Ok(ended.into_iter().filter(|name| !killed(name)).collect())
}

async fn wait_until(begun: Instant, ms: u64) {
    tokio::time::sleep_until((begun + Duration::from_millis(ms)).into()).await;
}

async fn begin(system: &mut System, timed: &Timed) -> Result<()> {
    let pick = timed.pick;
    let index = usize::try_from(pick)?;
    match timed.fault {
        Fault::Kill(Part::Service(service)) => system.instance(service, pick)?.kill(),
        Fault::Kill(Part::Broker) => system.cluster.kill(index),
        Fault::Kill(Part::Postgres) => system.stack.postgres_mut().crash().await,
        Fault::Stop(Part::Service(service)) => system.instance(service, pick)?.pause(),
        Fault::Stop(Part::Broker) => system.cluster.signal(index, Signal::SIGSTOP),
        Fault::Stop(Part::Postgres) => bail!("it is many processes"),
        Fault::Cut(link) => system.links.set(link, Mode::Cut),
        Fault::Hold(link) => system.links.set(link, Mode::Hold),
        Fault::Delay(link) => system.links.set(link, Mode::Delay(delay(link, pick))),
        Fault::FullDisk(part) => system.disks.get(&part).context("there is no small disk")?.fill(),
        Fault::RollingRestart => roll(system).await,
        Fault::Clock { whose, forward } => {
            // From a second to some minutes: sessions and leases, no tokens.
            let seconds = 1 + i64::try_from(pick)? % 240;
            system.clocks.set(whose, if forward { seconds } else { -seconds })
        }
    }
}

async fn heal(system: &mut System, timed: &Timed) -> Result<()> {
    match timed.fault {
        Fault::Cut(link) | Fault::Hold(link) | Fault::Delay(link) => {
            system.links.set(link, Mode::Pass)
        }
        Fault::FullDisk(part) => system.disks.get(&part).context("there is no small disk")?.free(),
        Fault::Clock { whose, .. } => system.clocks.set(whose, 0),
        Fault::Stop(Part::Service(service)) => system.instance(service, timed.pick)?.resume(),
        Fault::Stop(Part::Broker) => {
            system.cluster.signal(usize::try_from(timed.pick)?, Signal::SIGCONT)
        }
        Fault::Kill(Part::Service(service)) => {
            let process = system.instance(service, timed.pick)?;
            if process.is_running() { Ok(()) } else { process.launch_again() }
        }
        // What else has ended is started by `System::revive`.
        Fault::Kill(_) | Fault::Stop(Part::Postgres) | Fault::RollingRestart => Ok(()),
    }
}

/// From well below to well above the 610 ms that a certification may take.
fn delay(link: Link, pick: u64) -> Duration {
    match link {
        Link::RequestToAuth => Duration::from_millis(250 + pick % 500),
        _ => Duration::from_millis(20 + pick % 400),
    }
}

/// Ends every process in order and starts it again, one after the other.
async fn roll(system: &mut System) -> Result<()> {
    for service in Service::ALL {
        for process in system.instances(service) {
            let asked = Instant::now();
            let status = process.terminate().await?;
            let took = asked.elapsed();
            ensure!(status.success(), "{service} did not end in good order: {status}");
            ensure!(took < END_WITHIN, "{service} took {took:?} to end");
            process.start_again().await?;
        }
    }
    Ok(())
}
