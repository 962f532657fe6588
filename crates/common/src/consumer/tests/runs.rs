use super::*;

#[sqlx::test(migrations = false)]
async fn a_run_is_worked_on_at_once_and_its_bad_ones_are_found_one_by_one(pool: PgPool) {
    let db = db(pool).await;
    let at_once = Subscriptions::new(GROUP).on_run::<Noted>(|tx, run| {
        Box::pin(async move {
            let texts: Vec<_> = run.into_iter().map(|one| one.body.text).collect();
            sqlx::query("INSERT INTO note (text) SELECT unnest($1::text[]) || ' of ' || $2::int")
                .bind(&texts)
                .bind(i32::try_from(texts.len()).unwrap())
                .execute(tx)
                .await?;
            match texts.iter().any(|text| text == "impossible") {
                true => Err(HandlerError::Impossible("it can't be".to_owned())),
                false => Ok(()),
            }
        })
    });
    let work = async |texts: &[&str]| {
        let (batch, mut suspicion) = (incoming(texts), Suspicion::default());
        batch::work(&db, &at_once, &batch, &mut suspicion, &Clock::system()).await.unwrap()
    };
    assert_eq!(work(&["a", "b"]).await, []);
    let rejected = work(&["c", "impossible", "d"]).await;
    assert_eq!(rejected.iter().map(|one| one.index).collect::<Vec<_>>(), [1]);
    assert_eq!(notes(&db).await, ["a of 2", "b of 2", "c of 1", "d of 1"]);
}
