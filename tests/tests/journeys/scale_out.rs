//! three instances of every service share the work. Nothing happens twice,
//! every loan's order is kept, and one instance of each sends, also while instances
//! are killed, stopped and woken up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::stream::{StreamExt as _, TryStreamExt as _};
use journeys::client::{Client, Credentials};
use journeys::harness::Journey;
use standalone::{Service, ServiceProcess};

use crate::by_hand;
use crate::plumbing::until;
use crate::relay_fence::{AFTER_KILL, AFTER_STOP};

/// The five that work on events and send them.
const SHARED: [Service; 5] = [
    Service::LoanRequest,
    Service::LoanAuth,
    Service::LoanManager,
    Service::LoanMessenger,
    Service::LoanStatus,
];

const INSTANCES: usize = 3;

/// How long an instance may be silent until its partitions are another's.
const SESSION_TIMEOUT_MS: &str = "6000";

/// Longer than that, and than the relay's lease.
const STOPPED_FOR: Duration = Duration::from_secs(12);

/// Loans that are on their way at once.
const AT_ONCE: usize = 8;

/// The system, and the further instances.
struct Fleet {
    others: BTreeMap<Service, Vec<ServiceProcess>>,
    journey: Journey,
}

impl Fleet {
    async fn start() -> Result<Self> {
        let mut journey = Journey::start_with(|stack| {
            stack.env_for_all("CONSUMER_SESSION_TIMEOUT_MS", SESSION_TIMEOUT_MS)
        })
        .await?;
        let mut others = BTreeMap::new();
        for service in SHARED {
            let mut more = Vec::new();
            for _ in 1..INSTANCES {
                more.push(journey.stack.another(service).await?);
            }
            others.insert(service, more);
        }
        Ok(Self { others, journey })
    }

    fn instances(&self, service: Service) -> Vec<&ServiceProcess> {
        let mut all = vec![self.journey.stack.service(service)];
        all.extend(self.others.get(&service).into_iter().flatten());
        all
    }

    fn instance_mut(&mut self, service: Service, index: usize) -> Result<&mut ServiceProcess> {
        if index == 0 {
            return Ok(self.journey.stack.service_mut(service));
        }
        let others = self.others.get_mut(&service).context("no further instances")?;
        others.get_mut(index - 1).context("no such instance")
    }

    /// A figure of each instance, summed up over its labels; none of one that does not answer.
    async fn figures(&self, service: Service, name: &str) -> Result<Vec<Option<f64>>> {
        let mut figures = Vec::new();
        for instance in self.instances(service) {
            let address = format!("{}/metrics", instance.admin_url());
            let asked = self.journey.client.get(&address, "");
            let answer = tokio::time::timeout(Duration::from_millis(500), asked).await;
            let Ok(Ok(answer)) = answer else {
                figures.push(None);
                continue;
            };
            let of_this = |line: &&str| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            };
            let lines = answer.text.lines().filter(of_this);
            let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            figures.push(Some(values.sum()));
        }
        Ok(figures)
    }

    /// The instances that say that they are the relay.
    async fn relays(&self, service: Service) -> Result<Vec<usize>> {
        let figures = self.figures(service, "outbox_relay_active").await?;
        Ok((0..)
            .zip(figures)
            .filter(|(_, figure)| *figure > Some(0.5))
            .map(|(index, _)| index)
            .collect())
    }

    /// The one relay of a service.
    async fn relay(&self, service: Service) -> Result<usize> {
        let mut found = Vec::new();
        until("there is one relay", async || {
            found = self.relays(service).await?;
            Ok(found.len() == 1)
        })
        .await
        .with_context(|| format!("{service}"))?;
        found.pop().context("a relay")
    }

    /// Every partition is one instance's, and each instance has its share.
    async fn partitions_are_shared(&self, among: usize) -> Result<()> {
        for service in SHARED {
            let mut shares = Vec::new();
            until("the partitions are shared", async || {
                shares = self.figures(service, "consumer_partitions").await?;
                let have = shares.iter().flatten().filter(|share| **share >= 1.0).count();
                let sum: f64 = shares.iter().flatten().sum();
                let all = f64::from(events::topics::PARTITIONS);
                Ok(have == among && sum >= all && sum % all == 0.0)
            })
            .await
            .with_context(|| format!("{service}: {shares:?}"))?;
            println!("{service}: partitions {shares:?}");
        }
        Ok(())
    }

    /// Takes so many applications to `04`, by those instances of loan-manager in turns and
    /// by all of loan-request.
    async fn loans(&self, count: usize, officers: &[usize]) -> Result<Vec<String>> {
        let token = self.journey.client.officer().await?;
        let clients = |service, which: &[usize]| -> Result<Vec<Client>> {
            let all = self.instances(service);
            which.iter().map(|index| Client::try_new(all[*index].url())).collect()
        };
        let desks = clients(Service::LoanManager, officers)?;
        let counters = clients(Service::LoanRequest, &[0, 1, 2])?;
        let (desks, counters, token) = (&desks, &counters, &token);
        let made = futures::stream::iter(0..count).map(async |number| {
            let loan =
                counters[number % counters.len()].apply(&Credentials::demo(), 10_000).await?;
            let path = format!("/loanManagers/{loan}");
            let within = Duration::from_secs(30);
            for (turn, step) in ["01", "02", "04"].into_iter().enumerate() {
                let desk = &desks[(number + turn) % desks.len()];
                desk.wait_for(&path, token, within, |answer| answer.status == 200).await?;
                desk.step(token, &loan, step).await?.expect(200)?;
            }
            anyhow::Ok(loan)
        });
        made.buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// Entries, messages and messages in the topic per loan: received, reviewed, approved,
/// executed.
const STEPS: usize = 4;

/// Of each loan, what was shown or told before something older of it.
const OUT_OF_ORDER: [(&str, &str); 2] = [
    (
        "entries",
        "SELECT count(*) FROM (SELECT loan_version, lag(loan_version) OVER (PARTITION BY loan_id ORDER BY id) AS before
             FROM loan_status.entry) AS told WHERE before >= loan_version",
    ),
    (
        "messages",
        "SELECT count(*) FROM (SELECT loan_version, lag(loan_version) OVER (PARTITION BY loan_id ORDER BY position) AS before
             FROM (SELECT message.loan_id, message.position, (history.payload::jsonb ->> 'loanVersion')::int AS loan_version
                   FROM loan_messenger.message JOIN loan_manager.history USING (event_id)) AS numbered) AS told
         WHERE before >= loan_version",
    ),
];

