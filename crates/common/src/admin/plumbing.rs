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
        .route("/dead-letters/redrive", post(open_dead_letters))
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
async fn open_dead_letters(
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
