//! `POST /admin/deliveries/recover`: what did not arrive since some time is tried again.

use axum::extract::State;
use common::http::Json;
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Admin;
use super::resend_deliveries::Resent;
use crate::domain::delivery::give_up_at;
use crate::error::Error;
use crate::store::queue::{self, Again};

/// Messages that are put back in one call at most.
const LIMIT: i64 = 1_000;

/// Which: those that ended since then, and before then.
#[derive(Deserialize)]
pub(super) struct Ended {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
}

/// Those that failed or were given up, at most [`LIMIT`] of them: whoever asks goes on
/// until there are none. They keep the id under which they were sent.
pub(super) async fn recover_deliveries(
    State(admin): State<Admin>,
    Json(ended): Json<Ended>,
) -> Result<Json<Resent>, Error> {
    let again = Again::LostSince { since: ended.since, until: ended.until, limit: LIMIT };
    let work = async |tx: &mut PgConnection| {
        let now = admin.clock.now();
        queue::put_back(tx, &again, now, give_up_at(now, admin.rules.give_up_after)).await
    };
    let message_ids = admin.db.in_tx("recover_deliveries", work).await?;
    Ok(Json(Resent { message_ids }))
}
