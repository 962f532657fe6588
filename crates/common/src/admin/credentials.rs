//! Who may use the admin API.

use std::sync::Arc;

use aws_lc_rs::digest;
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::scope::Scopes;
use crate::config::Secret;

/// A secret of the admin API shorter than this could be guessed.
pub const CREDENTIAL_CHARS_MIN: usize = 24;

/// What stands before the SHA-256 of a secret, in hex, where that stands for the secret.
const HASHED: &str = "sha256=";

/// How a credential is written, for who wrote it otherwise.
const FORM: &str = "a credential is written NAME:SCOPE:SECRET or NAME:SCOPE:sha256=HEX, where SCOPE is \
                    read, repair, accounts, or repair+accounts";

/// Who calls: the name beside the secret that was shown, for the log of changes, and
/// what whoever has it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    name: Arc<str>,
    scopes: Scopes,
}

impl Operator {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the credential is for.
    pub(super) fn scopes(&self) -> Scopes {
        self.scopes
    }
}

/// The operators by the hashes of their secrets. The secrets themselves are not
/// kept, and hashes are compared: how long that takes tells nothing.
#[derive(Clone, Default)]
pub struct Credentials(Arc<[(Operator, String)]>);

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
            let (name, scopes, kept) = parts(one)?;
            let hash = match kept.strip_prefix(HASHED) {
                Some(hash) => checked_hash(hash)?.to_owned(),
                None => sha256(checked_secret(kept)?),
            };
            // Which of the two scopes would it have?
            if known.iter().any(|(_, other)| *other == hash) {
                return Err("a secret is there twice".to_owned());
            }
            known.push((Operator { name: name.into(), scopes }, hash));
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
            if bool::from(hash.as_bytes().ct_eq(shown.as_bytes())) {
                found = Some(operator.clone());
            }
        }
        found
    }
}

/// The parts of one credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Who has it, for the log.
    pub name: &'a str,
    /// What it is for.
    scopes: Scopes,
    /// What is shown.
    pub secret: &'a str,
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The parts of one credential as whoever has it shows it, `NAME:SCOPE:SECRET`.
///
/// # Errors
///
/// What is wrong with it; never the value.
pub fn parse_credential(text: &str) -> Result<Credential<'_>, String> {
    let (name, scopes, secret) = parts(text)?;
    if secret.starts_with(HASHED) {
        return Err("this is the hash that a service keeps; say the secret itself".to_owned());
    }
    Ok(Credential { name, scopes, secret: checked_secret(secret)? })
}

/// The same as who is asked for it may keep it: `NAME:SCOPE:sha256=HEX`. SHA-256 is enough,
/// for a secret that is not a person's choice can't be guessed from it.
///
/// # Errors
///
/// What is wrong with it; never the value.
pub fn hashed_credential(text: &str) -> Result<String, String> {
    let hash = sha256(parse_credential(text)?.secret);
    // No secret has a colon.
    let (name_and_scopes, _) = text.rsplit_once(':').ok_or(FORM)?;
    Ok(format!("{name_and_scopes}:{HASHED}{hash}"))
}

/// Name, scopes, and the secret or its hash. There is no scope that goes without saying: what
/// a secret opens is to be read beside it.
fn parts(text: &str) -> Result<(&str, Scopes, &str), String> {
    let (name, rest) = text.split_once(':').ok_or(FORM)?;
    let (scopes, kept) = rest.split_once(':').ok_or(FORM)?;
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_name {
        return Err("a name may have letters, digits and -_. only".to_owned());
    }
    Ok((name, Scopes::parse(scopes).ok_or(FORM)?, kept))
}

fn checked_secret(secret: &str) -> Result<&str, String> {
    if secret.chars().count() < CREDENTIAL_CHARS_MIN {
        return Err(format!("a secret must have at least {CREDENTIAL_CHARS_MIN} characters"));
    }
    // A colon ends the name and the scope, and a comma the credential.
    if !secret.bytes().all(|byte| byte.is_ascii_graphic() && !b":,".contains(&byte)) {
        return Err("a secret may have visible ASCII characters but : and , only".to_owned());
    }
    Ok(secret)
}

/// A hash as [`sha256`] writes it.
fn checked_hash(hex: &str) -> Result<&str, String> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.len() != 2 * digest::SHA256_OUTPUT_LEN || !hex.bytes().all(is_digit) {
        return Err(format!("behind {HASHED} must be 64 digits of 0-9a-f, a secret's SHA-256"));
    }
    Ok(hex)
}

