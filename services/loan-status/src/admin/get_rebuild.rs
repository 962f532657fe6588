//! `GET /admin/rebuild`: how the last rebuild goes, or went.

use axum::extract::State;
use common::http::Json;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Admin;
use crate::domain::rebuild::Difference;
use crate::error::Error;
use crate::store::rebuild::{self, Rebuild};

/// A rebuild as it stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standing {
    rebuild_id: Uuid,
    verify_only: bool,
    from_owner: bool,
    phase: String,
    events_total: i64,
    events_read: i64,
    left_out: i64,
    #[serde(with = "time::serde::rfc3339")]
    begun_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    seen_at: OffsetDateTime,
    difference: Option<Difference>,
    reason: Option<String>,
    is_cut: bool,
}

impl From<Rebuild> for Standing {
    fn from(rebuild: Rebuild) -> Self {
        Self {
            rebuild_id: rebuild.rebuild_id,
            verify_only: rebuild.verify_only,
            from_owner: rebuild.from_owner,
            phase: rebuild.phase,
            events_total: rebuild.events_total,
            events_read: rebuild.events_read,
            left_out: rebuild.left_out,
            begun_at: rebuild.begun_at,
            seen_at: rebuild.seen_at,
            difference: rebuild.difference.map(|difference| difference.0),
            reason: rebuild.reason,
            is_cut: rebuild.is_cut,
        }
    }
}

/// Says how it stands; 404 if there never was one.
pub(super) async fn get_rebuild(State(admin): State<Admin>) -> Result<Json<Standing>, Error> {
    let rebuild = rebuild::find(admin.db.pool()).await?.ok_or(Error::NotFound)?;
    Ok(Json(rebuild.into()))
}
