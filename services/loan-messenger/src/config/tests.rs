#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use common::config::{ConfigError, try_load_from};

use super::*;

fn config(settings: &[&str]) -> Result<Config, ConfigError> {
    let args = ["loan-messenger", "--database-url=postgres://db"];
    try_load_from(args.iter().chain(settings).map(Into::into), &[])
}

fn ways(settings: &[&str]) -> anyhow::Result<Ways> {
    config(settings).unwrap().ways(&Clock::system())
}

#[test]
fn without_settings_there_are_web_hooks_and_the_mailbox() {
    let offered = ways(&[]).unwrap().offered();
    assert!(!offered.mail && !offered.sms && offered.webhook);
    assert!(!ways(&["--webhook-targets=off"]).unwrap().offered().webhook);
    let config = config(&[]).unwrap();
    assert!(!config.rules(&Ways::default()).allows_any_webhook);
}

#[tokio::test]
async fn mail_goes_to_a_server_or_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let drop = folder.path().join("a drop");
    let url = Url::from_file_path(&drop).unwrap();
    assert!(ways(&[&format!("--mail-url={url}")]).unwrap().offered().mail);
    assert!(drop.is_dir());
    for server in [
        "smtp://127.0.0.1:2525",
        "smtp://user:word@mail.example:587?tls=required",
        "smtps://user:word@mail.example",
    ] {
        assert!(ways(&[&format!("--mail-url={server}")]).unwrap().offered().mail, "{server}");
    }
}

#[test]
fn a_wrong_setting_is_said_without_its_secret() {
    for wrong in ["--mail-url=imap://user:geheim@host", "--mail-url=geheim"] {
        let error = format!("{:#}", ways(&[wrong]).err().unwrap());
        assert!(error.contains("MAIL_URL") && !error.contains("geheim"), "{error}");
    }
    let short = ["--sms-url=http://sms", "--sms-secret=whsec_geheim"];
    let error = format!("{:#}", ways(&short).err().unwrap());
    assert!(error.contains("SMS_SECRET") && !error.contains("geheim"), "{error}");
    for wrong in [
        &["--sms-url=http://sms"] as &[_],
        &["--sms-secret=whsec_x"],
        &["--webhook-targets=all"],
        &["--delivery-timeout-seconds=0"],
        &["--mail-from=nobody"],
    ] {
        let error = config(wrong).unwrap_err();
        assert!(matches!(&error, ConfigError::Wrong(line) if !line.contains('\n')), "{error}");
    }
}