/// Checks the setting as it is read.
///
/// # Errors
///
/// What is wrong with it; never the value.
pub fn check_setting(text: &str) -> Result<Secret, String> {
    let secret = Secret::from(text.to_owned());
    Credentials::try_new(Some(&secret))?;
    Ok(secret)
}

/// In lower-case hex.
fn sha256(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
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
        let setting = format!("night-shift:read:{FIRST}, hotline:repair+accounts:{SECOND}");
        let known = known(&setting).unwrap();
        let (first, second) = (known.operator(FIRST).unwrap(), known.operator(SECOND).unwrap());
        assert_eq!((first.name(), second.name()), ("night-shift", "hotline"));
        assert_eq!(Some(first.scopes()), Scopes::parse("read"));
        assert_eq!(Some(second.scopes()), Scopes::parse("repair+accounts"));
        for stranger in ["", "night-shift", &format!("night-shift:read:{FIRST}"), &FIRST[1..]] {
            assert_eq!(known.operator(stranger), None);
        }
    }

    #[test]
    fn one_credential_is_read_as_a_list_of_one_is() {
        let text = format!("night-shift:read:{FIRST}");
        let one = parse_credential(&text).unwrap();
        assert_eq!((one.name, one.secret), ("night-shift", FIRST));
        assert!(!format!("{one:?}").contains(FIRST));
        for wrong in [
            format!("a:read:b:{FIRST}"),
            format!("a:read:{FIRST},b:read:{SECOND}"),
            format!("a:read:{FIRST}:b"),
            format!(":read:{FIRST}"),
            format!("a b:read:{FIRST}"),
        ] {
            parse_credential(&wrong).unwrap_err();
        }
    }

    #[test]
    fn a_hash_stands_for_the_secret_and_opens_nothing_itself() {
        let clear = format!("night-shift:repair+accounts:{FIRST}");
        let hashed = hashed_credential(&clear).unwrap();
        assert!(
            hashed.starts_with("night-shift:repair+accounts:sha256=") && !hashed.contains(FIRST)
        );
        let setting = format!("{hashed},hotline:read:{SECOND}");
        let known = known(&setting).unwrap();
        let first = known.operator(FIRST).unwrap();
        assert_eq!(
            (first.name(), Some(first.scopes())),
            ("night-shift", Scopes::parse("repair+accounts"))
        );
        assert_eq!(known.operator(SECOND).unwrap().name(), "hotline");
        let hash = hashed.rsplit(':').next().unwrap();
        for stranger in [hash, hash.trim_start_matches(HASHED), &hashed] {
            assert_eq!(known.operator(stranger), None);
        }
        assert!(parse_credential(&hashed).unwrap_err().contains("say the secret"));
        assert!(self::known(&format!("{clear},{hashed}")).err().unwrap().contains("twice"));
        // `sha256sum` says the same of the empty text.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(checked_hash(empty).unwrap(), sha256(""));
        for wrong in [
            "",
            &empty[1..],
            &empty.to_uppercase(),
            &empty.replace('e', "g"),
            &empty.replace('3', "+"),
        ] {
            let told = self::known(&format!("a:read:sha256={wrong}")).err().unwrap();
            assert!(
                told.contains("64 digits") && (wrong.is_empty() || !told.contains(wrong)),
                "{told}"
            );
        }
    }

    #[test]
    fn without_a_scope_it_is_said_how_one_is_written() {
        for wrong in [
            FIRST.to_owned(),
            format!("night-shift:{FIRST}"),
            format!("night-shift::{FIRST}"),
            format!("night-shift:all:{FIRST}"),
            format!("night-shift:read,repair:{FIRST}"),
        ] {
            let told = known(&wrong).err().unwrap();
            assert!(told.contains("NAME:SCOPE:SECRET") && told.contains("accounts"), "{told}");
            assert!(!told.contains(FIRST) && !told.contains("night-shift"), "{told}");
        }
        let twice = format!("a:read:{FIRST},b:repair:{FIRST}");
        assert!(known(&twice).err().unwrap().contains("twice"));
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_and_not_repeated() {
        for wrong in
            ["", "short", "name:read:short", "name:read:", "name:read:abc abc abc abc abc abc"]
        {
            let told = known(wrong).err().unwrap();
            assert!(!told.contains("short") && !told.contains("abc"), "{told}");
        }
        assert!(Credentials::try_new(None).unwrap().is_empty());
    }
}
