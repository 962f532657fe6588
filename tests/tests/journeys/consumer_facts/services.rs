//! The same of the services themselves, as processes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use common::event::NewEvent;
use events::LoanStatus;
use journeys::client::{Client, Credentials};
use journeys::harness::Journey;
use nix::sys::signal::Signal;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use standalone::broker_process::topics;
use standalone::{Service, Stack};

use super::loans::Loan;
use crate::by_hand::{Hand, committed, read};
use crate::lone_broker::LoneBroker;
use crate::plumbing::{TOPIC, until};

const MESSAGES: &str = "SELECT count(*) FROM loan_messenger.message";
const WAITS_FOR_LOCK: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'loan_messenger' AND wait_event_type = 'Lock'";

async fn send(hand: &Hand, events: &[NewEvent]) -> Result<()> {
    futures::future::try_join_all(events.iter().map(|event| hand.event(event))).await?;
    Ok(())
}

// killed in the middle of a batch, it has done all of it or nothing, and
// no offset says otherwise.
#[tokio::test]
async fn a_service_is_killed_in_the_middle_of_a_batch() -> Result<()> {
    let mut journey = Journey::start_with(|stack| {
        let messenger = stack.only(&[Service::LoanMessenger]);
        messenger.env(Service::LoanMessenger, "CONSUMER_BATCH_MAX", "20").env(
            Service::LoanMessenger,
            "CONSUMER_SESSION_TIMEOUT_MS",
            "6000",
        )
    })
    .await?;
    let bootstrap = journey.stack.bootstrap().to_owned();
    let hand = Hand::new(&bootstrap)?;
    let mut total = 0;
    for _round in 0..3 {
        let events: Vec<_> = (0..30).map(|_| Loan::new().received()).collect();
        send(&hand, &events).await?;
        journey.wait_count(MESSAGES, total + 30).await?;

        // Nobody may write a message now: the next batch stops half way.
        let mut lock = journey.db.begin().await?;
        sqlx::query("LOCK TABLE loan_messenger.message IN EXCLUSIVE MODE")
            .execute(&mut *lock)
            .await?;
        let events: Vec<_> = (0..50).map(|_| Loan::new().received()).collect();
        send(&hand, &events).await?;
        journey.wait_count(WAITS_FOR_LOCK, 1).await?;
        // Longer than it takes until a stored offset is committed.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let done = committed(&bootstrap, "loan-messenger", TOPIC).await?;
        assert_eq!((journey.count(MESSAGES).await?, done), (total + 30, total + 30));
        journey.stack.service_mut(Service::LoanMessenger).kill()?;
        lock.rollback().await?;
        journey.wait_count(WAITS_FOR_LOCK, 0).await?;
        assert_eq!(journey.count(MESSAGES).await?, total + 30, "what was half done is undone");

        journey.stack.service_mut(Service::LoanMessenger).start_again().await?;
        total += 80;
        journey.wait_count(MESSAGES, total).await?;
    }
    let all = async || Ok(committed(&bootstrap, "loan-messenger", TOPIC).await? == total);
    until("all is done with", all).await?;
    for sql in [
        "SELECT count(*) FROM loan_messenger.inbox",
        "SELECT count(DISTINCT event_id) FROM loan_messenger.message",
        "SELECT count(*) FROM loan_messenger.outbox",
    ] {
        assert_eq!(journey.count(sql).await?, total, "{sql}");
    }
    let unsent = "SELECT count(*) FROM loan_messenger.outbox WHERE sent_at IS NULL";
    journey.wait_count(unsent, 0).await?;
    assert!(read(&bootstrap, "loan.manager.dlq").await?.is_empty());
    Ok(())
}

