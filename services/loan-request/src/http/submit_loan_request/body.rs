//! Reading the body of a submission: every wrong field is named at once, so the
//! types of the fields are looked at here and not while the JSON is parsed.

use ::events::codes::RequestKind;
use ::events::text::check_line;
use ::events::{Amount, LoanId};
use common::config::Secret;
use common::problem::Problem;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::submission::{
    NAME_CHARS_MAX, PASSWORD_CHARS_MAX, Submission, USER_ID_CHARS_MAX, USER_NAME_CHARS_MAX,
    check_account, check_mobile,
};

/// What a customer submits. Unknown fields are ignored; an optional field that
/// is `null` or empty is absent.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(example = json!({
    "requestId": "01", "requestName": "Deposit", "amountOfMoney": 10_000, "accountNo": "1111",
    "userId": "1@sk.com", "userName": "유은상", "userPassword": "1234"
}))]
pub(in crate::http) struct NewLoanRequest {
    /// `01` a new loan, `02` a repayment.
    #[schema(value_type = RequestKind, required)]
    request_id: Value,
    /// What you call it: 1 to 100 characters.
    #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "Deposit")]
    request_name: Value,
    /// How much, in won: 1 to 1,000,000,000,000, as an integer or a string of digits.
    #[schema(value_type = Amount, required)]
    amount_of_money: Value,
    /// Of a repayment, the loan. Without it: your only executed loan.
    #[schema(value_type = Option<LoanId>)]
    loan_id: Value,
    /// The older name of `loanId` in a repayment.
    #[schema(value_type = Option<LoanId>)]
    loan_request_id: Value,
    /// The account to pay to or from: letters, digits, hyphens and spaces.
    #[schema(value_type = Option<String>, max_length = 50, example = "1111")]
    account_no: Value,
    /// Where to reach you about this request; else the registered number.
    #[schema(value_type = Option<String>, max_length = 30, example = "010-000-0000")]
    user_mobile: Value,
    /// Your login name. Without a bearer token it is needed, with the name and the
    /// password; beside a token all three may be given and must be the same person's.
    #[schema(value_type = Option<String>, max_length = 254, example = "1@sk.com")]
    user_id: Value,
    /// Your name.
    #[schema(value_type = Option<String>, max_length = 100, example = "유은상")]
    user_name: Value,
    /// Your password. It is kept nowhere.
    #[schema(value_type = Option<String>, max_length = 128, format = Password, write_only)]
    user_password: Value,
}

impl NewLoanRequest {
    /// The checked request, and the password.
    pub(super) fn check(self, has_token: bool) -> Result<(Submission, Option<Secret>), Problem> {
        let mut fields = Fields::default();
        let kind = fields.kind(&self.request_id);
        let name =
            fields.text("requestName", self.request_name, |text| check_line(text, NAME_CHARS_MAX));
        let amount = fields.amount(&self.amount_of_money);
        // An application has no loan yet: there both are unknown fields.
        let loan_id = match kind {
            Some(RequestKind::Repay) => fields.loan(self.loan_id, self.loan_request_id),
            Some(RequestKind::Apply) | None => None,
        };
        let account_no = fields.optional_text("accountNo", self.account_no, check_account);
        let user_mobile = fields.optional_text("userMobile", self.user_mobile, check_mobile);
        let user_id = fields
            .optional_text("userId", self.user_id, |text| check_line(text, USER_ID_CHARS_MAX));
        let user_name = fields.optional_text("userName", self.user_name, |text| {
            check_line(text, USER_NAME_CHARS_MAX)
        });
        let password = fields.optional_text("userPassword", self.user_password, check_password);
        fields.credentials(has_token, [&user_id, &user_name, &password]);
        match (kind, name, amount, fields.problem()) {
            (Some(kind), Some(name), Some(amount), None) => {
                let submission = Submission {
                    kind,
                    loan_id,
                    name,
                    amount,
                    account_no: account_no.flatten(),
                    user_mobile: user_mobile.flatten(),
                    user_id: user_id.flatten(),
                    user_name: user_name.flatten(),
                };
                Ok((submission, password.flatten().map(Secret::from)))
            }
            (.., problem) => Err(problem.unwrap_or_else(Problem::internal)),
        }
    }
}

/// A password may hold what it likes, within bounds: whether it is right is for
/// loan-auth to say.
fn check_password(text: &str) -> Result<(), String> {
    if text.chars().nth(PASSWORD_CHARS_MAX).is_some() {
        return Err(format!("must have at most {PASSWORD_CHARS_MAX} characters"));
    }
    Ok(())
}

/// What is wrong with which field.
#[derive(Default)]
struct Fields {
    errors: Vec<(&'static str, String)>,
}

impl Fields {
    fn wrong<T>(&mut self, field: &'static str, message: impl Into<String>) -> Option<T> {
        self.errors.push((field, message.into()));
        None
    }

    fn kind(&mut self, value: &Value) -> Option<RequestKind> {
        match value.as_str().map(str::parse) {
            Some(Ok(kind)) => Some(kind),
            _ => self.wrong("requestId", "must be \"01\" for a new loan or \"02\" for a repayment"),
        }
    }

    fn amount(&mut self, value: &Value) -> Option<Amount> {
        match Amount::from_wire(value) {
            Ok(amount) => Some(amount),
            Err(error) => self.wrong("amountOfMoney", error.to_string()),
        }
    }

    fn text(
        &mut self,
        field: &'static str,
        value: Value,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        match value {
            Value::String(text) => match check(&text) {
                Ok(()) => Some(text),
                Err(message) => self.wrong(field, message),
            },
            Value::Null => self.wrong(field, "is missing"),
            _ => self.wrong(field, "must be a string"),
        }
    }

    /// `Some(None)` where it is absent, `None` where it is wrong.
    fn optional_text(
        &mut self,
        field: &'static str,
        value: Value,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Option<String>> {
        match value {
            Value::Null => Some(None),
            Value::String(text) if text.is_empty() => Some(None),
            value => self.text(field, value, check).map(Some),
        }
    }

    fn loan(&mut self, loan_id: Value, older: Value) -> Option<LoanId> {
        let named = self.id("loanId", loan_id);
        let older = self.id("loanRequestId", older);
        match (named, older) {
            (Some(named), Some(older)) if named != older => {
                self.wrong("loanRequestId", "names another loan than loanId")
            }
            (named, older) => named.or(older),
        }
    }

    fn id(&mut self, field: &'static str, value: Value) -> Option<LoanId> {
        let text = self.optional_text(field, value, |_| Ok(()))??;
        match text.parse() {
            Ok(id) => Some(id),
            Err(_) => self.wrong(field, "must be the id of a loan"),
        }
    }

    /// All of them or, beside a token, none of them.
    fn credentials(&mut self, has_token: bool, given: [&Option<Option<String>>; 3]) {
        if has_token && given.iter().all(|field| matches!(field, Some(None))) {
            return;
        }
        for (field, given) in ["userId", "userName", "userPassword"].into_iter().zip(given) {
            if matches!(given, Some(None)) {
                self.errors.push((field, "is missing".to_owned()));
            }
        }
    }

    fn problem(self) -> Option<Problem> {
        if self.errors.is_empty() {
            return None;
        }
        let problem = Problem::invalid("The request has wrong fields.");
        Some(
            self.errors
                .into_iter()
                .fold(problem, |problem, (field, message)| problem.with_error(field, message)),
        )
    }
}

#[cfg(test)]
mod tests;
