//! Who looks, and what that person may see.

use ::events::CustomerId;
use ::events::codes::RequestStatus;

use super::standing::Standing;

/// Someone whose token was good and who has a role here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer<'a> {
    /// Sees what is their own.
    Customer {
        /// Who it is.
        id: CustomerId,
        /// Their login name.
        user_id: Option<&'a str>,
    },
    /// Sees everything that was not cancelled.
    Officer,
}

/// Whose a request is, as far as anybody knows.
#[derive(Clone, Copy, Debug)]
pub struct Ownership<'a> {
    /// Where it stands, and whose it is once that is proven.
    pub standing: Standing,
    /// Who the caller's token said.
    pub claimed_customer_id: Option<CustomerId>,
    /// Who the caller said.
    pub claimed_user_id: Option<&'a str>,
}

impl Viewer<'_> {
    /// Whether the request is in this viewer's list. What nobody has proven is
    /// in no customer's list: strangers could fill it.
    #[must_use]
    pub fn lists(self, standing: Standing) -> bool {
        if standing.status() == RequestStatus::Cancelled {
            return false;
        }
        match self {
            Self::Officer => true,
            Self::Customer { id, .. } => standing.customer() == Some(id),
        }
    }

    /// Whether the request is shown at its own address. There a customer also
    /// finds what was submitted in their name and is not decided yet: they were
    /// given the address while it waited.
    #[must_use]
    pub fn sees(self, request: Ownership<'_>) -> bool {
        if self.lists(request.standing) {
            return true;
        }
        match (self, request.standing) {
            (Self::Customer { id, user_id }, Standing::Undecided) => {
                // Who sent a token is named by it; a login name beside it says nothing.
                match request.claimed_customer_id {
                    Some(claimed) => claimed == id,
                    None => match (user_id, request.claimed_user_id) {
                        (Some(own), Some(claimed)) => own.to_lowercase() == claimed.to_lowercase(),
                        _ => false,
                    },
                }
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn customer(number: u128) -> CustomerId {
        CustomerId::from(Uuid::from_u128(number))
    }

    fn kim() -> Viewer<'static> {
        Viewer::Customer { id: customer(1), user_id: Some("kim@sk.com") }
    }

    fn request(standing: Standing) -> Ownership<'static> {
        Ownership { standing, claimed_customer_id: None, claimed_user_id: Some("KIM@sk.com") }
    }

    #[test]
    fn a_customer_sees_what_is_proven_to_be_their_own() {
        //
        for standing in [Standing::Certified(customer(1)), Standing::Received(customer(1))] {
            assert!(kim().lists(standing) && kim().sees(request(standing)));
        }
        for standing in [Standing::Certified(customer(2)), Standing::Received(customer(2))] {
            assert!(!kim().lists(standing) && !kim().sees(request(standing)));
        }
    }

    #[test]
    fn what_a_stranger_did_in_a_customers_name_is_not_in_their_list() {
        for standing in [Standing::Undecided, Standing::Refused, Standing::Withdrawn] {
            assert!(!kim().lists(standing));
        }
        assert!(
            !kim().sees(request(Standing::Refused)) && !kim().sees(request(Standing::Withdrawn))
        );
    }

    #[test]
    fn an_undecided_request_is_found_at_its_address_by_who_was_claimed() {
        assert!(kim().sees(request(Standing::Undecided)));
        let lee = Viewer::Customer { id: customer(2), user_id: Some("lee@sk.com") };
        assert!(!lee.sees(request(Standing::Undecided)));
        let nameless = Viewer::Customer { id: customer(1), user_id: None };
        assert!(!nameless.sees(request(Standing::Undecided)));
        let by_token = |id| Ownership {
            standing: Standing::Undecided,
            claimed_customer_id: Some(id),
            claimed_user_id: Some("kim@sk.com"),
        };
        assert!(nameless.sees(by_token(customer(1))));
        assert!(!kim().sees(by_token(customer(2))));
    }

    #[test]
    fn an_officer_sees_all_but_what_was_cancelled() {
        for standing in [
            Standing::Undecided,
            Standing::Certified(customer(1)),
            Standing::Received(customer(1)),
            Standing::Refused,
        ] {
            assert!(Viewer::Officer.lists(standing) && Viewer::Officer.sees(request(standing)));
        }
        for standing in [Standing::Withdrawn, Standing::Compensated(customer(1))] {
            assert!(!Viewer::Officer.lists(standing) && !Viewer::Officer.sees(request(standing)));
            assert!(!kim().lists(standing) && !kim().sees(request(standing)));
        }
    }
}
