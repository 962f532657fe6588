//! The pages about the API: Swagger UI at `/docs`, and the two documents that it and other programs
//! read.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
};
use http::{HeaderValue, StatusCode};
use utoipa_swagger_ui::Config;

use crate::rescue::Failure;

/// All services' HTTP, merged.
pub const OPENAPI: &str = include_str!("../../docs/api/openapi.json");
/// All topics and events.
pub const ASYNCAPI: &str = include_str!("../../docs/api/asyncapi.json");

static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/docs/openapi.json").try_it_out_enabled(true)));

/// The pages load from here alone. Swagger UI writes styles and images into its own page.
const CONTENT_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers a path of `/docs` and below it.
pub(crate) fn serve(path: &str) -> Result<Response, Failure> {
    let below = path.strip_prefix("/docs").unwrap_or_default();
    let mut response = match below {
        "" => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "/docs/")]).into_response(),
        "/openapi.json" => ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response(),
        "/asyncapi.json" => ([(CONTENT_TYPE, "application/json")], ASYNCAPI).into_response(),
        file => page(file.trim_start_matches('/'))?,
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}

fn page(file: &str) -> Result<Response, Failure> {
    match utoipa_swagger_ui::serve(file, Arc::clone(&CONFIG)) {
        Ok(Some(found)) => {
            let mut response = Response::new(Body::from(found.bytes.into_owned()));
            let headers = response.headers_mut();
            if let Ok(kind) = HeaderValue::try_from(found.content_type) {
                headers.insert(CONTENT_TYPE, kind);
            }
            if found.gzpipped {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            Ok(response)
        }
        Ok(None) => Err(Failure::NoRoute),
        Err(error) => {
            tracing::error!(%error, file, "a page of the API documentation can't be built");
            Err(Failure::Panicked)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    async fn text(path: &str) -> String {
        let response = serve(path).unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn the_pages_show_our_document_and_load_nothing_from_elsewhere() {
        let index = text("/docs/").await;
        assert!(index.contains("swagger-ui"));
        assert!(!index.contains("https://"), "the page loads something from elsewhere");
        assert!(text("/docs/swagger-initializer.js").await.contains("/docs/openapi.json"));
        assert!(matches!(serve("/docs/nothing.js"), Err(Failure::NoRoute)));
    }

    #[tokio::test]
    async fn the_documents_are_what_they_say() {
        let openapi: serde_json::Value =
            serde_json::from_str(&text("/docs/openapi.json").await).unwrap();
        assert!(openapi["openapi"].as_str().unwrap().starts_with("3."));
        let asyncapi: serde_json::Value =
            serde_json::from_str(&text("/docs/asyncapi.json").await).unwrap();
        assert!(asyncapi["asyncapi"].as_str().unwrap().starts_with("3."));
    }
}
