#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod codes;
mod races;

use std::sync::Mutex;

use ::events::codes::Channel;
use ::events::{CustomerId, Language, MessageId};
use common::event::ReceivedEvent;
use futures::future::BoxFuture;
use sqlx::PgPool;
use time::{Duration as Span, OffsetDateTime};

use super::claim_deliveries::{Claimed, claim_deliveries};
use super::confirm_address::{Confirmed, confirm_address};
use super::deliver_message::deliver_message;
use super::request_verification::{Requested, request_verification};
use super::*;
use crate::clients::circuits::{Places, Target};
use crate::clients::{Destination, Outcome, Way};
use crate::domain::letter::Letter;
use crate::events::subscriptions;
use crate::events::testing::{Story, at};
use crate::store;

/// A way whose outcomes are these, one after the other; then all is sent. What the
/// real ones make of real servers is tested against real servers.
#[derive(Default)]
struct Scripted {
    outcomes: Mutex<Vec<Outcome>>,
    sent: Arc<Mutex<Vec<(String, String)>>>,
}

impl Way for Scripted {
    fn target(&self, destination: &Destination) -> Target {
        Target::Theirs(destination.address.clone())
    }

    fn send<'a>(&'a self, letter: &'a Letter, to: &'a Destination) -> BoxFuture<'a, Outcome> {
        self.sent.lock().unwrap().push((letter.key.clone(), to.address.clone()));
        let mut outcomes = self.outcomes.lock().unwrap();
        let outcome = if outcomes.is_empty() { Outcome::Sent } else { outcomes.remove(0) };
        Box::pin(async move { outcome })
    }
}

struct Bench {
    office: Office,
    sent: Arc<Mutex<Vec<(String, String)>>>,
}

fn circuits() -> Circuits {
    Circuits::new(Places { ours: 8, theirs: 8 }, Duration::from_secs(60))
}

impl Bench {
    fn new(pool: &PgPool, outcomes: Vec<Outcome>) -> Self {
        let sent = Arc::default();
        let mail = Scripted { outcomes: Mutex::new(outcomes), sent: Arc::clone(&sent) };
        let ways = Ways { mail: Some(Box::new(mail)), ..Ways::default() };
        let rules = Rules { offered: ways.offered(), ..Rules::default() };
        let office = Office {
            db: Db::from_pool(pool.clone()),
            clock: Clock::fixed(at(100)),
            rules,
            ways: Arc::new(ways),
            circuits: circuits(),
            code_circuits: circuits(),
            shutdown: Shutdown::new(),
        };
        Self { office, sent }
    }

    async fn deliver<E: common::event::Event>(&self, event: &E) {
        let event = ReceivedEvent::for_test(event);
        let subscriptions = subscriptions(&self.office.clock, &self.office.rules);
        subscriptions.deliver(&self.office.db, &event).await.unwrap();
    }

    /// A customer with a mail address, verified or not, and so many messages.
    async fn customer(&self, messages: usize, is_verified: bool) -> Story {
        let story = Story::new();
        self.deliver(&story.registered(Language::En)).await;
        if is_verified {
            self.verify(story.customer_id).await;
        }
        for _ in 0..messages {
            self.deliver(&Story::of(story.customer_id).received()).await;
        }
        story
    }

    async fn verify(&self, customer_id: CustomerId) {
        let code: String = sqlx::query_scalar(
            "SELECT code FROM verification WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 1",
        )
        .bind(customer_id)
        .fetch_one(self.office.db.pool())
        .await
        .unwrap();
        assert_eq!(self.confirm(customer_id, &code).await, Confirmed::Verified);
    }

    async fn confirm(&self, customer_id: CustomerId, code: &str) -> Confirmed {
        let clock = &self.office.clock;
        let work = async |tx: &mut sqlx::PgConnection| {
            confirm_address(tx, clock, customer_id, Channel::Mail, code).await
        };
        self.office.db.in_tx("test", work).await.unwrap()
    }

    async fn ask(&self, customer_id: CustomerId) -> Requested {
        let (clock, rules) = (&self.office.clock, &self.office.rules);
        let work = async |tx: &mut sqlx::PgConnection| {
            request_verification(tx, clock, rules, customer_id, Channel::Mail).await
        };
        self.office.db.in_tx("test", work).await.unwrap()
    }

    async fn claim(&self) -> Claimed {
        claim_deliveries(&self.office, Channel::Mail, 100).await.unwrap()
    }

    /// Sends until nothing is due.
    async fn send_all(&self) {
        loop {
            let claimed = self.claim().await;
            if !claimed.is_worth_another {
                return;
            }
            for job in claimed.jobs {
                deliver_message(&self.office, job).await;
            }
        }
    }