async fn nothing_twice_and_all_in_order(fleet: &Fleet, loans: &BTreeSet<String>) -> Result<()> {
    let journey = &fleet.journey;
    let count = i64::try_from(loans.len())?;
    journey.agree_on_applications(count).await?;
    let told = count * i64::try_from(STEPS)?;
    for sql in [
        "SELECT count(*) FROM loan_manager.history",
        "SELECT count(*) FROM loan_status.entry",
        "SELECT count(*) FROM loan_messenger.message",
        "SELECT count(DISTINCT event_id) FROM loan_messenger.message",
    ] {
        journey.wait_count(sql, told).await?;
    }
    journey
        .wait_count("SELECT count(*) FROM loan_status.loan WHERE loan_status = '04'", count)
        .await?;
    journey.finish().await?;
    for (what, sql) in OUT_OF_ORDER {
        ensure!(journey.count(sql).await? == 0, "{what} are out of order");
    }
    // What a relay had sent and not marked comes a second time, under its own id.
    let mut seen = BTreeSet::new();
    let mut numbers: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for message in by_hand::read(journey.stack.bootstrap(), events::topics::LOAN_MANAGER).await? {
        if seen.insert(message.header("ce_id").to_owned()) {
            let number = message.json()["loanVersion"].as_i64().context("its number")?;
            numbers.entry(message.key.context("its key")?).or_default().push(number);
        }
    }
    ensure!(numbers.keys().eq(loans), "other loans than those that were applied for");
    let wanted: Vec<i64> = (1..).take(STEPS).collect();
    let wrong: Vec<_> = numbers.iter().filter(|(_, numbers)| **numbers != wanted).collect();
    ensure!(wrong.is_empty(), "out of order in the topic: {wrong:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_share_the_work_and_nothing_happens_twice() -> Result<()> {
    let mut fleet = Fleet::start().await?;
    fleet.partitions_are_shared(INSTANCES).await?;
    for service in SHARED {
        fleet.relay(service).await?;
    }
    let mut loans: BTreeSet<String> = fleet.loans(120, &[0, 1, 2]).await?.into_iter().collect();
    // It reads one topic, of which each instance has a partition.
    let worked = fleet.figures(Service::LoanManager, "consumer_events_total").await?;
    ensure!(worked.iter().all(|events| *events > Some(0.0)), "somebody is idle: {worked:?}");

    // The one that sends loan-manager's events is killed, and the others go on.
    let killed = fleet.relay(Service::LoanManager).await?;
    let staying: Vec<usize> = (0..INSTANCES).filter(|index| *index != killed).collect();
    fleet.instance_mut(Service::LoanManager, killed)?.kill()?;
    let (took, more) =
        tokio::try_join!(replaced(&fleet, killed, AFTER_KILL), fleet.loans(60, &staying))?;
    println!("loan-manager: another one is the relay {took:?} after a kill");
    loans.extend(more);
    fleet.instance_mut(Service::LoanManager, killed)?.start_again().await?;
    fleet.partitions_are_shared(INSTANCES).await?;

    // Another one is stopped for longer than anybody waits for it, and wakes up.
    let stopped = fleet.relay(Service::LoanManager).await?;
    let going: Vec<usize> = (0..INSTANCES).filter(|index| *index != stopped).collect();
    fleet.instance_mut(Service::LoanManager, stopped)?.pause()?;
    let begun = Instant::now();
    let (took, more) =
        tokio::try_join!(replaced(&fleet, stopped, AFTER_STOP), fleet.loans(60, &going))?;
    println!("loan-manager: another one is the relay {took:?} after a stop");
    loans.extend(more);
    tokio::time::sleep(STOPPED_FOR.saturating_sub(begun.elapsed())).await;
    fleet.instance_mut(Service::LoanManager, stopped)?.resume()?;
    let next = fleet.relay(Service::LoanManager).await?;
    ensure!(next != stopped, "the one that was stopped sends again");
    loans.extend(fleet.loans(60, &[0, 1, 2]).await?);
    fleet.partitions_are_shared(INSTANCES).await?;
    nothing_twice_and_all_in_order(&fleet, &loans).await
}

/// How long it takes until another instance of loan-manager is the relay.
async fn replaced(fleet: &Fleet, gone: usize, within: Duration) -> Result<Duration> {
    let begun = Instant::now();
    loop {
        let relays = fleet.relays(Service::LoanManager).await?;
        if relays.len() == 1 && relays[0] != gone {
            break;
        }
        ensure!(begun.elapsed() < within, "no other relay after {:?}: {relays:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(begun.elapsed())
}
