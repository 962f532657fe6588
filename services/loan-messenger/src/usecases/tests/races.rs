//! What happens at the same moment.

use std::time::Duration;

use ::events::MessageId;
use ::events::codes::Channel;
use sqlx::PgPool;
use time::Duration as Span;

use super::{Bench, deliver_message, state};
use crate::clients::Outcome;
use crate::store;
use crate::usecases::change_preference::change_preference;

#[sqlx::test(migrations = "./migrations")]
async fn what_is_put_back_does_not_end_anothers_lease(pool: PgPool) {
    let refused = Outcome::Refused { detail: "550 5.1.1".to_owned() };
    let bench = Bench::new(&pool, vec![refused]);
    let story = bench.customer(2, true).await;
    let first = bench.claim().await;
    for job in first.jobs {
        deliver_message(&bench.office, job).await;
    }
    // The second is on its way while the first is put back.
    let second = bench.claim().await;
    assert_eq!(second.jobs.len(), 1);
    let ids = bench.ids(story.customer_id).await;
    let id: MessageId = ids[0].parse::<uuid::Uuid>().unwrap().into();
    let work = async |tx: &mut sqlx::PgConnection| {
        let now = bench.office.clock.now();
        let again = store::queue::Again::These(vec![id]);
        store::queue::put_back(tx, &again, now, now + Span::hours(72)).await
    };
    bench.office.db.in_tx("test", work).await.unwrap();
    assert!(bench.claim().await.jobs.is_empty(), "somebody sends");
    for job in second.jobs {
        deliver_message(&bench.office, job).await;
    }
    bench.send_all().await;
    assert_eq!(bench.keys(), [ids[0].clone(), ids[1].clone(), format!("{}.2", ids[0])]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_confirmation_while_a_turn_is_being_held_is_not_lost(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    let story = bench.customer(1, false).await;
    // Somebody has looked, and is about to write that the address is not verified.
    let mut looking = pool.begin().await.unwrap();
    let now = bench.office.clock.now();
    let heads = store::delivery::take_turns(&mut looking, Channel::Mail, now, 10).await.unwrap();
    assert_eq!(heads.len(), 1);
    let held = store::delivery::PutOff {
        customer_id: story.customer_id,
        lane: Channel::Mail,
        due_at: now + Span::hours(72),
        is_held: true,
        created_at: now,
    };
    let (confirmed, ()) = tokio::join!(bench.verify(story.customer_id), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        store::delivery::put_off(&mut looking, &[held]).await.unwrap();
        looking.commit().await.unwrap();
    });
    let () = confirmed;
    bench.send_all().await;
    assert_eq!(bench.keys(), bench.ids(story.customer_id).await);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_opted_out_of_is_not_sent_though_it_waits(pool: PgPool) {
    let bench = Bench::new(&pool, Vec::new());
    let story = bench.customer(1, true).await;
    let kinds = [::events::codes::MessageKind::RequestReceived];
    let work = async |tx: &mut sqlx::PgConnection| {
        let clock = &bench.office.clock;
        change_preference(tx, clock, story.customer_id, None, Some(&kinds)).await
    };
    bench.office.db.in_tx("test", work).await.unwrap();
    bench.send_all().await;
    assert!(bench.keys().is_empty());
    let dropped = [state("dropped", Some("opted-out"))];
    assert_eq!(bench.states(story.customer_id).await, dropped);
}
