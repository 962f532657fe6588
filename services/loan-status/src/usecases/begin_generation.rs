//! The read model is made anew: emptied, and filled again from offset 0 by a
//! consumer group of its own.

use sqlx::PgConnection;

use crate::store;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The read model is of this generation already.
    Same,
    /// It was emptied and is of this generation now.
    Begun,
    /// It is of a later generation, which an instance with an older setting
    /// must not undo.
    Later(i32),
}

/// Brings the read model to a generation.
///
/// # Errors
/// What the database says.
pub async fn begin_generation(
    tx: &mut PgConnection,
    wanted: i32,
) -> Result<Generation, sqlx::Error> {
    let present = store::feed_counter::generation(tx).await?;
    match present.cmp(&wanted) {
        std::cmp::Ordering::Equal => Ok(Generation::Same),
        std::cmp::Ordering::Greater => Ok(Generation::Later(present)),
        std::cmp::Ordering::Less => {
            store::feed_counter::start_anew(tx, wanted).await?;
            Ok(Generation::Begun)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use sqlx::PgPool;

    use super::*;

    /// The number of rows in everything that a rebuild empties.
    async fn rows(pool: &PgPool) -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM loan)
                  + (SELECT count(*) FROM cancellation) + (SELECT count(*) FROM inbox)",
        )
        .fetch_one(pool)
        .await
        .unwrap()
    }

    async fn fill(pool: &PgPool) {
        for statement in [
            "INSERT INTO inbox (event_id, topic, received_at) VALUES (gen_random_uuid(), 'loan.manager', now())",
            "INSERT INTO cancellation VALUES (gen_random_uuid(), now())",
            "INSERT INTO loan VALUES (gen_random_uuid(), gen_random_uuid(), 'x', 1, 'KRW', '00', NULL, 1, now())",
            "INSERT INTO entry VALUES (1, gen_random_uuid(), 'LoanRequestReceived', gen_random_uuid(), NULL,
                gen_random_uuid(), '01', 'x', 1, 'KRW', NULL, '00', NULL, NULL, 1, now())",
            "UPDATE feed_counter SET last_id = 1",
        ] {
            sqlx::query(statement).execute(pool).await.unwrap();
        }
    }

    #[sqlx::test(migrations = "./migrations")]
    async fn a_higher_generation_begins_another_feed_from_nothing(pool: PgPool) {
        //
        fill(&pool).await;
        let before = store::feed_counter::position(&pool).await.unwrap();
        let mut tx = pool.acquire().await.unwrap();
        assert_eq!(begin_generation(&mut tx, 2).await.unwrap(), Generation::Begun);
        assert_eq!(rows(&pool).await, 0);
        let after = store::feed_counter::position(&pool).await.unwrap();
        assert_ne!(after.epoch, before.epoch, "what clients remember is of another feed");
        assert_eq!(after.number, 0);
    }

    #[sqlx::test(migrations = "./migrations")]
    async fn the_same_generation_keeps_everything(pool: PgPool) {
        fill(&pool).await;
        let mut tx = pool.acquire().await.unwrap();
        assert_eq!(begin_generation(&mut tx, 1).await.unwrap(), Generation::Same);
        assert_eq!(begin_generation(&mut tx, 3).await.unwrap(), Generation::Begun);
        fill(&pool).await;
        assert_eq!(begin_generation(&mut tx, 3).await.unwrap(), Generation::Same);
        assert_eq!(rows(&pool).await, 4);
    }

    #[sqlx::test(migrations = "./migrations")]
    async fn an_old_instance_undoes_nothing(pool: PgPool) {
        let mut tx = pool.acquire().await.unwrap();
        begin_generation(&mut tx, 2).await.unwrap();
        fill(&pool).await;
        assert_eq!(begin_generation(&mut tx, 1).await.unwrap(), Generation::Later(2));
        assert_eq!(rows(&pool).await, 4);
    }
}
