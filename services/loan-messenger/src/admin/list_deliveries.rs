//! `GET /admin/deliveries`: what was to be sent, and what became of it.

use ::events::CustomerId;
use ::events::codes::DeliveryState;
use axum::extract::State;
use common::admin::{AdminPage, Selection, SelectionQuery};
use common::http::{Json, Query};
use serde::Deserialize;

use super::Admin;
use crate::error::Error;
use crate::store::queue::{self, Entry};

/// Which.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    state: Option<DeliveryState>,
    customer_id: Option<CustomerId>,
}

/// In the order of the messages' ids, which is that of their writing.
pub(super) async fn list_deliveries(
    State(admin): State<Admin>,
    Query(query): Query<SelectionQuery>,
    Query(filter): Query<Filter>,
) -> Result<Json<AdminPage<Entry>>, Error> {
    let selection = Selection::try_from(query)?;
    let pool = admin.db.pool();
    let entries = queue::entries(pool, &selection, filter.state, filter.customer_id).await?;
    Ok(Json(selection.page(entries, |entry| entry.message_id.as_uuid())))
}