// stopped in the middle of a transaction it keeps nobody waiting, and awake it
// goes on where it was.
#[tokio::test]
async fn a_service_that_is_stopped_in_a_transaction_keeps_no_lock() -> Result<()> {
    const SILENT: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'loan_messenger' AND state = 'idle in transaction'";
    const TURN: &str = "SELECT count(*) FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND classid = 1 AND objid = 'loan_messenger.message'::regclass";
    let mut journey = Journey::start_with(|stack| stack.only(&[Service::LoanMessenger])).await?;
    let bootstrap = journey.stack.bootstrap().to_owned();
    let hand = Hand::new(&bootstrap)?;
    let mut lock = journey.db.begin().await?;
    sqlx::query("LOCK TABLE loan_messenger.message IN EXCLUSIVE MODE").execute(&mut *lock).await?;
    let events: Vec<_> = (0..5).map(|_| Loan::new().received()).collect();
    send(&hand, &events).await?;
    journey.wait_count(WAITS_FOR_LOCK, 1).await?;
    journey.stack.service_mut(Service::LoanMessenger).process_mut().signal(Signal::SIGSTOP)?;
    lock.rollback().await?;
    // Now it could go on, and has the turn of all that write messages.
    journey.wait_count(SILENT, 1).await?;
    let began = Instant::now();
    assert_eq!(journey.count(TURN).await?, 1);
    journey.wait_count(TURN, 0).await?;
    ensure!(began.elapsed() < Duration::from_secs(8), "others wait for {:?}", began.elapsed());
    assert_eq!(journey.count(MESSAGES).await?, 0, "what was half done is undone");
    journey.stack.service_mut(Service::LoanMessenger).process_mut().signal(Signal::SIGCONT)?;
    journey.wait_count(MESSAGES, 5).await.with_context(|| journey.last_words())?;
    let all = async || Ok(committed(&bootstrap, "loan-messenger", TOPIC).await? == 5);
    until("all is done with", all).await?;
    assert!(read(&bootstrap, "loan.manager.dlq").await?.is_empty());
    let log = journey.stack.service(Service::LoanMessenger).log();
    ensure!(!log.contains("\"ERROR\""), "it takes that for a bug: {}", journey.last_words());
    Ok(())
}

//
#[tokio::test]
async fn an_older_event_never_overwrites_what_the_status_shows() -> Result<()> {
    let journey = Journey::start_with(|stack| stack.only(&[Service::LoanStatus])).await?;
    let hand = Hand::new(journey.stack.bootstrap())?;
    let (forward, backward) = (Loan::new(), Loan::new());
    let story = |loan: Loan| {
        vec![
            loan.received(),
            loan.judged(LoanStatus::UnderReview, 2),
            loan.judged(LoanStatus::Approved, 3),
            loan.executed(4),
        ]
    };
    let mut reversed = story(backward);
    reversed.reverse();
    // One after the other, so that each is a batch of its own as well.
    for (place, event) in (1..).zip(story(forward).iter().chain(&reversed)) {
        hand.event(event).await?;
        journey.wait_count("SELECT count(*) FROM loan_status.entry", place).await?;
        let shown =
            format!("SELECT loan_version FROM loan_status.loan WHERE loan_id = '{}'", backward.id);
        if place > 4 {
            assert_eq!(journey.count(&shown).await?, 4, "after {place} events");
        }
    }
    // All of it once more, as other events of the same content.
    let again: Vec<_> = story(forward).into_iter().chain(story(backward)).collect();
    send(&hand, &again[..]).await?;
    journey.wait_count("SELECT count(*) FROM loan_status.entry", 16).await?;
    let executed = "SELECT count(*) FROM loan_status.loan
        WHERE loan_status = '04' AND loan_version = 4 AND outstanding = 1000 AND amount_of_money = 1000";
    assert_eq!(journey.count(executed).await?, 2);
    Ok(())
}

//
#[tokio::test]
async fn garbage_on_every_topic_stops_nobody() -> Result<()> {
    let journey = Journey::start().await?;
    let bootstrap = journey.stack.bootstrap().to_owned();
    let hand = Hand::new(&bootstrap)?;
    // How many services read each.
    let topics = [
        ("loan.request", "loan.request.dlq", 2),
        ("loan.auth", "loan.auth.dlq", 2),
        ("loan.customer", "loan.customer.dlq", 1),
        ("loan.manager", "loan.manager.dlq", 4),
    ];
    for (topic, ..) in topics {
        for key in ["a", "b", "c", "d"] {
            hand.send(topic, key, Some("garbage"), &[]).await?;
        }
    }
    for _ in 0..5 {
        journey.client.apply(&Credentials::demo(), 10_000).await?;
    }
    journey.finish().await?;
    journey.agree_on_applications(5).await?;
    for (topic, letters, readers) in topics {
        let kept = async || Ok(read(&bootstrap, letters).await?.len() == 4 * readers);
        until(letters, kept).await.with_context(|| format!("{topic}: {}", journey.last_words()))?;
        let groups: std::collections::BTreeSet<_> = read(&bootstrap, letters)
            .await?
            .iter()
            .map(|letter| letter.header("dlq_group").to_owned())
            .collect();
        assert_eq!(groups.len(), readers, "{topic}: each reader says so for itself: {groups:?}");
    }
    Ok(())
}

