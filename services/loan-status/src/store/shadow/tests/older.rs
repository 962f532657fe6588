//! A loan that is older than what is known of it by anybody but the served model.

use super::*;

async fn assume(models: &Models) {
    models.made.in_tx("assume_loans", async |tx| assume_loans(tx).await).await.unwrap();
}

//
#[sqlx::test(migrations = "./migrations")]
async fn of_which_only_the_end_is_known_it_keeps_its_beginning(pool: PgPool) {
    let models = Models::new(pool).await;
    let old = Story::new();
    for event in [
        ReceivedEvent::for_test(&old.received()),
        ReceivedEvent::for_test(&old.judged(LoanStatus::UnderReview, 2)),
        ReceivedEvent::for_test(&old.executed()),
    ] {
        models.serve(&event).await;
    }
    // A booking, which tells neither name nor amount of the loan.
    models.both(&old.repaid(new_id().into(), 1, 9)).await;
    let (story, _) = models.loan().await;
    let served = models.served().await;
    assume(&models).await;
    let on_time = models.begin_late().await;
    let plan = Plan { from_owner: true, ..Plan::default() };
    let found = models.follow(on_time, plan).await;
    assert_eq!((found.entries.surplus, found.total()), (3, 3), "{found:?}");
    assert_eq!(models.served().await, served);
    // What is amiss of one that is known in full is mended all the same.
    models
        .damage(
            "UPDATE loan SET request_name = 'damaged' WHERE loan_id = $1",
            story.loan_id.as_uuid(),
        )
        .await;
    assume(&models).await;
    assert_eq!(models.follow(on_time, plan).await.loans.changed, 1);
    assert_eq!(models.served().await.len(), served.len());
}

//
#[sqlx::test(migrations = "./migrations")]
async fn of_which_only_the_beginning_is_known_it_stays_where_it_stands(pool: PgPool) {
    let models = Models::new(pool).await;
    let old = Story::new();
    models.both(&old.received()).await;
    for event in [
        ReceivedEvent::for_test(&old.judged(LoanStatus::UnderReview, 2)),
        ReceivedEvent::for_test(&old.executed()),
    ] {
        models.serve(&event).await;
    }
    let served = models.served().await;
    assume(&models).await;
    let plan = Plan { from_owner: true, ..Plan::default() };
    let found = models.follow(models.begin_late().await, plan).await;
    assert_eq!((found.entries.surplus, found.total()), (2, 2), "{found:?}");
    assert_eq!(models.served().await, served);
}
