//! Which names, numbers and passwords are taken.

use ::events::text::check_line;

/// The shortest login name.
pub const USER_ID_CHARS_MIN: usize = 3;
/// The longest login name: that of an e-mail address.
pub const USER_ID_CHARS_MAX: usize = 254;
/// The longest name.
pub const USER_NAME_CHARS_MAX: usize = 100;
/// Room for an international number with its spaces.
pub const MOBILE_CHARS_MAX: usize = 30;
/// The longest e-mail address.
pub const EMAIL_CHARS_MAX: usize = 254;
/// The shortest password.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The longest password: no hash takes ever longer because of it.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Passwords that everybody tries first, one in a line, in lower case.
const COMMON_PASSWORDS: &str = include_str!("common_passwords.txt");

/// A new login name: one word of visible ASCII and Hangul. Of these letters the small
/// and the capital ones are pairs, so that names which differ in nothing else are one
/// (`ß`, `ς` and `ı` have no such pair), and none looks like another alphabet's.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_user_id(text: &str) -> Result<(), String> {
    check_line(text, USER_ID_CHARS_MAX)?;
    if text.chars().nth(USER_ID_CHARS_MIN - 1).is_none() {
        return Err(format!("must have at least {USER_ID_CHARS_MIN} characters"));
    }
    if text.chars().any(char::is_whitespace) {
        return Err("must not have spaces".to_owned());
    }
    let is_taken = |one: char| one.is_ascii_graphic() || matches!(one, '가'..='힣' | 'ㄱ'..='ㅣ');
    if !text.chars().all(is_taken) {
        return Err(
            "must have letters a to z, digits, visible ASCII signs and Hangul only".to_owned()
        );
    }
    Ok(())
}

/// A person's name.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_user_name(text: &str) -> Result<(), String> {
    check_line(text, USER_NAME_CHARS_MAX)?;
    // It is compared exactly at every request: nobody sees such a space.
    if text.trim() != text {
        return Err("must not begin or end with a space".to_owned());
    }
    Ok(())
}

/// A telephone number, as people write them.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_mobile(text: &str) -> Result<(), String> {
    check_line(text, MOBILE_CHARS_MAX)?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.() ".contains(&byte));
    if is_number && text.bytes().filter(u8::is_ascii_digit).count() >= 3 {
        Ok(())
    } else {
        Err("must be a telephone number, for example 010-000-0000".to_owned())
    }
}

/// An e-mail address, as far as one can tell without writing to it.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_email(text: &str) -> Result<(), String> {
    check_line(text, EMAIL_CHARS_MAX)?;
    // What quotes, lists, comments and routes are written with (RFC 5322) no mailbox needs,
    // and each would be one more way to write the same one.
    let is_odd = |letter: char| letter.is_whitespace() || "\"\\<>()[],;:%!|".contains(letter);
    let is_host = |host: &str| {
        host.contains('.')
            && !host.split('.').any(str::is_empty)
            && !host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let parts = text.rsplit_once('@').filter(|(name, _)| !name.contains('@'));
    let is_address = parts.is_some_and(|(name, host)| {
        (1..=64).contains(&name.len()) && is_host(host) && !name.starts_with('-')
    });
    if is_address && !text.contains(is_odd) {
        Ok(())
    } else {
        Err("must be an e-mail address".to_owned())
    }
}

/// A new password: long enough, and not one that everybody tries first.
///
/// # Errors
/// What is wrong with it, for the person who sent it; never the password.
pub fn check_new_password(password: &str, user_id: &str, user_name: &str) -> Result<(), String> {
    if password.chars().nth(PASSWORD_CHARS_MIN - 1).is_none() {
        return Err(format!("must have at least {PASSWORD_CHARS_MIN} characters"));
    }
    if password.chars().nth(PASSWORD_CHARS_MAX).is_some() {
        return Err(format!("must have at most {PASSWORD_CHARS_MAX} characters"));
    }
    let lower = password.to_lowercase();
    let login = user_id.to_lowercase();
    let is_own = lower == login
        || lower == user_name.to_lowercase()
        || login.split_once('@').is_some_and(|(name, _)| name == lower);
    if is_own {
        return Err("must not be your own name".to_owned());
    }
    if is_common(&lower) {
        return Err("is one of the passwords that are tried first; choose another".to_owned());
    }
    Ok(())
}

fn is_common(lower: &str) -> bool {
    COMMON_PASSWORDS.lines().any(|common| common == lower) || is_repeated(lower) || is_run(lower)
}