// The embedded broker, whatever the other journeys run on: it starts without a topic.
#[tokio::test]
async fn a_missing_topic_is_named_while_requests_are_answered() -> Result<()> {
    const LETTERS: &str = "loan.manager.dlq";
    let there = topics().into_iter().filter(|it| ![TOPIC, LETTERS].contains(&&*it.name));
    let broker = LoneBroker::start(there.collect(), None).await?;
    let stack = Stack::builder()
        .only(&[Service::LoanStatus])
        .bootstrap(&broker.bootstrap())
        .start()
        .await?;
    let status = stack.service(Service::LoanStatus);
    let named = |what: &str, topic: &str| {
        status.log().lines().any(|line| line.contains(what) && line.contains(topic))
    };
    until("the topic is named", async || Ok(named("topics are missing", TOPIC))).await?;
    let client = Client::try_new(status.url())?;
    client.get("/loanStatus", "").await?.expect(401)?;
    client.get("/actuator/health", "").await?.expect(200)?;
    assert!(status.is_ready().await);

    // An operator makes it; the service needs no restart.
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create()?;
    let make = async |name: &str| -> Result<()> {
        let topic = NewTopic::new(name, events::topics::PARTITIONS, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(5)));
        for made in admin.create_topics(&[topic], &options).await? {
            made.map_err(|(topic, error)| anyhow::anyhow!("{topic}: {error}"))?;
        }
        Ok(())
    };
    make(TOPIC).await?;
    let hand = Hand::new(&broker.bootstrap())?;
    hand.event(&Loan::new().received()).await?;
    let db = sqlx::PgPool::connect(&stack.database().superuser_url()).await?;
    until("it is shown", async || {
        let shown = "SELECT count(*) FROM loan_status.loan";
        Ok(sqlx::query_scalar::<_, i64>(shown).fetch_one(&db).await? == 1)
    })
    .await?;

    // Events are read without a topic for their letters, which is named before one needs it.
    let lacking = "topics for dead letters are missing";
    until("the topic for letters is named", async || Ok(named(lacking, LETTERS))).await?;
    make(LETTERS).await?;
    hand.send(TOPIC, "a", Some("garbage"), &[]).await?;
    let kept = async || Ok(read(&broker.bootstrap(), LETTERS).await?.len() == 1);
    until("the letter is kept", kept).await
}

// the database of all of them goes, and all of them go on by themselves.
#[tokio::test]
async fn the_database_is_killed_under_all_services() -> Result<()> {
    let mut journey = Journey::start_with(|stack| stack.own_postgres()).await?;
    // What is committed here is to outlive the server; a restart makes all
    // connections know. It is an outage in good order, too.
    let name = journey.stack.database().name().to_owned();
    let through = format!("ALTER DATABASE \"{name}\" SET synchronous_commit = on");
    sqlx::raw_sql(sqlx::AssertSqlSafe(through)).execute(&journey.db).await?;
    journey.stack.postgres_mut().stop().await?;
    journey.stack.postgres_mut().start_again().await?;

    let applying = |journey: &Journey| {
        let client = journey.client.clone();
        async move { client.apply(&Credentials::demo(), 10_000).await.is_ok() }
    };
    let mut accepted = 0;
    for _ in 0..2 {
        let before = accepted;
        until("it is accepted again", async || {
            accepted += i64::from(applying(&journey).await);
            Ok(accepted >= before + 5)
        })
        .await?;
        journey.stack.postgres_mut().process_mut().kill()?;
        for _ in 0..3 {
            assert!(!applying(&journey).await, "accepted without a database");
        }
        super::outages::start_database(&mut journey.stack).await?;
    }
    journey.finish().await?;
    // An answer may be lost where its commit was not: such a one is there too.
    let there = journey.count("SELECT count(*) FROM loan_manager.item").await?;
    assert!(there >= accepted, "{there} of {accepted}");
    journey.agree_on_applications(there).await
}
