#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::failure::enhanced;
use super::*;

fn server(url: &str) -> Result<Server, WrongUrl> {
    Server::try_new(&Secret::from(url.to_owned()))
}

#[test]
fn an_address_says_where_and_how() {
    for (url, host, port, security) in [
        ("smtps://mail.example", "mail.example", 465, Security::Tls),
        ("smtp://mail.example", "mail.example", 25, Security::Plain),
        ("smtp://mail.example:1025", "mail.example", 1025, Security::Plain),
        ("smtp://mail.example?tls=required", "mail.example", 587, Security::Required),
        ("smtp://127.0.0.1:25?tls=opportunistic", "127.0.0.1", 25, Security::Opportunistic),
        ("smtp://[::1]:25", "::1", 25, Security::Plain),
    ] {
        let server = server(url).unwrap();
        assert_eq!((server.host.as_str(), server.port, server.security), (host, port, security));
        assert!(server.login.is_none());
    }
    assert!(server("smtps://kim%40x:p%3Aw@mail.example").unwrap().login.is_some());
}

#[test]
fn no_password_goes_over_an_open_line() {
    for url in ["smtp://kim:word@mail.example", "smtp://kim:word@mail.example?tls=opportunistic"] {
        assert_eq!(server(url).err(), Some(WrongUrl::OpenPassword), "{url}");
    }
    assert_eq!(server("smtp://mail.example?tls=maybe").err(), Some(WrongUrl::UnknownTls));
    for url in ["imap://mail.example", "mail.example", "smtp:", ""] {
        assert_eq!(server(url).err(), Some(WrongUrl::NotAnAddress), "{url}");
    }
}

fn outcome(stage: Stage, code: u16, enhanced: Option<&str>) -> Outcome {
    let code = Some((code, enhanced.map(str::to_owned)));
    Failure { stage, code, is_ours: false }.outcome()
}

#[test]
fn only_an_answer_to_the_message_refuses_it() {
    use Stage::{Body, Data, Greeting, Recipient, Sender};
    for stage in [Recipient, Data, Body] {
        for (code, enhanced) in
            [(550, Some("5.1.1")), (550, None), (552, Some("5.2.2")), (554, None)]
        {
            let refused = matches!(outcome(stage, code, enhanced), Outcome::Refused { .. });
            assert!(refused, "{stage:?} {code}");
        }
        // Of us, and not of the message.
        for (code, enhanced) in
            [(550, Some("5.7.1")), (535, Some("5.7.8")), (530, None), (503, None)]
        {
            let is_failure = matches!(outcome(stage, code, enhanced), Outcome::Failed { .. });
            assert!(is_failure, "{stage:?} {code}");
        }
    }
    for stage in [Greeting, Sender] {
        for code in [421, 450, 550, 553, 554] {
            assert!(outcome(stage, code, None).is_failure(), "{stage:?} {code}");
        }
    }
}

#[test]
fn a_server_without_tls_refuses_no_mail() {
    let failure = |stage| Failure { stage, code: None, is_ours: true }.outcome();
    assert!(failure(Stage::Greeting).is_failure());
    assert!(matches!(failure(Stage::Sender), Outcome::Refused { .. }));
}

#[test]
fn a_full_mailbox_says_nothing_of_the_server() {
    assert!(!outcome(Stage::Recipient, 452, Some("4.2.2")).is_failure());
    assert!(!outcome(Stage::Recipient, 451, Some("4.7.1")).is_failure());
    assert!(outcome(Stage::Recipient, 421, None).is_failure());
}

#[test]
fn only_after_the_body_nobody_knows() {
    for stage in [Stage::Greeting, Stage::Sender, Stage::Recipient, Stage::Data] {
        assert_eq!(Failure::silent(stage).outcome().name(), "failed", "{stage:?}");
    }
    assert_eq!(Failure::silent(Stage::Body).outcome().name(), "unknown");
}

#[test]
fn an_enhanced_code_is_found_and_nothing_else() {
    for (text, code) in [
        ("permanent error (550): 5.1.1 <a@b.kr>: no such user", Some("5.1.1")),
        ("transient error (451): 4.7.1 greylisted", Some("4.7.1")),
        ("permanent error (550): no user at 10.1.1.1", None),
        ("permanent error (550): 5.1.1.1 x", None),
        ("", None),
    ] {
        assert_eq!(enhanced(text), code, "{text}");
    }
}
