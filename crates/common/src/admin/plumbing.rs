//! What every service has in its admin API: the state of its plumbing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Serialize;
use uuid::Uuid;

use super::{AdminPage, Ids, Selection, SelectionQuery};
use crate::consumer::inbox::{self, SetAside};
use crate::db::Db;
use crate::http::{Json, Query};
use crate::outbox::{self, Backlog};
use crate::problem::Problem;

/// What these routes need.
#[derive(Clone)]
struct Plumbing {
    db: Db,
    relay_active: Arc<AtomicBool>,
}

/// The routes, without `/admin` before them.
pub(crate) fn router(db: Db, relay_active: Arc<AtomicBool>) -> Router {
    Router::new()
        .route("/outbox", get(get_outbox))
        .route("/inbox/release", post(release_claims))
        .route("/dead-letters", get(list_dead_letters))
        .route("/dead-letters/settle", post(settle_dead_letters))
        .route("/dead-letters/check", post(check_dead_letters))
        .with_state(Plumbing { db, relay_active })
}

/// The outbox, as an operator sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutboxState {
    /// What waits and what was sent.
    #[serde(flatten)]
    backlog: Backlog,
    /// Whether the instance that answers is the service's one relay.
    is_relay: bool,
}

async fn get_outbox(State(plumbing): State<Plumbing>) -> Result<Json<OutboxState>, Problem> {
    let backlog = outbox::backlog(plumbing.db.pool()).await;
    let backlog = backlog.map_err(|error| Problem::from_sqlx(&error))?;
    let is_relay = plumbing.relay_active.load(Ordering::Relaxed);
    Ok(Json(OutboxState { backlog, is_relay }))
}

/// How many rows a call has changed.
#[derive(Debug, Serialize)]
struct Changed {
    changed: u64,
}

/// These events may be worked on here once more.
async fn release_claims(
    State(plumbing): State<Plumbing>,
    Json(ids): Json<Ids>,
) -> Result<Json<Changed>, Problem> {
    let changed = inbox::release(plumbing.db.pool(), &ids.checked()?).await;
    Ok(Json(Changed { changed: changed.map_err(|error| Problem::from_sqlx(&error))? }))
}

/// The events that were set aside, those among them that were discarded too.
async fn list_dead_letters(
    State(plumbing): State<Plumbing>,
    Query(query): Query<SelectionQuery>,
) -> Result<Json<AdminPage<SetAside>>, Problem> {
    let selection = Selection::try_from(query)?;
    let found = inbox::set_aside(plumbing.db.pool(), &selection).await;
    let found = found.map_err(|error| Problem::from_sqlx(&error))?;
    Ok(Json(selection.page(found, |one| one.event_id)))
}

/// Dead letters by the ids of their events.
#[derive(Debug, Serialize)]
struct OpenDeadLetters {
    ids: Vec<Uuid>,
}

/// Those among these that are open dead letters here: what whoever puts letters back asks
/// before, for in Kafka a letter may have been laid by anyone. It changes nothing itself, and is
/// still for who may repair, and logged.
async fn check_dead_letters(
    State(plumbing): State<Plumbing>,
    Json(ids): Json<Ids>,
) -> Result<Json<OpenDeadLetters>, Problem> {
    let these = Selection::These(ids.checked()?);
    let found = inbox::set_aside(plumbing.db.pool(), &these).await;
    let found = found.map_err(|error| Problem::from_sqlx(&error))?;
    let open = found.into_iter().filter(|one| !one.is_discarded);
    Ok(Json(OpenDeadLetters { ids: open.map(|one| one.event_id).collect() }))
}

/// These dead letters are closed: they will not be worked on here.
async fn settle_dead_letters(
    State(plumbing): State<Plumbing>,
    Json(ids): Json<Ids>,
) -> Result<Json<Changed>, Problem> {
    let changed = inbox::settle(plumbing.db.pool(), &ids.checked()?).await;
    Ok(Json(Changed { changed: changed.map_err(|error| Problem::from_sqlx(&error))? }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use axum::body::Body;
    use sqlx::PgPool;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(pool: &PgPool, body: String) -> (u16, serde_json::Value) {
        let router = router(Db::from_pool(pool.clone()), Arc::default());
        let request = axum::http::Request::post("/dead-letters/check")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    // what was worked on, discarded or never seen is not put back.
    #[sqlx::test(migrations = false)]
    async fn of_many_those_are_told_that_are_open_dead_letters(pool: PgPool) {
        sqlx::raw_sql(include_str!("../../migrations/plumbing.sql")).execute(&pool).await.unwrap();
        // Worked on, set aside, discarded, never seen.
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        for (id, is_dead) in ids.iter().zip([false, true, true]) {
            let row = "INSERT INTO inbox (event_id, topic, dead_lettered_at) VALUES ($1, 'test.notes', CASE WHEN $2 THEN now() END)";
            sqlx::query(row).bind(id).bind(is_dead).execute(&pool).await.unwrap();
        }
        assert_eq!(inbox::settle(&pool, &ids[2..3]).await.unwrap(), 1);

        let (status, told) = ask(&pool, serde_json::json!({ "ids": ids }).to_string()).await;
        assert_eq!((status, &told["ids"]), (200, &serde_json::json!([ids[1]])));
        let open = inbox::dead_letters(&pool).await.unwrap();
        assert_eq!(open, 1, "nothing was changed");

        let many = vec![ids[0]; crate::admin::ADMIN_IDS_MAX + 1];
        for wrong in [serde_json::json!({ "ids": [] }), serde_json::json!({ "ids": many })] {
            assert_eq!(ask(&pool, wrong.to_string()).await.0, 422);
        }
    }
}
