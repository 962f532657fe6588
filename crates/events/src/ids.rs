//! Identifiers. Each is a UUID (version 7 where we make it) with a type of its
//! own, so that a customer's id cannot be handed in where a loan's is wanted.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, sqlx::Type,
            schemars::JsonSchema, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schemars(inline)]
        #[schema(value_type = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// The bare UUID, for headers and for the plumbing that knows no loans.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A customer or an officer: internal, never reused, the owner of
    /// everything. Not the login name, which may change hands.
    CustomerId
}
id! {
    /// A request for a loan (`01`) or for a repayment (`02`); the correlation
    /// id of everything that follows from it.
    LoanRequestId
}
id! {
    /// A loan: the [`LoanRequestId`] of the application that it came from.
    LoanId
}
id! {
    /// A message to a customer.
    MessageId
}

impl From<LoanRequestId> for LoanId {
    /// A loan is named by the application that it came from.
    fn from(application: LoanRequestId) -> Self {
        Self(application.0)
    }
}

impl From<LoanId> for LoanRequestId {
    /// The application that a loan came from.
    fn from(loan: LoanId) -> Self {
        Self(loan.0)
    }
}
