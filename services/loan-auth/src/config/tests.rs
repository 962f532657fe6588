#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use common::config::{ConfigError, try_load_from};

use super::*;
use crate::usecases::testing::new_key;

fn load_with(credentials: &str, keys: &str, more: &[&str]) -> Result<Config, ConfigError> {
    let required = [
        "loan-auth",
        "--database-url",
        "postgres://u:p@127.0.0.1/loan",
        "--service-credentials",
        credentials,
        "--token-signing-keys",
        keys,
    ];
    try_load_from(required.iter().chain(more).map(Into::into), &[])
}

fn load(more: &[&str]) -> Result<Config, ConfigError> {
    load_with("0123456789abcdef,another-credential", &new_key(), more)
}

// the contract's figures are the defaults.
#[test]
fn the_defaults_are_the_contract() {
    let config = load(&[]).unwrap();
    let bounds = config.failures.bounds();
    let bound = |failures_max, seconds| Bound { failures_max, window: Span::seconds(seconds) };
    assert_eq!(bounds.account_address, bound(10, 300));
    assert_eq!(bounds.account, bound(100, 3_600));
    assert_eq!(bounds.address, bound(60, 60));
    assert_eq!(bounds.registrations, bound(60, 600));
    assert_eq!((bounds.known_address, bounds.retry_after_max), (Span::days(30), Span::minutes(1)));
    let lifetimes = config.credentials.access_lifetimes();
    assert_eq!((lifetimes.customer, lifetimes.officer), (Span::minutes(10), Span::minutes(2)));
    assert_eq!(config.credentials.sessions().lifetime, Span::hours(12));
    assert_eq!(config.purge_expired().keep_refused, Span::days(30));
    assert!(!config.background.demo_data && config.background.certify_delay_ms.is_none());
    assert_eq!(config.keys.service_credentials().len(), 2);
}

#[test]
fn every_purpose_has_a_place_on_every_computer() {
    let places = |more: &[&str], cores| {
        let places = load(more).unwrap().credentials.places(cores);
        (places.certify_max, places.log_in_max, places.register_max)
    };
    assert_eq!(places(&[], 1), (2, 1, 1));
    assert_eq!(places(&[], 2), (2, 1, 1));
    assert_eq!(places(&[], 8), (8, 4, 2));
    let asked = ["--certify-hashes-max=3", "--login-hashes-max=2", "--register-hashes-max=5"];
    assert_eq!(places(&asked, 8), (3, 2, 5));
}

#[test]
fn the_demo_and_the_delay_can_be_asked_for() {
    assert!(load(&["--demo-data"]).unwrap().background.demo_data);
    assert!(load(&["--demo-data", "true"]).unwrap().background.demo_data);
    assert!(!load(&["--demo-data", "false"]).unwrap().background.demo_data);
    let delay = |text| load(&["--certify-delay-ms", text]).map(|c| c.background.certify_delay_ms);
    assert_eq!(delay("400-620").unwrap(), Some(Delay { min_ms: 400, max_ms: 620 }));
    assert_eq!(delay("500").unwrap(), Some(Delay { min_ms: 500, max_ms: 500 }));
    for bad in ["x", "620-400", "-1", "400-", "99999999"] {
        assert!(delay(bad).is_err(), "{bad}");
    }
}

// one clear line, and no secret in it.
#[test]
fn a_wrong_secret_stops_the_start_and_is_not_shown() {
    let said = |loaded: Result<Config, ConfigError>| loaded.map(drop).unwrap_err().to_string();
    for bad in [",", "short-secret", "0123456789abcdef,short-secret"] {
        let line = said(load_with(bad, &new_key(), &[]));
        assert!(line.starts_with("SERVICE_CREDENTIALS ") && !line.contains("secret"), "{line}");
    }
    let key = new_key();
    let twice = format!("{key}{key}");
    let other = key.replace("PRIVATE", "RSA PRIVATE");
    for bad in ["not-a-key", twice.as_str(), other.as_str(), &key[..60]] {
        let line = said(load_with("0123456789abcdef", bad, &[]));
        assert!(line.starts_with("TOKEN_SIGNING_KEYS "), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains("MC4C") && !line.contains("not-a-key"), "{line}");
    }
}
