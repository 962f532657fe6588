#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;

async fn body_of(response: Response) -> Value {
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_problem_has_all_members_and_its_own() {
    let response = Problem::conflict("wrong-step", "Not from here.")
        .with("state", "00")
        .with("allowed", ["01"])
        .with_error("step", "is not allowed")
        .at("/things/1")
        .into_response();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(
        body_of(response).await,
        json!({
            "type": "/problems/wrong-step",
            "title": "Conflict",
            "status": 409,
            "code": "wrong-step",
            "detail": "Not from here.",
            "instance": "/things/1",
            "errors": [{ "field": "step", "message": "is not allowed" }],
            "state": "00",
            "allowed": ["01"],
        })
    );
}

#[tokio::test]
async fn members_without_a_value_are_left_out() {
    let body = body_of(Problem::not_found().into_response()).await;
    assert!(body.get("errors").is_none() && body.get("instance").is_none());
    assert_eq!(body["code"], "not-found");
}

#[test]
fn seconds_to_wait_are_whole_and_rounded_up() {
    let seconds = |millis| {
        let problem = Problem::unavailable("x").retry_after(Duration::from_millis(millis));
        let response = problem.into_response();
        response.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
    };
    assert_eq!(seconds(0), "1");
    assert_eq!(seconds(1_001), "2");
    assert_eq!(seconds(5_000), "5");
}

#[test]
fn an_unknown_caller_is_told_how_to_be_known() {
    for (problem, challenge) in [
        (Problem::unauthenticated("x"), "Bearer"),
        (Problem::invalid_token("x"), "Bearer error=\"invalid_token\""),
    ] {
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let challenges: Vec<_> =
            response.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
        assert_eq!(challenges, [challenge]);
    }
}

#[test]
fn a_database_that_is_away_is_503_and_a_wrong_statement_500() {
    for error in
        [sqlx::Error::PoolTimedOut, sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into())]
    {
        let problem = Problem::from_sqlx(&error);
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE, "{error}");
    }
    let error = sqlx::Error::ColumnNotFound("hunter2".to_owned());
    let problem = Problem::from_sqlx(&error);
    assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!problem.detail().contains("hunter2"));
}

#[sqlx::test]
async fn the_drivers_words_stay_inside(pool: sqlx::PgPool) {
    let error = sqlx::query("SELECT 'hunter2'::text::int").execute(&pool).await.unwrap_err();
    let problem = Problem::from_sqlx(&error);
    assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = body_of(problem.into_response()).await.to_string();
    assert!(!body.contains("hunter2") && !body.contains("integer"), "{body}");
    assert!(!crate::db::described(&error).contains("hunter2"), "nor in the log");
}

#[test]
fn a_validations_report_becomes_one_error_for_each_field() {
    use garde::Validate as _;

    #[derive(garde::Validate)]
    struct Form {
        #[garde(length(min = 3))]
        name: String,
        #[garde(range(min = 1))]
        count: i64,
    }
    let form = Form { name: "x".to_owned(), count: 0 };
    let problem = Problem::from_garde(&form.validate().unwrap_err());
    assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let mut fields: Vec<_> = problem.errors().iter().map(|error| error.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["count", "name"]);
}

#[test]
fn its_members_are_described_for_the_api() {
    let mut schemas = Vec::new();
    <Problem as utoipa::ToSchema>::schemas(&mut schemas);
    assert!(schemas.iter().any(|(name, _)| name == "FieldError"));
    let schema = serde_json::to_value(<Problem as utoipa::PartialSchema>::schema()).unwrap();
    for member in ["type", "title", "status", "code", "detail", "instance", "errors"] {
        assert!(schema["properties"].get(member).is_some(), "{member} in {schema}");
    }
}
