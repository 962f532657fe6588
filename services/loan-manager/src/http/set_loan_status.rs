//! `PATCH /loanManagers/{id}`: an officer's step.

use ::events::text::check_paragraph;
use ::events::{LoanRequestId, LoanStatus, version};
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderName, HeaderValue};
use axum::response::IntoResponse;
use common::hal::Resource;
use common::http::{BaseUrl, IfMatch, Json, Path, etag};
use common::problem::Problem;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::AppState;
use super::officer::Officer;
use super::shapes::{LoanManager, examples, resource};
use crate::error::Error;
use crate::usecases::{Order, take_step};

/// The longest comment, in characters: a paragraph, which a message can carry.
const COMMENT_CHARACTERS_MAX: usize = 1_000;

/// Which of the loan's events tell of the step.
const LOAN_VERSION: HeaderName = HeaderName::from_static(version::HEADER);

/// A step.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoanStep {
    /// Where to. A loan: `00` → `01` → `02` or `03`; `02` → `04` → `05`, which
    /// books all that is outstanding. A repayment request: `00` → `05` (booked)
    /// or `03` (refused).
    #[serde(deserialize_with = "code")]
    #[schema(example = "01")]
    loan_status: LoanStatus,
    /// What is to be said to it. The customer reads it where a decision or a
    /// refusal is told.
    #[serde(default)]
    #[schema(max_length = 1000, example = "소득을 확인했습니다")]
    adm_comment: Option<String>,
}

/// Reads a code by its own parser, which says what the codes are. (Derived, an
/// enum that meets a number is reported like a body that is no JSON at all.)
fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LoanStatus, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// Takes a step with a loan, or books or refuses a repayment.
///
/// Officers only. Who takes it is who the token says (`procId`, `procName`), not
/// a field of the body. `If-Match` guards two officers at once; it is looked at
/// before the step. A step that was taken already is 409 like any other that is
/// not listed.
#[utoipa::path(
    patch,
    path = "/loanManagers/{id}",
    tag = "loanManagers",
    params(
        ("id" = LoanRequestId, Path, description = "The `loanRequestId`; of a loan its `loanId`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the officer saw"),
    ),
    request_body(
        content = LoanStep,
        example = json!({"loanStatus": "02", "admComment": "소득을 확인했습니다"})
    ),
    responses(
        (status = 200, description = "The item after the step", body = Resource<LoanManager>,
         headers(
             ("ETag" = String, description = "The item's new version"),
             ("Loan-Version" = String, description = "Opaque: `minVersion` of the status addresses takes it, and they wait \
              until the step is shown"),
         ),
         example = json!(examples::item())),
        (status = 400, description = "Not JSON, not UTF-8 or nested too deep", body = Problem,
         content_type = "application/problem+json", example = json!(examples::malformed())),
        (status = 401, description = "No token, or a bad one", body = Problem,
         content_type = "application/problem+json", example = json!(examples::unauthenticated())),
        (status = 403, description = "Not an officer", body = Problem,
         content_type = "application/problem+json", example = json!(examples::forbidden())),
        (status = 404, description = "No such item", body = Problem,
         content_type = "application/problem+json", example = json!(examples::not_found())),
        (status = 409, description = "A step that may not be taken: `state` and `allowed` say where the item \
          stands and where it may go; `exceeds-outstanding` adds what is owed", body = Problem,
         content_type = "application/problem+json",
         examples(
             ("step-not-allowed" = (value = json!(examples::not_allowed()))),
             ("exceeds-outstanding" = (value = json!(examples::exceeds_outstanding()))),
         )),
        (status = 412, description = "The item has changed since the `ETag` in `If-Match`", body = Problem,
         content_type = "application/problem+json", example = json!(examples::stale())),
        (status = 413, description = "A body of more than 64 KiB", body = Problem,
         content_type = "application/problem+json", example = json!(examples::too_large())),
        (status = 415, description = "Not JSON by its type", body = Problem,
         content_type = "application/problem+json", example = json!(examples::not_json())),
        (status = 421, description = "A host name that is not ours", body = Problem,
         content_type = "application/problem+json", example = json!(examples::misdirected())),
        (status = 422, description = "Readable, but wrong; `errors` say what", body = Problem,
         content_type = "application/problem+json", example = json!(examples::invalid())),
        (status = 500, description = "An error on our side", body = Problem,
         content_type = "application/problem+json", example = json!(examples::internal())),
        (status = 502, description = "`outcome-unknown`: the step was taken, or it was not and never will be, because the database broke off \
          its last answer. Look at the item before you try again, or send `If-Match`", body = Problem,
         content_type = "application/problem+json", example = json!(examples::outcome_unknown())),
        (status = 503, description = "The database does not answer, and nothing was done; `Retry-After` says when to try again",
         body = Problem, content_type = "application/problem+json",
         headers(("Retry-After" = u32, description = "seconds")),
         example = json!(examples::unavailable())),
        (status = 504, description = "`timeout`: it took too long, and the step may have been taken all the same. Look at the item before \
          you try again, or send `If-Match`", body = Problem,
         content_type = "application/problem+json", example = json!(examples::timeout())),
    ),
    security(("bearer" = []))
)]
pub(super) async fn set_loan_status(
    Officer(officer): Officer,
    base: BaseUrl,
    State(state): State<AppState>,
    Path(id): Path<LoanRequestId>,
    if_match: IfMatch,
    Json(body): Json<LoanStep>,
) -> Result<impl IntoResponse, Error> {
    let order = Order { id, to: body.loan_status, comment: comment_of(body.adm_comment)?, officer };
    let check = |version| if_match.check(version).map_err(Error::Stale);
    let taken = state
        .db
        .in_tx("take_step", async |tx| take_step(tx, &state.clock, &order, &check).await)
        .await?;
    let kind = taken.item.kind;
    tracing::info!(
        loan_request_id = %id, to = %order.to, officer = %order.officer.id,
        "{id} was set to {}", order.to
    );
    metrics::counter!("loan_manager_steps_total", "kind" => kind.code(), "to" => order.to.code())
        .increment(1);
    let version =
        HeaderValue::from_str(&taken.version.to_string()).map_err(|_| Problem::internal())?;
    let headers = [(ETAG, etag(taken.item.version)), (LOAN_VERSION, version)];
    Ok((headers, Json(resource(taken.item, &base))))
}

/// The comment, if there is one: blank is none.
fn comment_of(comment: Option<String>) -> Result<Option<String>, Problem> {
    let Some(comment) = comment else { return Ok(None) };
    let comment = comment.trim();
    check_paragraph(comment, COMMENT_CHARACTERS_MAX).map_err(|message| {
        Problem::invalid("The body has wrong fields.").with_error("admComment", message)
    })?;
    Ok((!comment.is_empty()).then(|| comment.to_owned()))
}

#[cfg(test)]
mod tests;
