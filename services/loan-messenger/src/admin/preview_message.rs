//! `GET /admin/messages/preview`: what a message looks like, of a made-up loan.

use ::events::Language;
use ::events::codes::MessageKind;
use axum::extract::State;
use common::http::{Json, Query};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Admin;
use crate::domain::letter::{Envelope, Facts, Letter};
use crate::domain::sample;

/// Which.
#[derive(Deserialize)]
pub(super) struct Wanted {
    kind: Option<MessageKind>,
    language: Option<Language>,
}

/// A message in every form that it is sent in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Preview {
    kind: MessageKind,
    language: Language,
    subject: String,
    plain: String,
    html: String,
    sms: String,
    webhook: Envelope,
}

/// All of this kind and language; all there are, if none is named.
pub(super) async fn preview_message(
    State(_): State<Admin>,
    Query(wanted): Query<Wanted>,
) -> Json<Vec<Preview>> {
    let languages = Language::ALL.iter().copied();
    let languages = languages.filter(|one| wanted.language.is_none_or(|wanted| wanted == *one));
    let previews = languages.flat_map(|language| {
        sample::notices()
            .into_iter()
            .filter(|notice| wanted.kind.is_none_or(|kind| kind == notice.news.kind()))
            .map(move |notice| {
                let kind = notice.news.kind();
                let text = notice.text(language);
                let nobody = Uuid::nil();
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
                    created_at: OffsetDateTime::UNIX_EPOCH,
                };
                let at = OffsetDateTime::UNIX_EPOCH;
                let letter = Letter { key: nobody.to_string(), language, text, facts, at };
                Preview {
                    kind,
                    language,
                    plain: letter.plain(),
                    html: letter.html(),
                    webhook: letter.envelope(),
                    subject: letter.text.subject,
                    sms: letter.text.short,
                }
            })
    });
    Json(previews.collect())
}