    async fn states(&self, customer_id: CustomerId) -> Vec<(String, Option<String>)> {
        sqlx::query_as("SELECT state, reason FROM delivery WHERE customer_id = $1 ORDER BY seq")
            .bind(customer_id)
            .fetch_all(self.office.db.pool())
            .await
            .unwrap()
    }

    async fn ids(&self, customer_id: CustomerId) -> Vec<String> {
        let ids: Vec<MessageId> = sqlx::query_scalar(
            "SELECT message_id FROM delivery WHERE customer_id = $1 ORDER BY seq",
        )
        .bind(customer_id)
        .fetch_all(self.office.db.pool())
        .await
        .unwrap();
        ids.iter().map(ToString::to_string).collect()
    }

    fn keys(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|(key, _)| key.clone()).collect()
    }

    async fn turns(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM turn")
            .fetch_one(self.office.db.pool())
            .await
            .unwrap()
    }
}

fn state(name: &str, reason: Option<&str>) -> (String, Option<String>) {
    (name.to_owned(), reason.map(str::to_owned))
}

#[sqlx::test(migrations = "./migrations")]
async fn messages_go_in_order_and_only_when_the_one_before_has_gone(pool: PgPool) {
    let bench = Bench::new(&pool, vec![Outcome::failed("451")]);
    let story = bench.customer(3, true).await;
    let other = bench.customer(1, true).await;
    let claimed = bench.claim().await;
    assert_eq!(claimed.jobs.len(), 2, "the first of each");
    assert!(bench.claim().await.jobs.is_empty(), "whoever is being written to has no turn");
    for job in claimed.jobs {
        deliver_message(&bench.office, job).await;
    }
    bench.send_all().await;
    // One of the two first ones has failed: its customer's later ones wait.
    let ids = [bench.ids(story.customer_id).await, bench.ids(other.customer_id).await].concat();
    bench.office.clock.advance(Span::seconds(3));
    bench.send_all().await;
    let keys = bench.keys();
    assert_eq!(keys.len(), ids.len() + 1, "{keys:?}");
    for id in &ids {
        assert!(keys.contains(id));
    }
    let of_story: Vec<_> = keys.iter().filter(|key| ids[..3].contains(key)).collect();
    let mut once = of_story.clone();
    once.dedup();
    assert_eq!(once, ids[..3].iter().collect::<Vec<_>>(), "in order");
    assert_eq!(bench.turns().await, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_is_sent_to_an_address_before_it_is_verified(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    let story = bench.customer(2, false).await;
    bench.send_all().await;
    assert!(bench.keys().is_empty());
    let held = Some("address-not-verified");
    assert_eq!(
        bench.states(story.customer_id).await,
        [state("waiting", held), state("waiting", None)]
    );
    let backlog = store::queue::backlog(&pool).await.unwrap();
    assert_eq!((backlog.waiting, backlog.held, backlog.oldest_mail_at), (2, 1, None));
    bench.verify(story.customer_id).await;
    bench.send_all().await;
    assert_eq!(bench.keys(), bench.ids(story.customer_id).await);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_waits_goes_to_the_new_address_and_never_to_the_old(pool: PgPool) {
    let bench = Bench::new(&pool, vec![Outcome::failed("421")]);
    let story = bench.customer(2, true).await;
    bench.send_all().await;
    let mut moved = story.changed(Language::En, 200);
    moved.user_email = Some("new@example.com".to_owned());
    // The change is news: it is not the history that is being read.
    bench.office.clock.advance(Span::seconds(120));
    bench.deliver(&moved).await;
    bench.send_all().await;
    assert_eq!(bench.keys().len(), 1, "the new address is to be verified first");
    bench.verify(story.customer_id).await;
    bench.send_all().await;
    let sent = bench.sent.lock().unwrap().clone();
    let new: Vec<_> = sent[1..].iter().map(|(_, address)| address.as_str()).collect();
    assert_eq!(new, ["new@example.com"; 2]);
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_goes_to_a_customer_who_was_removed(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    let story = bench.customer(3, true).await;
    // One is on its way already.
    let claimed = bench.claim().await;
    bench.deliver(&story.removed(300)).await;
    for job in claimed.jobs {
        deliver_message(&bench.office, job).await;
    }
    bench.send_all().await;
    bench.office.clock.advance(Span::hours(1));
    bench.send_all().await;
    assert_eq!(bench.keys().len(), 1, "only the one that was on its way");
    let dropped = state("dropped", Some("customer-removed"));
    assert_eq!(bench.states(story.customer_id).await, [dropped.clone(), dropped.clone(), dropped]);
    let codes = "SELECT count(*) FROM verification WHERE address <> '' OR code <> ''";
    assert_eq!(sqlx::query_scalar::<_, i64>(codes).fetch_one(&pool).await.unwrap(), 0);
    for table in ["preference", "webhook", "verified_address", "turn"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn whoever_dies_while_sending_is_replaced_and_the_id_stays(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    let story = bench.customer(2, true).await;
    let dead = bench.claim().await;
    assert_eq!(dead.jobs.len(), 1);
    let lease = bench.office.rules.lease(Channel::Mail);
    bench.office.clock.advance((lease - Duration::from_secs(1)).try_into().unwrap());
    assert!(bench.claim().await.jobs.is_empty());
    bench.office.clock.advance(Span::seconds(2));
    bench.send_all().await;
    let ids = bench.ids(story.customer_id).await;
    assert_eq!(bench.keys(), ids);
    // It was only stopped, and wakes up: what it says changes nothing any more.
    for job in dead.jobs {
        deliver_message(&bench.office, job).await;
    }
    assert_eq!(bench.keys(), [ids.clone(), vec![ids[0].clone()]].concat(), "the same id");
    assert_eq!(bench.states(story.customer_id).await, [state("sent", None), state("sent", None)]);
    let id: MessageId = ids[0].parse::<uuid::Uuid>().unwrap().into();
    let log = store::queue::attempts(&pool, id).await.unwrap();
    let outcomes: Vec<_> = log.iter().map(|one| (one.number, one.outcome.as_deref())).collect();
    assert_eq!(outcomes, [(2, Some("sent")), (1, Some("sent"))]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_refused_for_good_is_not_tried_again_and_holds_nothing_up(pool: PgPool) {
    let refused = Outcome::Refused { detail: "550 5.1.1".to_owned() };
    let bench = Bench::new(&pool, vec![refused]);
    let story = bench.customer(2, true).await;
    bench.send_all().await;
    assert_eq!(
        bench.states(story.customer_id).await,
        [state("failed", Some("550 5.1.1")), state("sent", None)]
    );
    // An operator has set it right.
    let since = OffsetDateTime::UNIX_EPOCH;
    let work = async |tx: &mut sqlx::PgConnection| {
        let until = at(10_000);
        let (channel, reason) = (Some(Channel::Mail), Some("550 5.1.1".to_owned()));
        let again = store::queue::Again::LostSince { since, until, channel, reason, limit: 10 };
        let now = bench.office.clock.now();
        store::queue::put_back(tx, &again, now, now + Span::hours(72)).await
    };
    let back = bench.office.db.in_tx("test", work).await.unwrap();
    let ids = bench.ids(story.customer_id).await;
    assert_eq!(back.iter().map(ToString::to_string).collect::<Vec<_>>(), ids[..1]);
    bench.send_all().await;
    assert_eq!(bench.keys(), [&ids[0], &ids[1], &ids[0]].map(Clone::clone));
    // Sent on purpose a second time it is another one.
    let work = async |tx: &mut sqlx::PgConnection| {
        let again = store::queue::Again::These(back.clone());
        let now = bench.office.clock.now();
        store::queue::put_back(tx, &again, now, now + Span::hours(72)).await
    };
    bench.office.db.in_tx("test", work).await.unwrap();
    bench.send_all().await;
    assert_eq!(bench.keys().last(), Some(&format!("{}.2", ids[0])));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_message_is_tried_until_its_time_is_over_and_an_outage_of_hours_loses_none(pool: PgPool) {
    let down = vec![Outcome::failed("connection"); 4_000];
    let bench = Bench::new(&pool, down);
    let story = bench.customer(2, true).await;
    for _ in 0..48 {
        bench.send_all().await;
        bench.office.clock.advance(Span::minutes(30));
    }
    let waiting = bench.states(story.customer_id).await;
    assert!(waiting.iter().all(|(state, _)| state == "waiting"), "{waiting:?}");
    for _ in 0..110 {
        bench.send_all().await;
        bench.office.clock.advance(Span::minutes(30));
    }
    let over = bench.states(story.customer_id).await;
    assert!(over.iter().all(|(state, _)| state == "given-up"), "{over:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_message_without_a_turn_gets_one(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    bench.customer(1, true).await;
    sqlx::query("DELETE FROM turn").execute(&pool).await.unwrap();
    bench.send_all().await;
    assert!(bench.keys().is_empty());
    assert_eq!(store::queue::sweep(&pool, bench.office.clock.now()).await.unwrap(), 1);
    bench.send_all().await;
    assert_eq!(bench.keys().len(), 1);
    assert_eq!(store::queue::sweep(&pool, bench.office.clock.now()).await.unwrap(), 0);
}

#[test]
fn a_lease_is_longer_than_sending_may_take() {
    let rules = Rules::default();
    assert!(rules.lease(Channel::Webhook) > rules.timeout * 2);
    assert!(rules.lease(Channel::Mail) > rules.timeout * 6 + rules.body);
}
