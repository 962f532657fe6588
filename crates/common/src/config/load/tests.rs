#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::net::SocketAddr;

use secrecy::ExposeSecret as _;

use super::*;
use crate::config::{Secret, ServiceSettings};

/// Cargo sets `CARGO_PKG_NAME` to `common` for the tests: a variable that is
/// there without the test having to set one for the whole process.
#[derive(Debug, clap::Parser)]
struct Settings {
    /// Set by the environment of every test.
    #[arg(long, env = "CARGO_PKG_NAME", default_value = "default")]
    package: String,
    #[arg(long, env = "TEST_ADDR", default_value = "127.0.0.1:80")]
    addr: SocketAddr,
    #[arg(long, env = "TEST_NAMES", value_delimiter = ',', default_value = "a,b")]
    names: Vec<String>,
    #[arg(long, env = "TEST_COUNT", default_value_t = 3)]
    count: u32,
    #[arg(long, env = "TEST_SECRET", required = true)]
    secret: Secret,
}

fn read(args: &[&str]) -> Result<Settings, ConfigError> {
    let args = [&["test"], args].concat();
    try_load_from(args.into_iter().map(OsString::from), &[])
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn read_file(text: &str, args: &[&str]) -> Result<Settings, ConfigError> {
    let file = file(text);
    let path = file.path().to_str().unwrap();
    read(&[&["--config", path], args].concat())
}

fn line(outcome: Result<Settings, ConfigError>) -> String {
    match outcome.unwrap_err() {
        ConfigError::Wrong(line) => {
            assert_eq!(line.lines().count(), 1, "{line}");
            line
        }
        ConfigError::Help(text) => panic!("{text}"),
    }
}

//
#[test]
fn a_flag_stands_above_the_environment_and_that_above_the_file() {
    let text = "cargo_pkg_name = \"file\"\nTest_Count = 7\ntest-addr = \"10.0.0.1:1\"\n\
                TEST_NAMES = [\"x\", \"y\"]\ntest_secret = \"s\"";
    let settings = read_file(text, &["--addr", "10.0.0.2:2"]).unwrap();
    assert_eq!(settings.package, "common", "environment over file");
    assert_eq!(settings.count, 7, "file over default");
    assert_eq!(settings.names, ["x", "y"]);
    assert_eq!(settings.addr, "10.0.0.2:2".parse().unwrap(), "flag over file");
    assert_eq!(settings.secret.expose_secret(), "s", "a required one from the file");
    let settings = read_file(text, &["--package", "flag"]).unwrap();
    assert_eq!(settings.package, "flag", "flag over environment");
}

#[test]
fn a_program_has_defaults_of_its_own_below_all_else() {
    let defaults = [("TEST_COUNT", "9".to_owned()), ("TEST_SECRET", "own".to_owned())];
    let settings: Settings = try_load_from(["test".into()], &defaults).unwrap();
    assert_eq!(settings.count, 9);
    let args = ["test", "--count", "1"].map(OsString::from);
    let settings: Settings = try_load_from(args, &defaults).unwrap();
    assert_eq!(settings.count, 1);
}

#[test]
fn a_missing_setting_is_one_line_with_its_name() {
    assert_eq!(line(read(&[])), "TEST_SECRET is not set (--help lists every setting)");
}

#[test]
fn a_wrong_setting_is_one_line_with_its_name_value_and_reason() {
    let line_of = |args: &[&str]| line(read(&[&["--secret", "s"], args].concat()));
    assert_eq!(
        line_of(&["--addr", "no\naddress"]),
        "TEST_ADDR has a wrong value `no\\naddress`: invalid socket address syntax \
         (--help lists every setting)"
    );
    assert!(line_of(&["--count", "-1"]).contains("-1"));
    assert!(line_of(&["--nonsense", "1"]).contains("--nonsense"));
    assert!(line(read_file("TEST_COUNT = \"x\"", &["--secret", "s"])).starts_with("TEST_COUNT"));
}

#[test]
fn a_wrong_file_is_one_line_that_quotes_nothing_of_it() {
    let unknown = line(read_file("TEST_SECRET = \"s\"\nTEST_TYPO = 1", &[]));
    assert!(unknown.contains("unknown setting `TEST_TYPO`"), "{unknown}");
    let torn = line(read_file("TEST_COUNT = 1\nTEST_SECRET = \"hunter2", &[]));
    assert!(torn.contains("line 2") && !torn.contains("hunter2"), "{torn}");
    let nested = line(read_file("TEST_SECRET = { a = 1 }", &[]));
    assert!(nested.contains("TEST_SECRET"), "{nested}");
    let absent = line(read(&["--config", "/nowhere/at/all.toml"]));
    assert!(absent.contains("/nowhere/at/all.toml"), "{absent}");
}

#[test]
fn help_lists_settings_and_shows_no_value_of_the_environment() {
    let Err(ConfigError::Help(help)) = read(&["--help"]) else {
        panic!("help was asked for");
    };
    for name in ["CARGO_PKG_NAME", "TEST_ADDR", "TEST_SECRET", "CONFIG_FILE", "127.0.0.1:80"] {
        assert!(help.contains(name), "{name} in {help}");
    }
    assert!(!help.contains("CARGO_PKG_NAME=common"), "{help}");
}

#[test]
fn a_secret_is_not_printed() {
    let settings = read(&["--secret", "hunter2"]).unwrap();
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("REDACTED"), "{shown}");
}

//
#[test]
fn every_common_setting_has_an_environment_name_and_a_reason() {
    #[derive(clap::Parser)]
    struct Service {
        #[command(flatten)]
        common: ServiceSettings,
    }
    let command = <Service as clap::CommandFactory>::command();
    for arg in command.get_arguments() {
        let id = arg.get_id();
        // What is done in place of a start is no setting: an environment that said it would
        // keep every process from working.
        let is_action = id == "migrate_only";
        assert!(arg.get_env().is_some() != is_action, "{id} has no environment name");
        assert!(arg.get_help().is_some(), "{id} has no help");
    }
    let args = ["test", "--database-url", "postgres://u:p@localhost/d"].map(OsString::from);
    let service: Service = try_load_from(args, &[]).unwrap();
    assert_eq!(service.common.allowed_hosts, ["localhost", "127.0.0.1", "[::1]"]);
    assert!(service.common.trusted_proxies.is_empty());
    assert!(service.common.public_url.is_none());
}

#[test]
fn a_trusted_network_is_no_wider_than_a_private_one() {
    for good in ["10.0.0.0/8", "192.168.1.7/32", "fc00::/7", "::1/128"] {
        assert!(crate::config::trusted_proxies(good).is_ok(), "{good}");
    }
    for wide in ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/7", "::/0", "fc00::/6", "::ffff:0:0/96"] {
        let said = crate::config::trusted_proxies(wide).unwrap_err();
        assert!(said.contains("must not be everybody"), "{wide}: {said}");
    }
}
