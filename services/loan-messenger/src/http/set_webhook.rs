//! `POST /loanMessengers/delivery/webhook`: a customer names their own system.

use axum::extract::State;
use axum::http::StatusCode;
use common::http::Json;
use common::problem::Problem;
use common::token::Principal;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::delivery_shapes::HookSecret;
use super::failure_shapes::{AnyFailures, BodyFailures, ChannelFailures, UnreadableFailures};
use super::{Api, customer_of, only_present};
use crate::domain::address::check_webhook;
use crate::error::Error;
use crate::usecases::set_webhook::set_webhook as set;

/// A web-hook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewHook {
    /// Where messages are posted: https, a host on the internet, at most 2,048 characters.
    #[schema(max_length = 2048, example = "https://example.com/hooks/loans")]
    url: String,
}

/// Set my web-hook
///
/// Messages are posted there as `loan.message`, signed as Standard Webhooks (1.0.0) are, once the address is verified (`POST /loanMessengers/delivery/verifications`) and chosen (`PATCH /loanMessengers/delivery`). The secret is shown in this answer and never again. A web-hook that was there before is gone.
#[utoipa::path(
    post,
    path = "/loanMessengers/delivery/webhook",
    operation_id = "set_webhook",
    tag = "loanMessengers",
    security(("bearer" = [])),
    request_body(content = NewHook, example = json!({"url": "https://example.com/hooks/loans"})),
    responses(
        (status = 201, description = "It is set; this is its secret", body = HookSecret, example = json!({
            "secret": "whsec_bWFkZSBvZiByYW5kb21uZXNzLCBuZXZlciBvZiB0aGlz"
        })),
        AnyFailures, UnreadableFailures, BodyFailures, ChannelFailures,
    )
)]
pub(super) async fn set_webhook(
    State(api): State<Api>,
    principal: Principal,
    Json(new): Json<NewHook>,
) -> Result<(StatusCode, Json<HookSecret>), Error> {
    let customer_id = customer_of(&principal)?;
    if !api.rules.offered.webhook {
        return Err(Error::NotOffered);
    }
    let url = check_webhook(&new.url, api.rules.allows_any_webhook).map_err(|reason| {
        Problem::invalid("The request has wrong fields.").with_error("url", reason)
    })?;
    let work = async |tx: &mut PgConnection| -> Result<_, Error> {
        only_present(tx, customer_id).await?;
        Ok(set(tx, &api.clock, customer_id, url.as_str()).await?)
    };
    let secret = api.db.in_tx("set_webhook", work).await?;
    Ok((StatusCode::CREATED, Json(HookSecret { secret })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sqlx::PgPool;

    use crate::domain::delivery::Offered;
    use crate::http::testing::{App, Who};
    use crate::usecases::Rules;

    const PATH: &str = "/loanMessengers/delivery/webhook";

    #[sqlx::test(migrations = "./migrations")]
    async fn where_there_are_no_web_hooks_none_is_set(pool: PgPool) {
        let app = App::with(pool, Rules::default());
        let answer =
            app.post(PATH, json!({ "url": "https://example.com/" }), Who::customer()).await;
        assert_eq!((answer.status, &answer.body["code"]), (409, &json!("channel-not-offered")));
    }

    #[sqlx::test(migrations = "./migrations")]
    async fn each_sets_their_own_and_the_secret_is_shown_once(pool: PgPool) {
        //
        let offered = Offered { webhook: true, ..Offered::default() };
        let app = App::with(pool, Rules { offered, ..Rules::default() });
        let (one, two) = (Who::customer(), Who::customer());
        let answer = app.post(PATH, json!({ "url": "https://example.com/" }), one).await;
        assert_eq!(answer.status, 201);
        assert!(answer.body["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
        let own = app.get("/loanMessengers/delivery", Some(one)).await;
        assert_eq!(own.body["webhook"]["url"], "https://example.com/");
        assert!(!own.body.to_string().contains("whsec_"));
        let others = app.get("/loanMessengers/delivery", Some(two)).await;
        assert!(others.body.get("webhook").is_none(), "{}", others.body);
        let officer = app.post(PATH, json!({ "url": "https://example.com/" }), Who::officer());
        assert_eq!(officer.await.status, 403);
        for bad in ["http://example.com/", "https://127.0.0.1/", "x"] {
            assert_eq!(app.post(PATH, json!({ "url": bad }), one).await.status, 422, "{bad}");
        }
    }
}
