//! Who may use the admin API.

use std::sync::Arc;

use aws_lc_rs::digest;
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use crate::config::Secret;

/// A secret of the admin API shorter than this could be guessed.
pub const CREDENTIAL_CHARS_MIN: usize = 24;

/// Whoever is known by a secret without a name.
const UNNAMED: &str = "operator";

/// Who calls: the name beside the secret that was shown, for the log of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator(Arc<str>);

impl Operator {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The operators by the hashes of their secrets. The secrets themselves are not
/// kept, and hashes are compared: how long that takes tells nothing.
#[derive(Clone, Default)]
pub struct Credentials(Arc<[(Operator, [u8; 32])]>);

impl Credentials {
    /// Those of the setting; without it nobody.
    ///
    /// # Errors
    ///
    /// What is wrong with it; never the value.
    pub fn try_new(setting: Option<&Secret>) -> Result<Self, String> {
        let Some(setting) = setting else { return Ok(Self::default()) };
        let mut known = Vec::new();
        for one in setting.expose_secret().split(',').map(str::trim) {
            let (name, secret) = parse_credential(one)?;
            known.push((Operator(name.into()), sha256(secret)));
        }
        Ok(Self(known.into()))
    }

    /// Whether there is nobody who may use the admin API.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose secret this is.
    pub(super) fn operator(&self, shown: &str) -> Option<Operator> {
        let shown = sha256(shown);
        let mut found = None;
        // Every one is compared, whichever fits.
        for (operator, hash) in self.0.iter() {
            if bool::from(hash.ct_eq(&shown)) {
                found = Some(operator.clone());
            }
        }
        found
    }
}

/// The name and the secret of one credential: `NAME:SECRET`, or the secret alone.
///
/// # Errors
///
/// What is wrong with it; never the value.
pub fn parse_credential(text: &str) -> Result<(&str, &str), String> {
    let (name, secret) = text.split_once(':').unwrap_or((UNNAMED, text));
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_name {
        return Err("a name may have letters, digits and -_. only".to_owned());
    }
    if secret.chars().count() < CREDENTIAL_CHARS_MIN {
        return Err(format!("a secret must have at least {CREDENTIAL_CHARS_MIN} characters"));
    }
    // A colon ends the name, and a comma the credential.
    if !secret.bytes().all(|byte| byte.is_ascii_graphic() && !b":,".contains(&byte)) {
        return Err("a secret may have visible ASCII characters but : and , only".to_owned());
    }
    Ok((name, secret))
}

/// Checks the setting as it is read.
///
/// # Errors
///
/// What is wrong with it; never the value.
pub(crate) fn check_setting(text: &str) -> Result<Secret, String> {
    let secret = Secret::from(text.to_owned());
    Credentials::try_new(Some(&secret))?;
    Ok(secret)
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const FIRST: &str = "abcdefghijklmnopqrstuvwx";
    const SECOND: &str = "ABCDEFGHIJKLMNOPQRSTUVWX";

    fn known(setting: &str) -> Result<Credentials, String> {
        Credentials::try_new(Some(&Secret::from(setting)))
    }

    #[test]
    fn operators_are_told_apart_by_their_secrets() {
        let known = known(&format!("night-shift:{FIRST}, {SECOND}")).unwrap();
        assert_eq!(known.operator(FIRST).unwrap().name(), "night-shift");
        assert_eq!(known.operator(SECOND).unwrap().name(), "operator");
        for stranger in ["", "night-shift", &format!("night-shift:{FIRST}"), &FIRST[1..]] {
            assert_eq!(known.operator(stranger), None);
        }
    }

    #[test]
    fn one_credential_is_read_as_a_list_of_one_is() {
        assert_eq!(parse_credential(&format!("night-shift:{FIRST}")), Ok(("night-shift", FIRST)));
        assert_eq!(parse_credential(FIRST), Ok((UNNAMED, FIRST)));
        for wrong in [format!("a:b:{FIRST}"), format!("{FIRST},{SECOND}"), format!("a:{FIRST}:b")] {
            parse_credential(&wrong).unwrap_err();
        }
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_and_not_repeated() {
        for wrong in
            ["", "short", "name:short", ":abcdefghijklmnopqrstuvwx", "a b:abcdefghijklmnopqrstuvwx"]
        {
            let told = known(wrong).err().unwrap();
            assert!(!told.contains("short") && !told.contains("abc"), "{told}");
        }
        assert!(Credentials::try_new(None).unwrap().is_empty());
    }
}
