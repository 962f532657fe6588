//! Who calls: access tokens, checked here by every service and not only at the
//! gateway.

mod claims;
mod extract;
mod keys;
mod refresh;
mod verifier;

pub use claims::{Claims, Principal};
pub use refresh::JwksRefresh;
pub use verifier::{CLOCK_SKEW_SECONDS, TokenError, TokenVerifier};

#[cfg(test)]
mod tests;
