#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use super::*;

fn notice(news: News) -> Notice {
    Notice {
        request_name: "Deposit".to_owned(),
        amount: Amount::try_new(1_234_567).unwrap(),
        currency: Currency::KRW,
        news,
    }
}

fn owed(won: i64) -> Outstanding {
    Outstanding::try_new(won).unwrap()
}

fn comment(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// One for each template, in the order of the templates.
fn one_of_each() -> Vec<News> {
    crate::domain::sample::notices().into_iter().map(|notice| notice.news).collect()
}

#[test]
fn every_template_in_every_language() {
    //
    let templates: Vec<_> = one_of_each().iter().map(News::template).collect();
    assert_eq!(templates, Template::ALL);
    let mut all = String::new();
    for language in Language::ALL {
        for news in one_of_each() {
            let kind = news.kind();
            let text = notice(news).text(*language);
            let Text { subject, body, short } = text;
            writeln!(all, "[{language} {kind}] {subject}\n{body}\n(sms) {short}\n").unwrap();
        }
    }
    insta::assert_snapshot!("every_template_in_every_language", all);
}

#[test]
fn every_reason_in_every_language() {
    //
    let mut all = String::new();
    for language in Language::ALL {
        for reason in RejectionReason::ALL {
            let text =
                notice(News::Rejected { reason: *reason, comment: comment("please call us") })
                    .text(*language);
            writeln!(all, "[{language} {reason}]\n{}\n", text.body).unwrap();
        }
    }
    insta::assert_snapshot!("every_reason_in_every_language", all);
}

#[test]
fn a_code_is_told_in_every_language() {
    let mut all = String::new();
    for language in Language::ALL {
        let Text { subject, body, short } = verification("12345678", 30, *language);
        writeln!(all, "[{language}] {subject}\n{body}\n(sms) {short}\n").unwrap();
    }
    insta::assert_snapshot!("a_code_in_every_language", all);
}

#[test]
fn a_short_message_fits_and_does_not_tell_the_requests_name() {
    for language in Language::ALL {
        for news in one_of_each() {
            let short = notice(news).text(*language).short;
            assert!(!short.contains("Deposit") && !short.contains(['\n', '{']), "{short}");
            assert!(short.chars().count() <= 160, "{short}");
        }
    }
}

#[test]
fn every_kind_has_its_news() {
    for kind in MessageKind::ALL {
        assert!(one_of_each().iter().any(|news| news.kind() == *kind), "{kind}");
    }
}

#[test]
fn no_placeholder_is_left_over() {
    for language in Language::ALL {
        for news in one_of_each() {
            let text = notice(news).text(*language);
            assert!(!text.body.contains('{') && !text.subject.contains('{'), "{text:?}");
        }
    }
}

#[test]
fn a_value_is_never_read_as_a_template() {
    let mut odd = notice(News::Refused { comment: comment("{amount} {") });
    odd.request_name = "{comment} {outstanding} {x}".to_owned();
    let body = odd.text(Language::En).body;
    assert!(body.contains("\"{comment} {outstanding} {x}\""), "{body}");
    assert!(body.contains(": {amount} {\n"), "{body}");
}

#[test]
fn no_korean_particle_hangs_on_a_value() {
    const PARTICLES: [&str; 12] =
        ["이", "가", "은", "는", "을", "를", "과", "와", "으로", "로", "아", "야"];
    for template in Template::ALL {
        let body = template.words(Language::Ko).body;
        for value in body.split('{').skip(1) {
            let (name, after) = value.split_once('}').unwrap();
            // 원 is the last letter of every amount, so what follows the bracket belongs to the
            // word before it, and 입니다 fits behind anything.
            let after = after.trim_start_matches('\'');
            let hangs = PARTICLES.iter().any(|particle| after.starts_with(particle));
            assert!(!hangs, "{template:?}: {{{name}}}{after}");
        }
        assert!(body.contains("고객님") && body.contains("습니다"), "{template:?}: {body}");
    }
}

#[test]
fn an_amount_is_written_as_a_korean_bank_writes_it() {
    let body = notice(News::Executed { outstanding: owed(10_000) }).text(Language::Ko).body;
    assert!(body.contains("대출(1,234,567원)이"), "{body}");
    assert!(body.contains("대출 잔액은 10,000원입니다.\n"), "{body}");
}

#[test]
fn an_empty_comment_is_none() {
    for nothing in [None, comment(""), comment(" \n ")] {
        let body = notice(News::Refused { comment: nothing }).text(Language::En).body;
        assert!(!body.contains("comment"), "{body}");
    }
}

#[test]
fn only_three_states_are_judgements() {
    for status in LoanStatus::ALL {
        let told = News::judged(*status, None).map(|news| news.kind());
        let expected = match status.code() {
            "01" => Ok(MessageKind::UnderReview),
            "02" => Ok(MessageKind::Approved),
            "03" => Ok(MessageKind::Refused),
            _ => Err(NotAJudgement(*status)),
        };
        assert_eq!(told, expected);
    }
}

#[test]
fn digits_stand_in_groups_of_three() {
    for (number, text) in [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1_000, "1,000"),
        (100_000, "100,000"),
        (1_000_000_000_000, "1,000,000,000,000"),
    ] {
        assert_eq!(grouped(number), text);
    }
}
