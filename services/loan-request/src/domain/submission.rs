//! What a customer submits, and which values are taken.

use ::events::text::check_line;
use ::events::{Amount, CustomerId, LoanId, RequestKind};

/// A request's name is shown in lists and messages.
pub const NAME_CHARS_MAX: usize = 100;
/// The longest login name that can be registered.
pub const USER_ID_CHARS_MAX: usize = 254;
/// The longest name that can be registered.
pub const USER_NAME_CHARS_MAX: usize = 100;
/// The longest password that can be registered.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// Room for an international number with its spaces.
pub const MOBILE_CHARS_MAX: usize = 30;
/// Room for an IBAN with its spaces, and for the account numbers of any bank.
pub const ACCOUNT_CHARS_MAX: usize = 50;

/// A request as it was submitted, checked, without what proves the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// A new loan or a repayment.
    pub kind: RequestKind,
    /// Of a repayment, the loan that it names.
    pub loan_id: Option<LoanId>,
    /// What the customer calls it.
    pub name: String,
    /// How much.
    pub amount: Amount,
    /// The account to pay to or from.
    pub account_no: Option<String>,
    /// Where to reach the customer about it.
    pub user_mobile: Option<String>,
    /// The login name that the body claims.
    pub user_id: Option<String>,
    /// The name that the body claims.
    pub user_name: Option<String>,
}

/// Who a token says that the caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token's subject.
    pub id: CustomerId,
    /// The login name.
    pub user_id: Option<String>,
    /// The name.
    pub user_name: Option<String>,
}

/// Under whose name an `Idempotency-Key` is kept: the login name, however the
/// caller proves it, so that one customer's keys are one set of keys.
#[must_use]
pub fn caller(bearer: Option<&Bearer>, user_id: Option<&str>) -> String {
    let name = bearer.and_then(|bearer| bearer.user_id.as_deref()).or(user_id);
    match (name, bearer) {
        (Some(name), _) => format!("user:{}", name.to_lowercase()),
        (None, Some(bearer)) => format!("id:{}", bearer.id),
        // A request without either is refused before anyone asks.
        (None, None) => "nobody".to_owned(),
    }
}

/// A telephone number, as people write them: digits with `+ - . ( )` and spaces
/// between them.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_mobile(text: &str) -> Result<(), String> {
    check_line(text, MOBILE_CHARS_MAX)?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.() ".contains(&byte));
    if is_number && text.bytes().filter(u8::is_ascii_digit).count() >= 3 {
        Ok(())
    } else {
        Err("must be a telephone number, for example 010-000-0000".to_owned())
    }
}

/// An account number: letters and digits, with hyphens and spaces between them.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_account(text: &str) -> Result<(), String> {
    check_line(text, ACCOUNT_CHARS_MAX)?;
    let is_account = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"- ".contains(&byte));
    if is_account {
        Ok(())
    } else {
        Err("must be an account number of letters, digits, hyphens and spaces".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn numbers_are_taken_as_people_write_them() {
        for good in ["010-000-0000", "01012345678", "+82 10 1234 5678", "(02) 123-4567", "112"] {
            assert_eq!(check_mobile(good), Ok(()), "{good}");
        }
        for bad in ["", "12", "------", "call me", "０１０", "010-000-0000; --", &"1".repeat(31)]
        {
            assert!(check_mobile(bad).is_err(), "{bad:?}");
        }
        for good in ["1111", "110-123-456789", "DE89 3704 0044 0532 0130 00"] {
            assert_eq!(check_account(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "11'11", "1\u{0}1", "계좌", &"1".repeat(51)] {
            assert!(check_account(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_caller_is_the_same_by_token_and_by_credentials() {
        let bearer = |user_id: Option<&str>| Bearer {
            id: CustomerId::from(Uuid::from_u128(1)),
            user_id: user_id.map(str::to_owned),
            user_name: None,
        };
        assert_eq!(
            caller(None, Some("Kim@SK.com")),
            caller(Some(&bearer(Some("kim@sk.com"))), None)
        );
        assert_ne!(caller(None, Some("kim@sk.com")), caller(None, Some("lee@sk.com")));
        assert_eq!(caller(Some(&bearer(None)), None), "id:00000000-0000-0000-0000-000000000001");
    }
}
