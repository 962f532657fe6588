//! `GET /loanMessengers/{id}`: one message.

use ::events::MessageId;
use axum::extract::State;
use common::http::{BaseUrl, Json, Path};
use common::problem::Problem;
use common::token::Principal;

use super::shapes::LoanMessenger;
use super::{Api, viewer_of};
use crate::error::Error;
use crate::store;

/// One message
///
/// Another customer's message looks like one that never was.
#[utoipa::path(
    get,
    path = "/loanMessengers/{id}",
    operation_id = "get_loan_messenger",
    tag = "loanMessengers",
    security(("bearer" = [])),
    params(("id" = MessageId, Path, description = "The message")),
    responses(
        (status = 200, description = "The message", body = LoanMessenger, example = json!({
            "id": "01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11", "seq": 3,
            "loanRequestId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
            "loanId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01",
            "customerId": "01938e1b-ffff-7000-8000-000000000001",
            "kind": "executed", "language": "ko", "subject": "대출이 실행되었습니다",
            "body": "고객님의 'Deposit' 대출(10,000원)이 실행되었습니다. 현재 대출 잔액은 10,000원입니다.",
            "channel": "mailbox", "createdAt": "2026-11-21T08:00:00Z", "sentAt": "2026-11-21T08:00:00Z",
            "_links": {
                "self": {"href": "http://localhost:8080/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"},
                "loan": {"href": "http://localhost:8080/loanStatus/loans/01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01"}
            }
        })),
        (status = 401, description = "No token, or a bad one", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/unauthenticated", "title": "Unauthorized", "status": 401,
                "code": "unauthenticated", "detail": "A bearer token is needed.",
                "instance": "/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"
            })),
        (status = 403, description = "Neither a customer nor an officer", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/no-role", "title": "Forbidden", "status": 403, "code": "no-role",
                "detail": "Only customers and loan officers have messages to read.",
                "instance": "/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"
            })),
        (status = 404, description = "There is none, or it is another customer's", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/not-found", "title": "Not Found", "status": 404, "code": "not-found",
                "detail": "There is nothing here.",
                "instance": "/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"
            })),
        (status = 421, description = "A `Host` that no link may be made of", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/misdirected-request", "title": "Misdirected Request", "status": 421,
                "code": "misdirected-request", "detail": "This host name is not served here.",
                "instance": "/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"
            })),
        (status = 500, description = "An error on our side", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/internal", "title": "Internal Server Error", "status": 500,
                "code": "internal", "detail": "An error on our side. It has been recorded.",
                "instance": "/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"
            })),
        (status = 503, description = "The database does not answer; come back after `Retry-After`",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "seconds")),
            example = json!({
                "type": "/problems/unavailable", "title": "Service Unavailable", "status": 503,
                "code": "unavailable", "detail": "The service is busy or its database does not answer.",
                "instance": "/loanMessengers/01938e1c-0d6a-7c3e-9d0f-6b1f0c2a4e11"
            })),
    )
)]
pub(super) async fn get_loan_messenger(
    State(api): State<Api>,
    principal: Principal,
    base: BaseUrl,
    Path(id): Path<MessageId>,
) -> Result<Json<LoanMessenger>, Error> {
    let scope = viewer_of(&principal)?.scope(None, None);
    let message = store::message::find(api.db.pool(), scope, id).await?.ok_or(Error::NotFound)?;
    Ok(Json(LoanMessenger::of(message, &base)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use sqlx::PgPool;

    use crate::http::testing::{App, Who};

    #[sqlx::test(migrations = "./migrations")]
    async fn its_owner_and_an_officer_see_it_and_nobody_else(pool: PgPool) {
        //
        let app = App::new(pool);
        let (owner, stranger) = (Who::customer(), Who::customer());
        let id = app.message_to(owner).await;
        app.message_to(stranger).await;
        let address = format!("/loanMessengers/{id}");
        let own = app.get(&address, Some(owner)).await;
        assert_eq!(own.status, 200);
        assert_eq!(own.body["id"], id.to_string());
        assert_eq!(own.body["seq"], 1);
        assert_eq!(own.body["kind"], "request-received");
        assert_eq!(own.body["channel"], "mailbox");
        assert!(own.body["body"].as_str().unwrap().contains("KRW 10,000"));
        assert_eq!(own.body["_links"]["self"]["href"], format!("http://localhost{address}"));
        assert_eq!(app.get(&address, Some(Who::officer())).await.body, own.body);
        let anothers = app.get(&address, Some(stranger)).await;
        let never = "/loanMessengers/018f2c3e-0000-7000-8000-000000000001";
        let never_was = app.get(never, Some(stranger)).await;
        assert_eq!((anothers.status, never_was.status), (404, 404));
        let mut same = anothers.body.clone();
        same["instance"] = never_was.body["instance"].clone();
        assert_eq!(same, never_was.body);
    }

    #[sqlx::test(migrations = "./migrations")]
    async fn without_a_token_or_a_role_nothing_is_seen(pool: PgPool) {
        let app = App::new(pool);
        let owner = Who::customer();
        let address = format!("/loanMessengers/{}", app.message_to(owner).await);
        assert_eq!(app.get(&address, None).await.status, 401);
        let nobody = app.get(&address, Some(Who { roles: &["auditor"], ..owner })).await;
        assert_eq!((nobody.status, nobody.body["code"].as_str().unwrap()), (403, "no-role"));
        assert_eq!(app.get("/loanMessengers/no-id", Some(owner)).await.status, 404);
    }
}
