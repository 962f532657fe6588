//! `POST /admin/deliveries/recover`: what did not arrive since some time is tried again.

use ::events::codes::Channel;
use axum::extract::State;
use common::http::Json;
use common::problem::Problem;
use serde::Deserialize;
use sqlx::PgConnection;
use time::{OffsetDateTime, UtcOffset};

use super::Admin;
use super::resend_deliveries::Resent;
use crate::domain::delivery::give_up_at;
use crate::error::Error;
use crate::store::message;
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
    #[serde(default)]
    channel: Option<Channel>,
    #[serde(default)]
    reason: Option<String>,
}

/// The time in UTC, as the database takes it.
fn in_utc(field: &str, time: OffsetDateTime) -> Result<OffsetDateTime, Problem> {
    let year =
        time.checked_to_offset(UtcOffset::UTC).filter(|utc| (1970..=9_999).contains(&utc.year()));
    year.ok_or_else(|| {
        Problem::invalid("The body has wrong fields.").with_error(field, "must be from 1970 on")
    })
}

/// Those that failed or were given up, at most [`LIMIT`] of them: whoever asks goes on
/// until there are none. They keep the id under which they were sent.
pub(super) async fn recover_deliveries(
    State(admin): State<Admin>,
    Json(ended): Json<Ended>,
) -> Result<Json<Resent>, Error> {
    let (since, until) = (in_utc("since", ended.since)?, in_utc("until", ended.until)?);
    let now = admin.clock.now();
    // By our clock: what fails anew is not put back once more.
    let until = until.min(now);
    let (channel, reason) = (ended.channel, ended.reason);
    let again = Again::LostSince { since, until, channel, reason, limit: LIMIT };
    let work = async |tx: &mut PgConnection| {
        message::take_turn(tx).await?;
        queue::put_back(tx, &again, now, give_up_at(now, admin.rules.give_up_after)).await
    };
    let message_ids = admin.db.in_tx("recover_deliveries", work).await?;
    Ok(Json(Resent { message_ids, unknown: Vec::new() }))
}
