#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn settings(arguments: &[&str]) -> ServiceSettings {
    #[derive(clap::Parser)]
    struct Settings {
        #[command(flatten)]
        service: ServiceSettings,
    }
    let all = ["test", "--database-url", "postgres://nobody@127.0.0.1/none"];
    let all = all.iter().chain(arguments).map(Into::into);
    crate::config::try_load_from::<Settings>(all, &[]).unwrap().service
}

fn broker(arguments: &[&str]) -> Result<Broker, WrongSecurity> {
    Broker::try_of(&settings(arguments))
}

const LOGIN: [&str; 6] = [
    "--kafka-sasl-mechanism=PLAIN",
    "--kafka-sasl-username",
    "notes",
    "--kafka-sasl-password",
    "s3cret",
    "--kafka-security-protocol=sasl_plaintext",
];

#[test]
fn nothing_said_is_in_the_clear_without_a_login() {
    let config = broker(&[]).unwrap().client("test");
    assert_eq!(config.get("security.protocol"), Some("plaintext"));
    assert_eq!(config.get("bootstrap.servers"), Some("127.0.0.1:9092"));
    assert_eq!((config.get("sasl.mechanism"), config.get("sasl.password")), (None, None));
}

#[test]
fn a_login_goes_to_the_client_and_nowhere_else() {
    let broker = broker(&LOGIN).unwrap();
    assert!(!format!("{broker:?}").contains("s3cret"));
    let config = broker.client("test");
    assert_eq!(config.get("security.protocol"), Some("sasl_plaintext"));
    assert_eq!(config.get("sasl.mechanism"), Some("PLAIN"));
    assert_eq!(config.get("sasl.username"), Some("notes"));
    assert_eq!(config.get("sasl.password"), Some("s3cret"));
    // The client itself takes all of it.
    config.create::<rdkafka::producer::BaseProducer>().unwrap();
}

//
#[test]
fn what_makes_no_sense_together_is_said_in_one_line() {
    let sasl = "--kafka-security-protocol=sasl_plaintext";
    let plain = "--kafka-sasl-mechanism=PLAIN";
    let user = "--kafka-sasl-username=u";
    let password = "--kafka-sasl-password=p";
    let here = concat!("--kafka-ca-file=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (arguments, expected) in [
        (vec![sasl], "asks for a login, and KAFKA_SASL_MECHANISM is not set"),
        (vec![sasl, plain], "asks for a login, and KAFKA_SASL_USERNAME is not set"),
        (vec![sasl, plain, user], "asks for a login, and KAFKA_SASL_PASSWORD is not set"),
        (vec![plain], "KAFKA_SASL_MECHANISM is set, and KAFKA_SECURITY_PROTOCOL=plaintext makes"),
        (vec![user], "KAFKA_SASL_USERNAME is set"),
        (vec![password], "KAFKA_SASL_PASSWORD is set"),
        (
            vec!["--kafka-security-protocol=ssl", plain, user, password],
            "KAFKA_SECURITY_PROTOCOL=ssl",
        ),
        (vec![here], "KAFKA_CA_FILE is set"),
        (
            vec!["--kafka-security-protocol=ssl", "--kafka-ca-file=/nowhere"],
            "/nowhere cannot be read",
        ),
    ] {
        let line = broker(&arguments).unwrap_err().to_string();
        assert!(line.contains(expected), "{arguments:?}: {line}");
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn what_needs_openssl_is_refused_where_it_is_not_built_in() {
    let scram = ["--kafka-sasl-mechanism=SCRAM-SHA-512"];
    for arguments in [
        vec!["--kafka-security-protocol=ssl"],
        [&LOGIN[..5], &["--kafka-security-protocol=sasl_ssl"]].concat(),
        [&scram[..], &LOGIN[1..]].concat(),
    ] {
        let broker = broker(&arguments);
        assert_eq!(broker.is_ok(), cfg!(feature = "kafka-tls"));
        match broker {
            Ok(broker) => {
                broker.client("test").create::<rdkafka::producer::BaseProducer>().unwrap();
            }
            Err(error) => {
                assert!(error.to_string().contains("--features common/kafka-tls"), "{error}");
            }
        }
    }
}

// a process that was not restarted since trusts the old authority alone.
#[cfg(feature = "kafka-tls")]
#[tokio::test]
async fn an_authority_that_was_renewed_is_noticed() {
    let file = std::env::temp_dir().join(format!("authority-{}", std::process::id()));
    std::fs::write(&file, "the first").unwrap();
    let argument = format!("--kafka-ca-file={}", file.display());
    let broker = broker(&["--kafka-security-protocol=ssl", &argument]).unwrap();
    assert_eq!(broker.is_authority_outdated().await, Some(false));
    std::fs::write(&file, "the second").unwrap();
    assert_eq!(broker.is_authority_outdated().await, Some(true));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(broker.is_authority_outdated().await, None, "not known");
}

#[tokio::test]
async fn without_an_authority_none_is_outdated() {
    assert_eq!(broker(&[]).unwrap().is_authority_outdated().await, None);
}
