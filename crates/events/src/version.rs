//! What a write answers as `Loan-Version`, and what comes back as `minVersion`:
//! the name of what the status has to show before it may answer.
//!
//! Clients hand it on and look at nothing in it. It says no more than whoever
//! wrote knows anyway: the id of the request or the loan, and which of the
//! loan's events the write brought about. It opens nothing: who may see what is
//! asked of the reader's token.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::{LoanId, LoanRequestId};

/// The name of the header, as HTTP libraries want it.
pub const HEADER: &str = "loan-version";

/// The first byte: how the rest is to be read. What is written otherwise one day
/// gets another one, so that two releases can stand side by side.
const FORMAT: u8 = 1;
const OF_REQUEST: u8 = 1;
const OF_LOAN: u8 = 2;

const REQUEST_BYTES: usize = 2 + 16;
const LOAN_BYTES: usize = REQUEST_BYTES + 8 + 8;

/// What has to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoanVersion {
    /// That this request was taken in, or rejected. All that its writer knows:
    /// which loan it belongs to, and which of that loan's events tells of it, is
    /// decided later.
    Request(LoanRequestId),
    /// The events of a loan that one step has brought about.
    Loan {
        /// The loan.
        loan_id: LoanId,
        /// The number of the first of them among the loan's events.
        first: i64,
        /// The number of the last of them: a booking that ends a loan rejects
        /// what waits for it.
        last: i64,
    },
}

/// A text that is nobody's `Loan-Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be what a write has answered as `Loan-Version`")]
pub struct NotALoanVersion;

impl LoanVersion {
    /// The longest text there is; a longer one is not even read.
    pub const CHARACTERS_MAX: usize = (LOAN_BYTES * 8).div_ceil(6);
}

impl fmt::Display for LoanVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(LOAN_BYTES);
        match self {
            Self::Request(id) => {
                bytes.extend([FORMAT, OF_REQUEST]);
                bytes.extend(id.as_uuid().as_bytes());
            }
            Self::Loan { loan_id, first, last } => {
                bytes.extend([FORMAT, OF_LOAN]);
                bytes.extend(loan_id.as_uuid().as_bytes());
                bytes.extend(first.to_be_bytes());
                bytes.extend(last.to_be_bytes());
            }
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for LoanVersion {
    type Err = NotALoanVersion;

    /// Reads exactly what is written by [`fmt::Display`]: a version has one
    /// spelling.
    fn from_str(text: &str) -> Result<Self, NotALoanVersion> {
        if text.len() > Self::CHARACTERS_MAX {
            return Err(NotALoanVersion);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotALoanVersion)?;
        let ([FORMAT, kind], rest) = bytes.split_first_chunk::<2>().ok_or(NotALoanVersion)? else {
            return Err(NotALoanVersion);
        };
        let (id, numbers) = rest.split_first_chunk::<16>().ok_or(NotALoanVersion)?;
        let id = Uuid::from_bytes(*id);
        match (*kind, numbers.len()) {
            (OF_REQUEST, 0) => Ok(Self::Request(id.into())),
            (OF_LOAN, 16) => {
                let (first, last) = numbers.split_first_chunk::<8>().ok_or(NotALoanVersion)?;
                let last = last.first_chunk::<8>().ok_or(NotALoanVersion)?;
                let (first, last) = (i64::from_be_bytes(*first), i64::from_be_bytes(*last));
                if first < 1 || last < first {
                    return Err(NotALoanVersion);
                }
                Ok(Self::Loan { loan_id: id.into(), first, last })
            }
            _ => Err(NotALoanVersion),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn id() -> Uuid {
        "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01".parse().unwrap()
    }

    #[test]
    fn is_read_as_it_is_written() {
        //
        let request = LoanVersion::Request(id().into());
        assert_eq!(request.to_string(), "AQEBk44cChF7HI9TL29tC3oB");
        let loan = LoanVersion::Loan { loan_id: id().into(), first: 5, last: 7 };
        assert_eq!(loan.to_string(), "AQIBk44cChF7HI9TL29tC3oBAAAAAAAAAAUAAAAAAAAABw");
        for version in
            [request, loan, LoanVersion::Loan { loan_id: id().into(), first: 1, last: i64::MAX }]
        {
            let text = version.to_string();
            assert_eq!(text.parse(), Ok(version));
            assert!(text.len() <= LoanVersion::CHARACTERS_MAX);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
    }

    #[test]
    fn anything_else_is_none() {
        let good = LoanVersion::Loan { loan_id: id().into(), first: 5, last: 7 };
        let bytes = URL_SAFE_NO_PAD.decode(good.to_string()).unwrap();
        let changed = |place: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[place] = byte;
            URL_SAFE_NO_PAD.encode(bytes)
        };
        for text in [
            String::new(),
            "1".to_owned(),
            "AQE".to_owned(),
            id().to_string(),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}A"),
            "A".repeat(10_000),
            // Another format, another kind, numbers that no event has.
            changed(0, 2),
            changed(1, 1),
            changed(1, 9),
            changed(25, 0),
            changed(25, 8),
            changed(18, 0x80),
            // The same bytes in another spelling.
            format!("{}x", &good.to_string()[..LoanVersion::CHARACTERS_MAX - 1]),
            "대출".to_owned(),
        ] {
            assert_eq!(text.parse::<LoanVersion>(), Err(NotALoanVersion), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "[A-Za-z0-9_-]{0,48}") {
            if let Ok(version) = text.parse::<LoanVersion>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }

        #[test]
        fn every_version_is_read(id: u128, first in 1_i64.., more in 0_i64..1_000) {
            let loan_id = LoanId::from(Uuid::from_u128(id));
            let last = first.saturating_add(more);
            for version in [LoanVersion::Request(loan_id.into()), LoanVersion::Loan { loan_id, first, last }] {
                prop_assert_eq!(version.to_string().parse(), Ok(version));
            }
        }
    }
}
