//! The steps that commit together, one verb for each file; and, outside of any
//! transaction, what proves who somebody is (`prove_person`, `prove_bearer`)
//! and what that needs (`take_place`, `hash_password`, `sign_token`).

mod admit_registration;
mod cancel_certification;
mod certify_loan_request;
mod change_customer;
mod close_application;
mod follow_loan;
mod has_demo_data;
mod hash_password;
mod prove_bearer;
mod prove_caller;
mod prove_person;
mod refuse_certification;
mod register_person;
mod remove_customer;
mod remove_officer;
mod renew_session;
mod republish_certification;
mod reset_password;
mod seed_demo_data;
mod sign_token;
mod start_session;
mod take_place;
mod void_certification;

#[cfg(test)]
pub(crate) mod testing;

pub use admit_registration::Registrar;
pub use cancel_certification::cancel_certification;
pub use certify_loan_request::Certifier;
pub use change_customer::{CustomerChange, change_customer};
pub use close_application::close_application;
pub use follow_loan::follow_loan;
pub use has_demo_data::has_demo_data;
pub use hash_password::Hasher;
pub use prove_bearer::prove_bearer;
pub use prove_caller::{Caller, prove_caller};
pub use prove_person::{Attempt, Proof, Proven, Prover, ProverSettings};
pub use refuse_certification::refuse_certification;
pub use register_person::{Again, NewPerson, Registered, RegistrationKey, register_person};
pub use remove_customer::remove_customer;
pub use remove_officer::remove_officer;
pub use renew_session::{Renewal, renew_session};
pub use republish_certification::republish_certification;
pub use reset_password::reset_password;
pub use seed_demo_data::seed_demo_data;
pub use sign_token::{KeysError, Lifetimes, TokenSigner, check_keys};
pub use start_session::{Session, SessionSettings, start_session};
pub use take_place::{Place, PlaceSettings, Places, Purpose};
pub use void_certification::void_certification;

use std::net::{IpAddr, Ipv6Addr};

use unicode_normalization::UnicodeNormalization as _;

/// A text in Unicode NFC: what looks the same is the same, whichever keyboard it
/// was typed on.
#[must_use]
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// A login name in the form that is compared: without regard to case.
#[must_use]
pub fn user_key(user_id: &str) -> String {
    nfc(&nfc(user_id).to_lowercase())
}

/// Where an attempt came from, as failures are counted: an IPv4 address, or the
/// /64 network of an IPv6 address, of which one line has 2⁶⁴.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_string()),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
                Self(format!("{network}/64"))
            }
        }
    }

    /// As it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn one_line_is_one_origin() {
        let origin = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(origin("192.0.2.1").as_str(), "192.0.2.1");
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
    }

    #[test]
    fn what_looks_the_same_is_the_same() {
        // Decomposed jamo, as some systems type them.
        assert_eq!(
            nfc("\u{110b}\u{1172}\u{110b}\u{1173}\u{11ab}\u{1109}\u{1161}\u{11bc}"),
            "유은상"
        );
        assert_eq!(user_key("E\u{301}va@SK.com"), user_key("éVA@sk.COM"));
    }
}
