//! Who looks, and what that person may see.

use ::events::{CustomerId, LoanId};

/// Someone whose token was good and who has a role here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Sees what is this customer's.
    Customer(CustomerId),
    /// Sees everything.
    Officer,
}

/// The part of the feed that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// None of it.
    Nothing,
    /// The entries that match; `None` matches all.
    Matching {
        /// Of this customer.
        customer_id: Option<CustomerId>,
        /// Of this loan.
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

    /// Whose things alone are seen, unless it is everybody's.
    #[must_use]
    pub fn only(self) -> Option<CustomerId> {
        match self {
            Self::Officer => None,
            Self::Customer(own) => Some(own),
        }
    }

    /// Whether something of this customer may be seen.
    #[must_use]
    pub fn may_see(self, customer_id: CustomerId) -> bool {
        self.only().is_none_or(|own| own == customer_id)
    }
}

impl Scope {
    /// Whether an entry is in it.
    #[must_use]
    pub fn has(self, customer: CustomerId, loan: Option<LoanId>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Matching { customer_id, loan_id } => {
                customer_id.is_none_or(|id| id == customer)
                    && loan_id.is_none_or(|id| Some(id) == loan)
            }
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
        let loan = Some(LoanId::from(Uuid::from_u128(3)));
        let customer = Viewer::Customer(own);
        for scope in [
            customer.scope(None, None),
            customer.scope(Some(own), None),
            customer.scope(None, loan),
        ] {
            assert!(scope.has(own, loan));
            assert!(!scope.has(other, loan));
        }
        for scope in [customer.scope(Some(other), None), customer.scope(Some(other), loan)] {
            assert_eq!(scope, Scope::Nothing);
            assert!(!scope.has(own, loan) && !scope.has(other, loan));
        }
        assert!(!customer.scope(None, loan).has(own, None));
        assert!(customer.may_see(own) && !customer.may_see(other));
    }

    #[test]
    fn an_officer_sees_all_and_may_narrow_it() {
        let one = CustomerId::from(Uuid::from_u128(1));
        let two = CustomerId::from(Uuid::from_u128(2));
        let loan = Some(LoanId::from(Uuid::from_u128(3)));
        assert!(Viewer::Officer.scope(None, None).has(one, None));
        assert!(Viewer::Officer.scope(Some(two), None).has(two, loan));
        assert!(!Viewer::Officer.scope(Some(two), None).has(one, loan));
        assert!(!Viewer::Officer.scope(None, loan).has(one, None));
        assert!(Viewer::Officer.may_see(one));
    }
}
