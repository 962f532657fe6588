//! Where messages go: what an address may look like, and how it is shown.

use ::events::codes::Channel;
use unicode_normalization::UnicodeNormalization as _;
use url::{Host, Url};

/// The longest address of a web-hook.
pub const WEBHOOK_CHARS_MAX: usize = 2_048;

/// Checks a web-hook's address, as far as one can tell without looking its name up.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_webhook(text: &str, allows_any: bool) -> Result<Url, String> {
    if text.chars().nth(WEBHOOK_CHARS_MAX).is_some() {
        return Err(format!("must have at most {WEBHOOK_CHARS_MAX} characters"));
    }
    let url = Url::parse(text).map_err(|_| "must be an address, https://…".to_owned())?;
    let is_right_scheme = url.scheme() == "https" || (allows_any && url.scheme() == "http");
    if !is_right_scheme {
        return Err("must begin with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be without a name and password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must be without a fragment (#…)".to_owned());
    }
    // Nobody is to knock at doors with our hand.
    if !allows_any && url.port_or_known_default() != Some(443) {
        return Err("must be at port 443".to_owned());
    }
    // What is written in other letters gets longer.
    if url.as_str().len() > WEBHOOK_CHARS_MAX {
        return Err(format!("must have at most {WEBHOOK_CHARS_MAX} characters, encoded"));
    }
    match url.host() {
        Some(Host::Domain(_)) => Ok(url),
        Some(_) if allows_any => Ok(url),
        _ => Err("must name its host, not an IP address".to_owned()),
    }
}

/// Whose mailbox, telephone or host an address is, however it is written: in capitals,
/// with a tag (`name+tag@host`, RFC 5233), in quotes, with letters that only look
/// different.
#[must_use]
pub fn comes_down_to(channel: Channel, address: &str) -> String {
    match channel {
        Channel::Mailbox => String::new(),
        Channel::Mail => {
            let (name, host) = address.rsplit_once('@').unwrap_or((address, ""));
            let name: String = name.nfkc().filter(|letter| !['"', '\\'].contains(letter)).collect();
            let name = name.to_lowercase();
            let name = name.split('+').next().unwrap_or_default();
            let host = host.trim_end_matches('.');
            let host = Host::parse(host).map_or_else(|_| host.to_lowercase(), |it| it.to_string());
            format!("mail {name}@{host}")
        }
        Channel::Sms => {
            let digits: String = address.chars().filter(char::is_ascii_digit).collect();
            format!("sms {digits}")
        }
        // Many customers share a host; an address of it is one's own.
        Channel::Webhook => format!("webhook {}", address.split(['?', '#']).next().unwrap_or("")),
    }
}

/// Digits of a code that proves an address: with the tries that it has, nobody guesses
/// one.
pub const CODE_DIGITS: usize = 8;

/// Checks what a customer says is a code.
///
/// # Errors
/// What is wrong with it; never what it was.
pub fn check_code(text: &str) -> Result<(), String> {
    if text.len() == CODE_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("must be {CODE_DIGITS} digits"))
    }
}

/// An address as it is shown: enough to know it again, too little to learn it.
#[must_use]
pub fn masked(address: &str) -> String {
    let (name, host) = match address.rsplit_once('@') {
        Some((name, host)) => (name, Some(host)),
        None => (address, None),
    };
    match host {
        Some(host) => {
            let first: String = name.chars().take(1).collect();
            format!("{first}***@{host}")
        }
        None => {
            let digits = name.chars().count();
            let last: String = name.chars().skip(digits.saturating_sub(4)).collect();
            format!("***{last}")
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_web_hook_is_https_and_has_a_name() {
        for good in ["https://example.com/hook", "https://example.com/a?b=c"] {
            assert_eq!(check_webhook(good, false).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "hook",
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://user@example.com/",
            "https://user:word@example.com/",
            "https://example.com/#part",
            "https://example.com:8443/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f.1/",
        ] {
            assert!(check_webhook(bad, false).is_err(), "{bad}");
        }
        assert!(check_webhook("http://127.0.0.1:8080/hook", true).is_ok());
        assert!(check_webhook("gopher://127.0.0.1/", true).is_err());
        assert!(check_webhook(&format!("https://a.kr/{}", "a".repeat(2_048)), false).is_err());
        assert!(check_webhook(&format!("https://a.kr/{}", "가".repeat(2_000)), false).is_err());
    }

    #[test]
    fn one_mailbox_has_many_spellings() {
        let key = |address| comes_down_to(Channel::Mail, address);
        for other in [
            "VICTIM@Example.COM",
            "victim+1@example.com",
            "\"victim\"@example.com",
            "\"v\\i\\ctim\"@example.com",
            "ｖictim@example.com",
            "victim@ｅｘａｍｐｌｅ.com",
            "victim@example.com.",
        ] {
            assert_eq!(key(other), key("victim@example.com"), "{other}");
        }
        assert_ne!(key("victim@example.com"), key("victim2@example.com"));
        let key = |address| comes_down_to(Channel::Sms, address);
        assert_eq!(key("010-111-2345"), key("(010) 111.2345"));
        let key = |address| comes_down_to(Channel::Webhook, address);
        assert_eq!(key("https://a.kr/1?a"), key("https://a.kr/1?b"));
        assert_ne!(key("https://a.kr/1"), key("https://a.kr/2"));
    }

    #[test]
    fn a_code_is_digits() {
        assert_eq!(check_code("01234567"), Ok(()));
        for bad in ["", "1234567", "123456789", "1234567a", "１２３４５６７８", "1234 678"]
        {
            assert!(check_code(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_shown_only_so_far() {
        assert_eq!(masked("someone@example.com"), "s***@example.com");
        assert_eq!(masked("유은상@example.com"), "유***@example.com");
        assert_eq!(masked("010-111-2345"), "***2345");
        assert_eq!(masked("1@sk.com"), "1***@sk.com");
    }
}
