#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;

fn body() -> Value {
    json!({
        "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000,
        "userId": "1@sk.com", "userName": "유은상", "userPassword": "1234",
    })
}

fn check(body: Value, has_token: bool) -> Result<Submission, Vec<String>> {
    let request: NewLoanRequest = serde_json::from_value(body).unwrap();
    request.check(has_token).map(|(submission, _)| submission).map_err(|problem| {
        assert_eq!(problem.status(), 422);
        problem.errors().iter().map(|error| error.field.clone()).collect()
    })
}

/// The fields that are wrong when `field` has this value.
fn wrong(field: &str, value: impl Into<Value>) -> Vec<String> {
    let mut body = body();
    body[field] = value.into();
    check(body, false).err().unwrap_or_default()
}

#[test]
fn a_good_body_is_taken_as_it_is() {
    let submission = check(body(), false).unwrap();
    assert_eq!(submission.kind, RequestKind::Apply);
    assert_eq!((submission.name.as_str(), submission.amount.get()), ("Deposit", 10_000));
    assert_eq!(submission.user_id.as_deref(), Some("1@sk.com"));
    assert_eq!(
        (submission.account_no, submission.user_mobile, submission.loan_id),
        (None, None, None)
    );
}

#[test]
fn an_amount_is_an_integer_or_a_string_of_digits() {
    for good in [json!(1), json!("100000"), json!(1_000_000_000_000_i64)] {
        assert!(wrong("amountOfMoney", good.clone()).is_empty(), "{good}");
    }
    for text in [
        "1e3",
        "100.0",
        "\"007\"",
        "\"+1\"",
        "-1",
        "\" 1\"",
        "0",
        "1000000000001",
        "null",
        "[1]",
        "\"１\"",
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(wrong("amountOfMoney", value), ["amountOfMoney"], "{text}");
    }
}

#[test]
fn every_field_has_its_bounds() {
    for bad in [json!("03"), json!("1"), json!(1), json!(null)] {
        assert_eq!(wrong("requestId", bad), ["requestId"]);
    }
    for field in ["requestName", "userId", "userName", "accountNo", "userMobile"] {
        for bad in [json!("nul\0"), json!("tab\t"), json!(7), json!(["x"]), json!("x".repeat(300))]
        {
            assert_eq!(wrong(field, bad.clone()), [field], "{bad}");
        }
    }
    for required in ["requestName", "userId", "userName", "userPassword"] {
        for missing in [json!(null), json!("")] {
            assert_eq!(wrong(required, missing), [required]);
        }
    }
    for optional in ["accountNo", "userMobile", "loanId"] {
        for absent in [json!(null), json!("")] {
            assert!(wrong(optional, absent).is_empty(), "{optional}");
        }
    }
    assert_eq!(wrong("userPassword", "p".repeat(129)), ["userPassword"]);
    assert!(wrong("userPassword", " any \u{1} thing ").is_empty());
}

#[test]
fn all_wrong_fields_are_named_at_once() {
    let body = json!({
        "requestId": "9", "requestName": "", "amountOfMoney": "1e3", "accountNo": "'", "userMobile": "x",
        "userId": 1, "userName": "\u{0}",
    });
    assert_eq!(
        check(body, false).unwrap_err(),
        [
            "requestId",
            "requestName",
            "amountOfMoney",
            "accountNo",
            "userMobile",
            "userId",
            "userName",
            "userPassword"
        ]
    );
}

#[test]
fn beside_a_token_credentials_are_complete_or_absent() {
    //
    let mut body = body();
    assert!(check(body.clone(), true).is_ok());
    for field in ["userId", "userName", "userPassword"] {
        body.as_object_mut().unwrap().remove(field);
        let missing = check(body.clone(), true).err().unwrap_or_default();
        assert_eq!(missing.contains(&field.to_owned()), field != "userPassword");
    }
    assert!(check(body.clone(), true).is_ok());
    assert_eq!(check(body, false).unwrap_err(), ["userId", "userName", "userPassword"]);
}

#[test]
fn only_a_repayment_names_a_loan() {
    //
    let loan = "019ab5c2-7d10-7c3e-9a51-2f7f6f0d8c11";
    let other = "019ab5c2-7d10-7c3e-9a51-2f7f6f0d8c12";
    let repay = |fields: Value| {
        let mut body = body();
        body["requestId"] = json!("02");
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        check(body, false)
    };
    for named in [
        json!({ "loanId": loan }),
        json!({ "loanRequestId": loan }),
        json!({ "loanId": loan, "loanRequestId": loan }),
    ] {
        assert_eq!(repay(named).unwrap().loan_id, Some(loan.parse().unwrap()));
    }
    assert_eq!(repay(json!({})).unwrap().loan_id, None);
    assert_eq!(repay(json!({ "loanId": "17" })).unwrap_err(), ["loanId"]);
    assert_eq!(repay(json!({ "loanId": 17 })).unwrap_err(), ["loanId"]);
    assert_eq!(
        repay(json!({ "loanId": loan, "loanRequestId": other })).unwrap_err(),
        ["loanRequestId"]
    );
    // In an application both are unknown fields.
    assert!(wrong("loanId", "17").is_empty());
}
