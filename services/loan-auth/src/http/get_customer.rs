//! `GET /customers/{customerId}` and `/customers/me`.

use ::events::codes::ROLE_OFFICER;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header::ETAG;
use common::hal::Resource;
use common::http::{BaseUrl, Json, Path, etag};
use common::token::Principal;

use super::customer_shapes::Customer;
use super::failure_shapes::{LinkFailures, NotFoundFailures, ServerFailures, TokenFailures};
use super::{Api, whom};
use crate::domain::person::Role;
use crate::error::Error;
use crate::store;

/// A customer
///
/// Customers see themselves, officers every customer. `me` is whoever's token it is.
#[utoipa::path(
    get,
    path = "/customers/{customerId}",
    operation_id = "get_customer",
    tag = "customers",
    security(("bearer" = [])),
    params(("customerId" = String, Path, description = "The customer's id, or `me`", example = "me")),
    responses(
        (status = 200, description = "The customer", body = Resource<Customer>,
            headers(("ETag" = String, description = "The version, for `If-Match`")),
            example = json!({
                "customerId": "01938e1b-ffff-7000-8000-000000000001", "userId": "1@sk.com",
                "userName": "유은상", "userMobile": "010-000-0000", "language": "ko",
                "registeredAt": "2026-11-21T08:00:00Z", "changedAt": "2026-11-21T08:00:00Z",
                "_links": {"self": {"href": "http://localhost:8080/customers/01938e1b-ffff-7000-8000-000000000001"}}
            })),
        TokenFailures,
        NotFoundFailures,
        LinkFailures,
        ServerFailures,
    )
)]
pub(super) async fn get_customer(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Path(named): Path<String>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<Resource<Customer>>), Error> {
    let id = whom(&principal, &named)?;
    let is_oneself = id.as_uuid() == principal.subject;
    if !is_oneself && !principal.has_role(ROLE_OFFICER) {
        return Err(Error::NotFound);
    }
    let person = store::person::by_id(api.db.pool(), id).await?;
    // An officer sees customers, and among the officers only themselves.
    let person = person.filter(|person| is_oneself || person.role == Role::Customer);
    let person = person.ok_or(Error::NotFound)?;
    Ok(([(ETAG, etag(person.version))], Json(Customer::resource(person, &base))))
}