/// `aaaaaaaa`, `12341234`, `abcabcabc`: a short piece again and again.
fn is_repeated(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=4).any(|length| chars.iter().zip(chars.iter().skip(length)).all(|(one, next)| one == next))
}

/// `12345678`, `hgfedcba`: each character the neighbour of the one before.
fn is_run(text: &str) -> bool {
    let steps = || {
        text.chars()
            .zip(text.chars().skip(1))
            .map(|(one, next)| i64::from(u32::from(next)) - i64::from(u32::from(one)))
    };
    steps().all(|step| step == 1) || steps().all(|step| step == -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_or_a_log_would_stumble_over_is_not_taken() {
        for bad in ["", " ", "a\0bc", "a\r\nb: c", "\u{7f}abc", "\u{85}abc"] {
            assert!(check_user_id(bad).is_err(), "{bad:?}");
            assert!(check_user_name(bad).is_err(), "{bad:?}");
            assert!(check_mobile(bad).is_err(), "{bad:?}");
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(check_user_id("ab").is_err());
        assert!(check_user_id("가나다").is_ok());
        assert!(check_user_id(&"a".repeat(254)).is_ok());
        assert!(check_user_id(&"a".repeat(255)).is_err());
        assert!(check_user_id("a b").is_err());
        assert!(check_user_name("유").is_ok());
        assert!(check_user_name(&"유".repeat(100)).is_ok());
        assert!(check_user_name(&"유".repeat(101)).is_err());
        assert!(check_user_name(" 유").is_err());
    }

    // What is compared without regard to case must have one form of each case.
    #[test]
    fn a_login_name_has_no_letters_that_only_look_like_others() {
        for good in [
            "1@sk.com",
            "Kim.Min-Su+loan@example.com",
            "o'neil@x.kr",
            "유은상",
            "ㅋㅋㅋ99",
            "a_b~c!",
        ] {
            assert_eq!(check_user_id(good), Ok(()), "{good}");
        }
        for bad in [
            "straße@x.kr",
            "ΟΔΟΣ@x.kr",
            "οδος@x.kr",
            "ı@sk.com",
            "İ@sk.com",
            "ſam@sk.com",
            "\u{212a}im@sk.com",
            "аdmin@sk.com",
            "ａdmin@sk.com",
            "éva@sk.com",
            "1@sk\u{200b}.com",
            "1@sk.com\u{202e}",
            "유\u{3164}은상",
        ] {
            assert!(check_user_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_and_addresses_look_like_such() {
        for good in ["010-000-0000", "+82 10 1234 5678", "(02) 123.4567"] {
            assert_eq!(check_mobile(good), Ok(()), "{good}");
        }
        for bad in ["010-000-000a", "++", "１２３"] {
            assert!(check_mobile(bad).is_err(), "{bad}");
        }
        assert_eq!(check_email("1@sk.com"), Ok(()));
        for bad in [
            "1",
            "@sk.com",
            "1@sk",
            "a b@sk.com",
            "\"a\"@sk.com",
            "a\\b@sk.com",
            "<a@sk.com>",
            "a@sk.com,b@sk.com",
            "a@b@sk.com",
            "a(b)@sk.com",
            "a@sk.com.",
            "a@127.0.0.1",
            "-o@sk.com",
            "a%b@sk.com",
        ] {
            assert!(check_email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_that_everybody_tries_are_not_taken() {
        let check = |password: &str| {
            check_new_password(password, "someone@example.com", "유은상유은상유은")
        };
        for good in [
            "correct horse",
            "Tr0ub4dor&3",
            "비밀번호는길게",
            "x9$kq2!m",
            &"p7".repeat(3)[..],
            "eightch4",
        ] {
            let long = format!("{good}-{good}x");
            assert_eq!(check(&long), Ok(()), "{long}");
        }
        for bad in [
            "1234",
            "short7!",
            "password",
            "PassWord",
            "12345678",
            "87654321",
            "abcdefgh",
            "aaaaaaaa",
            "12341234",
            "qwertyuiop",
            "password1",
            "someone@example.com",
            "SOMEONE@example.com",
            "유은상유은상유은",
            &"x9$kq2!m".repeat(17),
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&"x9$kq2!m".repeat(16)).is_ok());
    }

    #[test]
    fn the_list_of_common_passwords_is_as_it_is_compared() {
        for line in COMMON_PASSWORDS.lines() {
            assert_eq!(line, line.to_lowercase().trim(), "{line}");
            assert!(
                line.chars().count() >= PASSWORD_CHARS_MIN,
                "{line}: refused for its length already"
            );
        }
        assert!(COMMON_PASSWORDS.lines().count() > 100);
    }
}
