//! `POST /loanAuths/{loanRequestId}/void`: loan-request takes a question back.

use ::events::LoanRequestId;
use axum::extract::State;
use common::http::{Json, Path};

use super::certification_shapes::Outcome;
use super::failure_shapes::{NotFoundFailures, ServerFailures, ServiceFailures};
use super::{Api, ServiceCaller};
use crate::error::Error;
use crate::usecases::void_certification as void;

/// Void a request
///
/// For loan-request alone. The answer is what is decided: `voided` if the void
/// was first, else what was. It may be asked any number of times. The body is not
/// looked at.
#[utoipa::path(
    post,
    path = "/loanAuths/{loanRequestId}/void",
    operation_id = "void_certification",
    tag = "internal",
    security(("service" = [])),
    params(("loanRequestId" = LoanRequestId, Path, description = "The request")),
    responses(
        (status = 200, description = "What is decided; never `throttled`", body = Outcome, examples(
            ("voided" = (value = json!({"outcome": "voided"}))),
            ("certified" = (value = json!({
                "outcome": "certified", "customerId": "01938e1b-ffff-7000-8000-000000000001"
            }))),
            ("refused" = (value = json!({"outcome": "refused"})))
        )),
        ServiceFailures,
        NotFoundFailures,
        ServerFailures,
    )
)]
pub(super) async fn void_certification(
    State(api): State<Api>,
    _: ServiceCaller,
    Path(id): Path<LoanRequestId>,
) -> Result<Json<Outcome>, Error> {
    let work = async |tx: &mut _| void(tx, &api.clock, id).await;
    let answer = api.db.in_tx("void_certification", work).await?;
    Ok(Json(Outcome::from(answer).counted("void")))
}

#[cfg(test)]
#[path = "void_certification_tests.rs"]
mod tests;
