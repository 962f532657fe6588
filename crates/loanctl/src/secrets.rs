//! `loanctl secrets create`: the passwords, credentials and keys of a system that is new, each
//! in the folder of the one part that may read it. They are made once and never shown.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use common::secrets::{CREDENTIAL_BYTES, random_text, signing_key};

/// The services, and the role and schema of each.
const SERVICES: [(&str, &str); 5] = [
    ("loan-request", "loan_request"),
    ("loan-auth", "loan_auth"),
    ("loan-manager", "loan_manager"),
    ("loan-messenger", "loan_messenger"),
    ("loan-status", "loan_status"),
];

/// The one that needs temporary tables, in which its read model is made anew.
const READ_MODEL: &str = "loan_status";

/// Whoever mounts a folder may read what is in it, as whatever user.
const MODE: u32 = 0o444;

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes them, unless they are there. In the folder of each service `settings.toml`
    /// (its CONFIG_FILE); in `postgres` the superuser's password and `roles.sql`, which the
    /// new server runs; in `operator` what loanctl shows (its ADMIN_CREDENTIAL_FILE): one for
    /// all but accounts, one for accounts.
    Create(Create),
}

#[derive(Args)]
struct Create {
    /// The folder that holds the folders of all parts.
    #[arg(long, env = "SECRETS_DIRECTORY")]
    directory: PathBuf,
    /// Where the services find PostgreSQL: HOST:PORT.
    #[arg(long, default_value = "postgres:5432")]
    database_address: String,
    /// The database's name.
    #[arg(long, default_value = "online_loan")]
    database_name: String,
}

/// Makes them.
pub(crate) fn secrets(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Command::Create(create) = arguments.command;
    let said = if create.run()? { "made" } else { "there already; nothing was changed" };
    writeln!(std::io::stdout(), "{}: {said}", create.directory.display())?;
    Ok(ExitCode::SUCCESS)
}

impl Create {
    /// Whether they were made; they may be there.
    fn run(&self) -> anyhow::Result<bool> {
        let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        ensure!(is_name(&self.database_name), "--database-name: lower-case letters and _ alone");
        // Written last: without it nobody has seen the others.
        let last = self.directory.join("postgres/superuser-password");
        if last.exists() {
            for (service, _) in SERVICES {
                let settings = self.settings_of(service);
                ensure!(
                    settings.exists(),
                    "{} is gone, and the others are there: its password is not known any more; \
                     set another one (ALTER ROLE), or begin anew without any of them",
                    settings.display()
                );
            }
            return Ok(false);
        }
        let (certifying, admin, accounts) = (
            random_text(CREDENTIAL_BYTES)?,
            random_text(CREDENTIAL_BYTES)?,
            random_text(CREDENTIAL_BYTES)?,
        );
        let mut roles = String::new();
        for (service, role) in SERVICES {
            let password = random_text(CREDENTIAL_BYTES)?;
            roles.push_str(&role_of(role, &password, &self.database_name));
            let address = &self.database_address;
            let name = &self.database_name;
            let mut settings = vec![
                ("DATABASE_URL", format!("postgres://{role}:{password}@{address}/{name}")),
                ("ADMIN_CREDENTIAL", format!("operator:repair:{admin}")),
            ];
            if service == "loan-request" {
                settings.push(("SERVICE_CREDENTIAL", certifying.clone()));
            }
            if service == "loan-auth" {
                settings.push(("SERVICE_CREDENTIALS", certifying.clone()));
                settings.push(("TOKEN_SIGNING_KEYS", signing_key()?));
                // Who may make officers is known to the one service that has them.
                settings[1].1.push_str(&format!(",registrar:accounts:{accounts}"));
            }
            write(&self.settings_of(service), &as_toml(&settings)?)?;
        }
        let operator = self.directory.join("operator");
        write(&operator.join("admin-credential"), &format!("operator:repair:{admin}\n"))?;
        write(&operator.join("accounts-credential"), &format!("registrar:accounts:{accounts}\n"))?;
        let closed = format!(
            "REVOKE ALL ON DATABASE {} FROM PUBLIC;\nREVOKE ALL ON SCHEMA public FROM PUBLIC;\n",
            self.database_name
        );
        write(&self.directory.join("postgres/roles.sql"), &(closed + &roles))?;
        write(&last, &random_text(CREDENTIAL_BYTES)?)?;
        Ok(true)
    }

