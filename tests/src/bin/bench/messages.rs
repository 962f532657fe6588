//! What a long queue of mail costs: how fast it is sent, what memory and database it
//! takes, and whether new events wait for it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journeys::client::{Client, Credentials};
use journeys::mail_server::MailServer;
use sqlx::{PgPool, Row};
use standalone::{Service, Stack};

use crate::Figure;

/// Messages of one customer, so that order is kept over more than one.
const EACH: i64 = 10;

/// Applications whose messages are timed, beside the queue and without it.
const TIMED: usize = 40;

/// How long the queue may take; beyond that something is wrong.
const BOUND: Duration = Duration::from_secs(3_600);

/// Queues so many messages while the mail server is away, and has them sent.
pub(crate) async fn measure(
    stack: &mut Stack,
    client: &Client,
    db: &PgPool,
    messages: i64,
) -> Result<Vec<Figure>> {
    let mut server = MailServer::start().await?;
    server.stop().await;
    let messenger = stack.service_mut(Service::LoanMessenger);
    messenger.set_env("MAIL_URL", &server.url());
    messenger.terminate().await?;
    messenger.start_again().await?;
    let alone = written_after(client, db).await?;
    println!("queueing {messages} messages …");
    queue(db, messages).await?;
    let before = commits(db).await?;
    let idle_kib = stack.service(Service::LoanMessenger).resident_kib().unwrap_or(0);
    server.go_on().await?;
    let begun = Instant::now();
    let beside = tokio::spawn({
        let (client, db) = (client.clone(), db.clone());
        async move { written_after(&client, &db).await }
    });
    let mut peak_kib = idle_kib;
    let waiting = "SELECT count(*) FROM loan_messenger.delivery WHERE state = 'waiting'";
    loop {
        let left: i64 = sqlx::query_scalar(waiting).fetch_one(db).await?;
        let now = stack.service(Service::LoanMessenger).resident_kib().unwrap_or(0);
        peak_kib = peak_kib.max(now);
        if left == 0 {
            break;
        }
        ensure!(begun.elapsed() < BOUND, "{left} messages are left after {BOUND:?}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let took = begun.elapsed();
    let after = commits(db).await?;
    let beside = beside.await??;
    let came = server.mails().len();
    let in_order = in_order(&server);
    ensure!(i64::try_from(came)? == messages && in_order, "{came} came, in order: {in_order}");
    #[expect(clippy::cast_precision_loss, reason = "a rate has no last digit")]
    let (rate, each) =
        (messages as f64 / took.as_secs_f64(), (after - before) as f64 / messages as f64);
    Ok(vec![
        Figure {
            name: "messages that are sent, one instance",
            measured: format!(
                "{messages} in {:.1} s: {rate:.0}/s, each once, in order",
                took.as_secs_f64()
            ),
            goal: "≥ 500/s",
            met: rate >= 500.0,
        },
        Figure {
            name: "what they take",
            measured: format!(
                "{:.1} commits of the whole database for each; loan-messenger {:.1} MiB at the beginning, {:.1} at most",
                each,
                mib(idle_kib),
                mib(peak_kib)
            ),
            goal: "≤ 16 MiB more, whatever waits",
            met: peak_kib < idle_kib + 16 * 1_024,
        },
        Figure {
            name: "a new event beside them is written after",
            measured: format!(
                "p50 {:.0} ms, slowest {:.0} ms; without them p50 {:.0} ms, slowest {:.0} ms",
                beside.0, beside.1, alone.0, alone.1
            ),
            goal: "p50 at most 3 times as long",
            met: beside.0 <= 3.0 * alone.0.max(10.0),
        },
    ])
}

#[expect(clippy::cast_precision_loss, reason = "a size has no last digit")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}

/// Each customer's mails came in the order of their numbers, which their keys grow by.
fn in_order(server: &MailServer) -> bool {
    let mut last = std::collections::HashMap::new();
    server.mails().into_iter().all(|mail| {
        let key = mail.key();
        let before = last.insert(mail.to.clone(), key.clone());
        before.is_none_or(|before| before < key)
    })
}

async fn queue(db: &PgPool, messages: i64) -> Result<()> {
    let customers = messages / EACH;
    let mut tx = db.begin().await?;
    sqlx::query(
        "CREATE TEMPORARY TABLE customer ON COMMIT DROP AS
         SELECT gen_random_uuid() AS id, 0::bigint AS n LIMIT 0",
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO customer SELECT gen_random_uuid(), n FROM generate_series(1, $1) AS n",
    )
    .bind(customers)
    .execute(&mut *tx)
    .await?;
    for sql in [
        "INSERT INTO loan_messenger.recipient (customer_id, language, user_name, user_mobile, user_email, changed_at)
         SELECT id, 'en', 'Queued', '010-000-0000', 'queued-' || n || '@mail.example', now() FROM customer",
        "INSERT INTO loan_messenger.verified_address
         SELECT id, 'mail', 'queued-' || n || '@mail.example', now() FROM customer",
        "INSERT INTO loan_messenger.mailbox SELECT id, 10 FROM customer",
        // Ids that grow with the customer's own numbers, as those of real messages do.
        "INSERT INTO loan_messenger.message (id, event_id, loan_request_id, customer_id, seq, kind, language,
                                             subject, body, short, channel, created_at, sent_at)
         SELECT (lpad(to_hex(seq), 8, '0') || substr(gen_random_uuid()::text, 9))::uuid, gen_random_uuid(),
                gen_random_uuid(), id, seq, 'executed', 'en', 'Your loan has been executed',
                'Your loan \"Deposit\" for KRW 10,000 has been executed.', 'executed', 'mailbox', now(), now()
           FROM customer, generate_series(1, 10) AS seq ORDER BY seq",
        "INSERT INTO loan_messenger.delivery (message_id, customer_id, seq, created_at, give_up_at)
         SELECT m.id, m.customer_id, m.seq, m.created_at, now() + interval '3 days'
           FROM loan_messenger.message m JOIN customer c ON c.id = m.customer_id",
        "INSERT INTO loan_messenger.turn (customer_id, lane, due_at, since) SELECT id, 'mail', now(), now() FROM customer",
    ] {
        sqlx::query(sql).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    sqlx::query("VACUUM ANALYZE").execute(db).await?;
    Ok(())
}

/// Transactions of the database so far.
async fn commits(db: &PgPool) -> Result<i64> {
    // What a session has done is told to others after a moment.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    Ok(sqlx::query(sql).fetch_one(db).await?.try_get(0)?)
}

/// How long after its acceptance an application's message is in the mailbox: the middle
/// and the slowest, in milliseconds.
async fn written_after(client: &Client, db: &PgPool) -> Result<(f64, f64)> {
    let who = Credentials::demo();
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let loan = client.apply(&who, 1_000).await?;
        let begun = Instant::now();
        let sql = "SELECT count(*) FROM loan_messenger.message WHERE loan_id = $1::uuid";
        loop {
            let written: i64 = sqlx::query_scalar(sql).bind(&loan).fetch_one(db).await?;
            if written > 0 {
                break;
            }
            ensure!(begun.elapsed() < Duration::from_secs(60), "no message after a minute");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() - 1]))
}
