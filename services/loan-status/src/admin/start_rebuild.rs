//! `POST /admin/rebuild`: the read model is made anew, beside the one that is served.

use axum::extract::State;
use axum::http::StatusCode;
use common::http::Json;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Admin;
use crate::error::Error;
use crate::usecases::order_rebuild::{Plan, order_rebuild};

/// What is to be made.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wanted {
    /// Compare only, and change nothing.
    verify_only: bool,
    /// Begin with what loan-manager has kept; it is handed in at
    /// `/admin/rebuild/history`.
    from_owner: bool,
    /// What no event tells of may go.
    drop_surplus: bool,
}

/// Which it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begun {
    rebuild_id: Uuid,
}

/// Begins it. How it goes is at `GET /admin/rebuild`, on any instance.
pub(super) async fn start_rebuild(
    State(admin): State<Admin>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Begun>), Error> {
    let Wanted { verify_only, from_owner, drop_surplus } = wanted;
    let plan = Plan { verify_only, from_owner, drop_surplus };
    let rebuild_id = order_rebuild(&admin.orders, plan).await?;
    Ok((StatusCode::ACCEPTED, Json(Begun { rebuild_id })))
}
