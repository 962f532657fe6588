use super::*;
use crate::domain::notice::verification;

fn letter(language: Language, subject: &str, body: &str) -> Letter {
    let id = Uuid::from_u128(1).into();
    Letter {
        key: message_key(id, 1),
        language,
        text: Text { subject: subject.to_owned(), body: body.to_owned(), short: String::new() },
        facts: Facts::Message {
            message_id: id,
            seq: 3,
            kind: MessageKind::Executed,
            loan_request_id: Uuid::from_u128(2).into(),
            loan_id: Some(Uuid::from_u128(2).into()),
            customer_id: Uuid::from_u128(3).into(),
            language,
            subject: subject.to_owned(),
            body: body.to_owned(),
            created_at: OffsetDateTime::UNIX_EPOCH,
        },
        at: OffsetDateTime::UNIX_EPOCH,
    }
}

#[test]
fn a_mail_in_every_language() {
    for language in Language::ALL {
        let letter = letter(*language, "Subject", "One line.\nAnother.");
        insta::assert_snapshot!(format!("a_mail_in_{language}"), letter.html());
        insta::assert_snapshot!(format!("a_plain_mail_in_{language}"), letter.plain());
    }
}

#[test]
fn a_web_hook_gets_facts() {
    let facts = letter(Language::En, "Subject", "One line.").facts;
    insta::assert_json_snapshot!("a_message_for_a_web_hook", facts);
    let expires_at = OffsetDateTime::UNIX_EPOCH;
    let facts = Facts::Verification { code: "12345678".to_owned(), expires_at };
    insta::assert_json_snapshot!("a_code_for_a_web_hook", facts);
}

#[test]
fn no_word_from_outside_is_ever_html() {
    let odd = "<script>alert(\"1\")</script> & <img src='x'>";
    let html = letter(Language::En, odd, odd).html();
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert_eq!(html.matches("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp;").count(), 3);
    let text = verification("1", 30, Language::Ko);
    assert!(!text.body.contains('{'), "{text:?}");
}

#[test]
fn a_key_is_the_same_until_an_operator_sends_again() {
    let id: MessageId = Uuid::from_u128(1).into();
    assert_eq!(message_key(id, 1), id.to_string());
    assert_eq!(message_key(id, 2), format!("{id}.2"));
    assert!(verification_key(Uuid::from_u128(1)).parse::<Uuid>().is_err());
}
