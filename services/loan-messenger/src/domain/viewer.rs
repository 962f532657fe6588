//! Who reads, and what that person may see.

use ::events::{CustomerId, LoanId};

/// Someone whose token was good and who has a role here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Sees what was written to this customer.
    Customer(CustomerId),
    /// Sees every message.
    Officer,
}

/// The messages that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// None at all.
    Nothing,
    /// Those that match; `None` matches all.
    Matching {
        /// Written to this customer.
        customer_id: Option<CustomerId>,
        /// About this loan.
        loan_id: Option<LoanId>,
    },
}

impl Viewer {
    /// What this viewer sees of what was asked for. A customer who asks for
    /// another gets what one gets who asks for a customer that never was.
    #[must_use]
    pub fn scope(self, customer_id: Option<CustomerId>, loan_id: Option<LoanId>) -> Scope {
        match self {
            Self::Officer => Scope::Matching { customer_id, loan_id },
            Self::Customer(own) if customer_id.is_none_or(|asked| asked == own) => {
                Scope::Matching { customer_id: Some(own), loan_id }
            }
            Self::Customer(_) => Scope::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_customer_sees_only_what_is_their_own() {
        //
        let own = CustomerId::from(Uuid::from_u128(1));
        let other = CustomerId::from(Uuid::from_u128(2));
        let loan_id = Some(LoanId::from(Uuid::from_u128(3)));
        let mine = Scope::Matching { customer_id: Some(own), loan_id: None };
        assert_eq!(Viewer::Customer(own).scope(None, None), mine);
        assert_eq!(Viewer::Customer(own).scope(Some(own), None), mine);
        assert_eq!(Viewer::Customer(own).scope(Some(other), None), Scope::Nothing);
        assert_eq!(Viewer::Customer(own).scope(Some(other), loan_id), Scope::Nothing);
        assert_eq!(
            Viewer::Customer(own).scope(None, loan_id),
            Scope::Matching { customer_id: Some(own), loan_id }
        );
        assert_eq!(
            Viewer::Officer.scope(Some(other), loan_id),
            Scope::Matching { customer_id: Some(other), loan_id }
        );
    }
}