    fn settings_of(&self, service: &str) -> PathBuf {
        self.directory.join(service).join("settings.toml")
    }
}

/// A role that may log in and owns a schema of its name. Nothing here needs escaping: names
/// are ours, and passwords base64url.
fn role_of(role: &str, password: &str, database: &str) -> String {
    let rights = if role == READ_MODEL { "CONNECT, TEMPORARY" } else { "CONNECT" };
    format!(
        "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{password}';
GRANT {rights} ON DATABASE {database} TO {role};
ALTER ROLE {role} IN DATABASE {database} SET search_path = {role};
CREATE SCHEMA {role} AUTHORIZATION {role};
REVOKE ALL ON SCHEMA {role} FROM PUBLIC;
"
    )
}

/// JSON's texts are TOML's too.
fn as_toml(settings: &[(&str, String)]) -> anyhow::Result<String> {
    let lines = settings.iter().map(|(name, value)| {
        Ok(format!("{} = {}\n", name.to_ascii_lowercase(), serde_json::to_string(value)?))
    });
    lines.collect()
}

/// Writes a file whole or not at all.
fn write(file: &Path, content: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let folder = file.parent().with_context(failed)?;
    std::fs::create_dir_all(folder).with_context(failed)?;
    let unfinished = file.with_extension("new");
    let mut options = OpenOptions::new();
    let options = options.create(true).write(true).truncate(true).mode(0o600);
    let mut handle = options.open(&unfinished).with_context(failed)?;
    handle.write_all(content.as_bytes()).with_context(failed)?;
    handle.set_permissions(Permissions::from_mode(MODE)).with_context(failed)?;
    handle.sync_all().with_context(failed)?;
    std::fs::rename(unfinished, file).with_context(failed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn in_folder(folder: &Path) -> Create {
        Create {
            directory: folder.to_owned(),
            database_address: "postgres:5432".to_owned(),
            database_name: "online_loan".to_owned(),
        }
    }

    fn read(folder: &Path, file: &str) -> String {
        std::fs::read_to_string(folder.join(file)).unwrap()
    }

    //
    #[test]
    fn they_are_made_once_and_each_part_has_its_own_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(in_folder(folder.path()).run().unwrap());
        let before = read(folder.path(), "loan-auth/settings.toml");
        assert!(!in_folder(folder.path()).run().unwrap());
        assert_eq!(read(folder.path(), "loan-auth/settings.toml"), before);
        let roles = read(folder.path(), "postgres/roles.sql");
        let mut passwords = Vec::new();
        for (service, role) in SERVICES {
            let settings = read(folder.path(), &format!("{service}/settings.toml"));
            let start = settings.find(&format!("postgres://{role}:")).unwrap() + 12 + role.len();
            let password = settings[start..].split('@').next().unwrap().to_owned();
            assert_eq!(password.len(), 32);
            assert!(roles.contains(&format!("PASSWORD '{password}'")), "{service}");
            assert_eq!(settings.contains("token_signing_keys"), service == "loan-auth");
            assert_eq!(settings.contains("registrar:accounts:"), service == "loan-auth");
            passwords.push(password);
        }
        passwords.sort();
        passwords.dedup();
        assert_eq!(passwords.len(), SERVICES.len());
        assert!(roles.contains("GRANT CONNECT ON DATABASE online_loan TO loan_auth;"));
        assert!(roles.contains("GRANT CONNECT, TEMPORARY ON DATABASE online_loan TO loan_status;"));
    }

    #[test]
    fn what_was_cut_off_is_made_anew_and_what_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        in_folder(folder.path()).run().unwrap();
        let before = read(folder.path(), "loan-auth/settings.toml");
        std::fs::remove_file(folder.path().join("postgres/superuser-password")).unwrap();
        assert!(in_folder(folder.path()).run().unwrap(), "nobody has seen them");
        assert_ne!(read(folder.path(), "loan-auth/settings.toml"), before);
        std::fs::remove_dir_all(folder.path().join("loan-status")).unwrap();
        let error = in_folder(folder.path()).run().unwrap_err().to_string();
        assert!(error.contains("loan-status/settings.toml is gone"), "{error}");
    }
}
