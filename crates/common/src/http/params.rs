//! What the address of a request holds.

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The variable parts of the path. What can't be one (an id that is no id) leads
/// to nothing that exists: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) if rejection.status().is_server_error() => {
                tracing::error!(error = %rejection, "a route and its handler do not fit");
                Err(Problem::internal())
            }
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// The query string. Unknown parameters are ignored; a wrong one is 400.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| {
                use std::error::Error as _;
                let reason = rejection
                    .source()
                    .map_or_else(|| "not readable".to_owned(), ToString::to_string);
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "invalid-query",
                    "The query string has a wrong parameter.",
                )
                .with_error("", reason)
            })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    #[derive(serde::Deserialize)]
    struct Limits {
        size: Option<u32>,
    }

    async fn status(address: &str) -> StatusCode {
        let router: Router = Router::new()
            .route("/notes/{id}", get(async |Path(_): Path<uuid::Uuid>| StatusCode::NO_CONTENT))
            .route(
                "/notes",
                get(async |Query(limits): Query<Limits>| {
                    assert_eq!(limits.size, Some(7));
                    StatusCode::NO_CONTENT
                }),
            );
        let request = http::Request::get(address).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn an_id_that_is_no_id_is_not_found() {
        let id = "/notes/018f2c3e-0000-7000-8000-000000000001";
        assert_eq!(status(id).await, StatusCode::NO_CONTENT);
        assert_eq!(status("/notes/1%27--").await, StatusCode::NOT_FOUND);
        assert_eq!(status("/notes/%ff").await, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_wrong_parameter_is_a_bad_request() {
        let known = "/notes?size=7&other=1";
        assert_eq!(status(known).await, StatusCode::NO_CONTENT);
        assert_eq!(status("/notes?size=x").await, StatusCode::BAD_REQUEST);
    }
}
