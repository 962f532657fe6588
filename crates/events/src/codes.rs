//! The codes that cross the wire and their Korean names. Both come from the
//! system that this one replaces and stay as they are.

use std::fmt;
use std::str::FromStr;

/// The role of a customer, as in a token's `roles`.
pub const ROLE_CUSTOMER: &str = "customer";
/// The role of a loan officer, as in a token's `roles`.
pub const ROLE_OFFICER: &str = "officer";

/// A code that is not one of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {allowed}")]
pub struct UnknownCode {
    allowed: &'static str,
}

/// Makes an enum whose wire and database form is a fixed text.
macro_rules! code {
    (
        $(#[$doc:meta])*
        $name:ident ($allowed:literal) {
            $( $(#[$variant_doc:meta])* $variant:ident = $code:literal, )+
        }
    ) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
            schemars::JsonSchema, utoipa::ToSchema,
        )]
        pub enum $name {
            $(
                $(#[$variant_doc])*
                #[serde(rename = $code)]
                #[schema(rename = $code)]
                $variant,
            )+
        }

        impl $name {
            /// Every value, in the order of the codes.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The text on the wire and in the database.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }

        impl FromStr for $name {
            type Err = UnknownCode;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($code => Ok(Self::$variant),)+
                    _ => Err(UnknownCode { allowed: $allowed }),
                }
            }
        }

        // Stored as its code, in a column of type text.
        impl sqlx::Type<sqlx::Postgres> for $name {
            fn type_info() -> sqlx::postgres::PgTypeInfo {
                <str as sqlx::Type<sqlx::Postgres>>::type_info()
            }

            fn compatible(ty: &sqlx::postgres::PgTypeInfo) -> bool {
                <str as sqlx::Type<sqlx::Postgres>>::compatible(ty)
            }
        }

        impl sqlx::postgres::PgHasArrayType for $name {
            fn array_type_info() -> sqlx::postgres::PgTypeInfo {
                <String as sqlx::postgres::PgHasArrayType>::array_type_info()
            }
        }

        impl<'q> sqlx::Encode<'q, sqlx::Postgres> for $name {
            fn encode_by_ref(
                &self,
                buffer: &mut sqlx::postgres::PgArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                <&str as sqlx::Encode<'q, sqlx::Postgres>>::encode_by_ref(&self.code(), buffer)
            }
        }

        impl<'r> sqlx::Decode<'r, sqlx::Postgres> for $name {
            fn decode(
                value: sqlx::postgres::PgValueRef<'r>,
            ) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<'r, sqlx::Postgres>>::decode(value)?.parse()?)
            }
        }
    };
}

code! {
    /// What a customer asks for (`requestId` on the wire).
    RequestKind("01, 02") {
        /// A new loan.
        Apply = "01",
        /// A repayment of a loan.
        Repay = "02",
    }
}

code! {
    /// Where a request stands (`requestStatus` of `/loanRequests`).
    RequestStatus("인증대기, 요청완료, 인증실패, 요청취소") {
        /// Waiting to be certified, or certified and not yet taken in.
        Pending = "인증대기",
        /// Received by loan-manager.
        Received = "요청완료",
        /// The credentials were wrong; kept for officers and audit only.
        Refused = "인증실패",
        /// Compensated; kept for audit only.
        Cancelled = "요청취소",
    }
}

code! {
    /// Where a loan, or an item of the officers' queue, stands (`loanStatus`).
    LoanStatus("00, 01, 02, 03, 04, 05") {
        /// 접수: waits for an officer.
        Waiting = "00",
        /// 심사진행: under review.
        UnderReview = "01",
        /// 대출가능: approved.
        Approved = "02",
        /// 대출불가: refused.
        Refused = "03",
        /// 대출실행: executed, money is out.
        Executed = "04",
        /// 대출상환: repaid.
        Repaid = "05",
    }
}

impl LoanStatus {
    /// The Korean name that customers see.
    #[must_use]
    pub const fn name_ko(self) -> &'static str {
        match self {
            Self::Waiting => "접수",
            Self::UnderReview => "심사진행",
            Self::Approved => "대출가능",
            Self::Refused => "대출불가",
            Self::Executed => "대출실행",
            Self::Repaid => "대출상환",
        }
    }
}

code! {
    /// The language that a customer is written to in.
    #[derive(Default)]
    Language("ko, en") {
        /// Korean, where nothing else was asked for.
        #[default]
        Ko = "ko",
        /// English.
        En = "en",
    }
}

code! {
    /// Why loan-manager did not take, or an officer refused, a request.
    RejectionReason(
        "no-such-loan, not-executed, exceeds-outstanding, no-executed-loan, several-executed-loans, refused-by-officer, loan-repaid"
    ) {
        /// There is no such loan, or it is another customer's: the two look the same.
        NoSuchLoan = "no-such-loan",
        /// The loan has not been executed, so that there is nothing to repay.
        NotExecuted = "not-executed",
        /// More than is outstanding.
        ExceedsOutstanding = "exceeds-outstanding",
        /// No loan was named, and the customer has no executed one.
        NoExecutedLoan = "no-executed-loan",
        /// No loan was named, and the customer has more than one executed.
        SeveralExecutedLoans = "several-executed-loans",
        /// An officer refused the repayment; `comment` says why.
        RefusedByOfficer = "refused-by-officer",
        /// The loan was repaid in full while this waited.
        LoanRepaid = "loan-repaid",
    }
}

code! {
    /// Why a certification does not hold (any more).
    AuthCancelReason("voided, request-cancelled") {
        /// Voided before anyone was certified: the answer had not come in time.
        Voided = "voided",
        /// The request it belonged to was cancelled.
        RequestCancelled = "request-cancelled",
    }
}

code! {
    /// How a message reaches its customer.
    Channel("mailbox, mail, sms, webhook") {
        /// It is read over the API; nothing is sent.
        Mailbox = "mailbox",
        /// By e-mail.
        Mail = "mail",
        /// By short message.
        Sms = "sms",
        /// To an address of the customer's own system.
        Webhook = "webhook",
    }
}

code! {
    /// What became of a message that was to be sent.
    DeliveryState("waiting, sent, failed, given-up, dropped") {
        /// It will be sent.
        Waiting = "waiting",
        /// The other side has taken it.
        Sent = "sent",
        /// The other side refuses it for good.
        Failed = "failed",
        /// It was tried until its time was over.
        GivenUp = "given-up",
        /// It is not to be sent any more.
        Dropped = "dropped",
    }
}

code! {
    /// What a message tells its customer.
    MessageKind(
        "request-received, request-rejected, under-review, approved, refused, executed, repayment-booked"
    ) {
        /// The request was received.
        RequestReceived = "request-received",
        /// The request was rejected, with the reason.
        RequestRejected = "request-rejected",
        /// The loan is under review.
        UnderReview = "under-review",
        /// The loan was approved.
        Approved = "approved",
        /// The loan was refused, with the officer's comment.
        Refused = "refused",
        /// The loan was executed.
        Executed = "executed",
        /// A repayment was booked, with what is outstanding.
        RepaymentBooked = "repayment-booked",
    }
}
