//! `GET /loanAuths/{loanRequestId}`: one certification.

use ::events::LoanRequestId;
use axum::extract::State;
use common::hal::Resource;
use common::http::{BaseUrl, Json, Path};
use common::token::Principal;

use super::certification_shapes::LoanAuth;
use super::failure_shapes::{
    LinkFailures, NotFoundFailures, RoleFailures, ServerFailures, TokenFailures,
};
use super::{Api, scope_of};
use crate::error::Error;
use crate::store;

/// One certification
///
/// Customers see their own in which they were proven, officers all.
#[utoipa::path(
    get,
    path = "/loanAuths/{loanRequestId}",
    operation_id = "get_loan_auth",
    tag = "loanAuths",
    security(("bearer" = [])),
    params(("loanRequestId" = LoanRequestId, Path, description = "The request")),
    responses(
        (status = 200, description = "The certification", body = Resource<LoanAuth>, example = json!({
            "loanRequestId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
            "loanId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
            "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10000, "currency": "KRW",
            "customerId": "01938e1b-ffff-7000-8000-000000000001", "userId": "1@sk.com",
            "authStatus": "certified", "decidedAt": "2026-11-21T08:00:00Z",
            "_links": {
                "self": {"href": "http://localhost:8080/loanAuths/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"},
                "loanRequest": {"href": "http://localhost:8080/loanRequests/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"}
            }
        })),
        TokenFailures,
        RoleFailures,
        NotFoundFailures,
        LinkFailures,
        ServerFailures,
    )
)]
pub(super) async fn get_loan_auth(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Path(id): Path<LoanRequestId>,
) -> Result<Json<Resource<LoanAuth>>, Error> {
    let scope = scope_of(&principal)?;
    let found = store::certification::get(api.db.pool(), scope, id).await?;
    Ok(Json(LoanAuth::resource(found.ok_or(Error::NotFound)?, &base)))
}
