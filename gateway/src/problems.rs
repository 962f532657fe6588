//! The pages that a problem's `type` leads to: `/problems` lists every code, `/problems/<code>` says
//! what one means and what to do, in English and in Korean on the same page, because nothing is
//! negotiated here.
//!
//! Where a code is used stays with the failure it belongs to: `common::problem` for what every
//! service may answer, each service's `error.rs` for its own. Here is the one list of all of them; a
//! test (`tests/problems.rs`) reads the sources and fails on a code without a page and on a page
//! without a code.

mod general;
mod particular;

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use crate::rescue::Failure;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The `code`, which the `type` ends with.
    pub code: &'static str,
    /// The statuses that it is answered with.
    pub statuses: &'static [u16],
    /// In English.
    pub english: Words,
    /// In Korean.
    pub korean: Words,
}

/// What is said of a kind of problem in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// What it is called.
    pub title: &'static str,
    /// What has happened.
    pub meaning: &'static str,
    /// What the caller can do.
    pub advice: &'static str,
}

/// A row: the words are title, meaning, advice.
const fn kind(
    code: &'static str,
    statuses: &'static [u16],
    english: [&'static str; 3],
    korean: [&'static str; 3],
) -> Kind {
    Kind { code, statuses, english: words(english), korean: words(korean) }
}

const fn words([title, meaning, advice]: [&'static str; 3]) -> Words {
    Words { title, meaning, advice }
}

/// Every kind of problem that is answered through the gateway, by it or by a service.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    general::KINDS.iter().chain(particular::KINDS)
}

/// There is nothing to load, to run or to send on these pages.
const CONTENT_POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers a path of `/problems` and below it.
pub(crate) fn serve(path: &str) -> Result<Response, Failure> {
    let page = match path.strip_prefix("/problems") {
        Some("") => list(),
        Some(below) => {
            let code = below.trim_start_matches('/');
            one(all().find(|kind| kind.code == code).ok_or(Failure::NoRoute)?)
        }
        None => return Err(Failure::NoRoute),
    };
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, "en, ko"),
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "public, max-age=300"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)));
    Ok((headers, page).into_response())
}

fn list() -> String {
    let mut rows = String::new();
    for kind in all() {
        let Kind { code, english, korean, .. } = kind;
        // Writing into a text cannot fail.
        let _written = writeln!(
            rows,
            "<tr><td>{}</td><td><a href=\"/problems/{code}\"><code>{code}</code></a></td>\
             <td>{}</td><td lang=\"ko\">{}</td></tr>",
            statuses(kind),
            escaped(english.title),
            escaped(korean.title),
        );
    }
    page(
        "Problems · 오류",
        &format!(
            "<h1>Problems <span lang=\"ko\">오류</span></h1>\n\
             <p>Failures are answered as <code>application/problem+json</code> (RFC 9457). A program goes by \
             <code>code</code>; these pages say what each one means.</p>\n\
             <p lang=\"ko\">오류는 <code>application/problem+json</code> (RFC 9457) 형식으로 응답합니다. 프로그램은 \
             <code>code</code>로 구분하면 됩니다. 각 코드의 뜻은 아래에서 볼 수 있습니다.</p>\n\
             <table>\n<thead><tr><th>Status</th><th>Code</th><th>Title</th><th lang=\"ko\">제목</th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n"
        ),
    )
}

fn one(kind: &Kind) -> String {
    let section = |language: &str, words: &Words, meaning: &str, advice: &str| {
        format!(
            "<section lang=\"{language}\">\n<h2>{}</h2>\n<h3>{meaning}</h3>\n<p>{}</p>\n\
             <h3>{advice}</h3>\n<p>{}</p>\n</section>\n",
            escaped(words.title),
            escaped(words.meaning),
            escaped(words.advice),
        )
    };
    let Kind { code, english, korean, .. } = kind;
    page(
        &format!("{code}: {} · {}", escaped(english.title), escaped(korean.title)),
        &format!(
            "<h1><code>{code}</code></h1>\n<p>{}</p>\n{}{}\
             <p><a href=\"/problems\">All problems · <span lang=\"ko\">모든 오류</span></a></p>\n",
            statuses(kind),
            section("en", english, "What it means", "What to do"),
            section("ko", korean, "뜻", "조치 방법"),
        ),
    )
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// `409 Conflict`, for each status.
fn statuses(kind: &Kind) -> String {
    let named = |status: &u16| {
        let reason =
            StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
        format!("{status} {}", reason.unwrap_or_default()).trim_end().to_owned()
    };
    kind.statuses.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// The words are ours and still text, not markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;

    use super::*;

    async fn text(path: &str) -> (Response<()>, String) {
        let (head, body) = serve(path).unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (Response::from_parts(head, ()), String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_kind_has_its_page_in_both_languages_and_stands_in_the_list() {
        let (head, list) = text("/problems").await;
        assert_eq!(head.headers()[CONTENT_SECURITY_POLICY], CONTENT_POLICY);
        for kind in all() {
            let address = format!("/problems/{}", kind.code);
            assert!(list.contains(&format!("href=\"{address}\"")), "{address}");
            let (head, page) = text(&address).await;
            assert_eq!(head.status(), StatusCode::OK);
            assert_eq!(head.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(head.headers()[CONTENT_SECURITY_POLICY], CONTENT_POLICY);
            for words in [kind.english, kind.korean] {
                for said in [words.title, words.meaning, words.advice] {
                    assert!(page.contains(&escaped(said)), "{address}: {said}");
                }
            }
            for status in kind.statuses {
                assert!(page.contains(&format!("{status} ")), "{address}: {status}");
            }
            // The policy would stop it; it is not even tried.
            for forbidden in ["<script", "<style", "style=", "<img", "http://", "https://"] {
                assert!(!page.contains(forbidden), "{address}: {forbidden}");
            }
        }
    }

    #[test]
    fn a_code_is_there_once_and_its_words_are_whole() {
        let mut codes = BTreeSet::new();
        for kind in all() {
            assert!(codes.insert(kind.code), "{} is there twice", kind.code);
            assert!(kind.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(!kind.statuses.is_empty());
            for status in kind.statuses {
                // 202 is not an error, but not what was asked for either: it has its page too.
                assert!((400..600).contains(status) || *status == 202, "{}", kind.code);
            }
            let has_hangul =
                |text: &str| text.chars().any(|letter| ('가'..='힣').contains(&letter));
            for english in [kind.english.title, kind.english.meaning, kind.english.advice] {
                assert!(!english.is_empty() && !has_hangul(english), "{}: {english}", kind.code);
            }
            for korean in [kind.korean.title, kind.korean.meaning, kind.korean.advice] {
                assert!(has_hangul(korean), "{}: {korean}", kind.code);
            }
            for sentence in
                [kind.english.meaning, kind.english.advice, kind.korean.meaning, kind.korean.advice]
            {
                assert!(sentence.ends_with('.'), "{}: {sentence}", kind.code);
            }
        }
    }

    #[test]
    fn what_is_no_code_has_no_page() {
        for path in ["/problems/nothing", "/problems/not-found/x", "/problems/NOT-FOUND"] {
            assert!(matches!(serve(path), Err(Failure::NoRoute)), "{path}");
        }
    }

    #[test]
    fn words_are_never_markup() {
        assert_eq!(escaped("a < b & \"c\" > d"), "a &lt; b &amp; &quot;c&quot; &gt; d");
    }
}
