//! `GET /admin/messages/preview`: what a message looks like, of a made-up loan.

use std::time::Duration;

use ::events::Language;
use ::events::codes::MessageKind;
use axum::extract::State;
use common::http::{Json, Query};
use common::problem::Problem;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Admin;
use crate::domain::letter::{Envelope, Facts, Letter, verification_key};
use crate::domain::notice::{self, Notice};
use crate::domain::sample;

/// What a code is called among the kinds; it is no message of the mailbox.
const CODE_KIND: &str = "address-verification";

/// Which.
#[derive(Deserialize)]
pub(super) struct Wanted {
    kind: Option<String>,
    language: Option<Language>,
}

/// A message in every form that it is sent in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Preview {
    kind: String,
    language: Language,
    subject: String,
    plain: String,
    html: String,
    sms: String,
    webhook: Envelope,
}

impl Preview {
    fn of(kind: String, letter: Letter) -> Self {
        Self {
            kind,
            language: letter.language,
            plain: letter.plain(),
            html: letter.html(),
            webhook: letter.envelope(),
            subject: letter.text.subject,
            sms: letter.text.short,
        }
    }
}

/// All of this kind and language; all there are, if none is named.
pub(super) async fn preview_message(
    State(admin): State<Admin>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Preview>>, Problem> {
    if let Some(kind) = wanted.kind.as_deref()
        && kind != CODE_KIND
        && let Err(error) = kind.parse::<MessageKind>()
    {
        let reason = format!("{error}, {CODE_KIND}");
        return Err(Problem::invalid("There is no such kind.").with_error("kind", reason));
    }
    let languages = Language::ALL.iter().copied();
    let languages = languages.filter(|one| wanted.language.is_none_or(|wanted| wanted == *one));
    let previews = languages.flat_map(|language| {
        let messages = sample::notices().into_iter().map(move |notice| message(&notice, language));
        messages.chain([code(language, admin.rules.code_good_for)])
    });
    let is_wanted = |one: &Preview| wanted.kind.as_deref().is_none_or(|kind| kind == one.kind);
    Ok(Json(previews.filter(is_wanted).collect()))
}

fn message(notice: &Notice, language: Language) -> Preview {
    let kind = notice.news.kind();
    let text = notice.text(language);
    let nobody = Uuid::nil();
    let at = OffsetDateTime::UNIX_EPOCH;
    let facts = Facts::Message {
        message_id: nobody.into(),
        seq: 1,
        kind,
        loan_request_id: nobody.into(),
        loan_id: Some(nobody.into()),
        customer_id: nobody.into(),
        language,
        subject: text.subject.clone(),
        body: text.body.clone(),
        created_at: at,
    };
    Preview::of(kind.to_string(), Letter { key: nobody.to_string(), language, text, facts, at })
}

fn code(language: Language, good_for: Duration) -> Preview {
    let code = "01234567".to_owned();
    let minutes = u32::try_from(good_for.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
    let at = OffsetDateTime::UNIX_EPOCH;
    let text = notice::verification(&code, minutes, language);
    let facts = Facts::Verification { code, expires_at: at + good_for };
    let key = verification_key(Uuid::nil());
    Preview::of(CODE_KIND.to_owned(), Letter { key, language, text, facts, at })
}
