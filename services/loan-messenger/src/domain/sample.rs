//! A made-up loan, for looking at the words.

use ::events::codes::RejectionReason;
use ::events::{Amount, Currency, Outstanding, RequestKind};

use super::notice::{News, Notice};

/// One notice for each template, in the order of the templates.
#[must_use]
pub fn notices() -> Vec<Notice> {
    let (Ok(amount), Ok(owed)) = (Amount::try_new(1_234_567), Outstanding::try_new(999)) else {
        return Vec::new();
    };
    let comment = |text: &str| Some(text.to_owned());
    let all = Outstanding::try_new(amount.get()).unwrap_or(owed);
    let news = [
        News::Received(RequestKind::Apply),
        News::Received(RequestKind::Repay),
        News::Rejected { reason: RejectionReason::ExceedsOutstanding, comment: None },
        News::UnderReview { comment: None },
        News::Approved { comment: comment("Congratulations") },
        News::Refused { comment: comment("소득이 부족합니다") },
        News::Executed { outstanding: all },
        News::Booked { outstanding: owed },
        News::Booked { outstanding: Outstanding::ZERO },
    ];
    let notice =
        |news| Notice { request_name: "Deposit".to_owned(), amount, currency: Currency::KRW, news };
    news.map(notice).into()
}
