//! `loanctl secrets create`: the passwords, credentials and keys of a system that is new, each
//! in the place of the one part that may read it: a folder, or a Secret of Kubernetes. They are
//! made once and never shown.

mod folders;
mod kubernetes;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, ensure};
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

/// The part whose secrets are kept last: without them nobody has seen the others.
const LAST: &str = "postgres";

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes them, unless they are there. For each service and the gateway `settings.toml`
    /// (its CONFIG_FILE), with the hashes of admin credentials; for `postgres` the superuser's password and `roles.sql`, which the
    /// new server runs; for `operator` what loanctl shows (its ADMIN_CREDENTIAL_FILE): one for
    /// all but accounts, one that may only look, one for accounts.
    Create(Create),
    /// Shows a new key that tokens may be signed with, to be put among loan-auth's.
    SigningKey,
}

#[derive(Args)]
struct Create {
    /// The folder that holds the folders of all parts.
    #[arg(long, env = "SECRETS_DIRECTORY", required_unless_present = "kubernetes")]
    directory: Option<PathBuf>,
    /// Secrets of the namespace that this runs in, with the pod's service account, in place of a
    /// folder.
    #[arg(long, conflicts_with = "directory")]
    kubernetes: bool,
    /// What the Secrets' names begin with; the part's name follows.
    #[arg(long, default_value = "online-loan-")]
    prefix: String,
    /// Where the services find PostgreSQL: HOST:PORT.
    #[arg(long, default_value = "postgres:5432")]
    database_address: String,
    /// The database's name.
    #[arg(long, default_value = "online_loan")]
    database_name: String,
}

/// Makes them.
pub(crate) async fn secrets(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Command::Create(create) = arguments.command else {
        write!(std::io::stdout(), "{}", signing_key()?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let (place, are_new) = match &create.directory {
        Some(directory) => (directory.display().to_string(), folders::keep(directory, &create)?),
        None => {
            let cluster = kubernetes::Namespace::of_this_pod()?;
            let are_new = cluster.keep(&create).await?;
            (format!("Secrets {}…", create.prefix), are_new)
        }
    };
    let said = if are_new { "made" } else { "there already; nothing was changed" };
    writeln!(std::io::stdout(), "{place}: {said}")?;
    Ok(ExitCode::SUCCESS)
}

/// What one part may read: files by their names.
struct Part {
    name: &'static str,
    files: Vec<(&'static str, String)>,
}

/// The names of all parts, [`LAST`] at the end.
fn part_names() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(service, _)| *service).chain(["gateway", "operator", LAST])
}

/// Some are there and one is not: what it held is not known any more.
fn gone(what: &str) -> anyhow::Result<bool> {
    bail!(
        "{what} is gone, and the others are there: what it held is not known any more; put it \
         back, set other passwords (ALTER ROLE), or begin anew without any of them"
    )
}

impl Create {
    /// New ones for every part, in the order of [`part_names`].
    fn parts(&self) -> anyhow::Result<Vec<Part>> {
        let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        ensure!(is_name(&self.database_name), "--database-name: lower-case letters and _ alone");
        let certifying = random_text(CREDENTIAL_BYTES)?;
        let operator = format!("operator:repair:{}", random_text(CREDENTIAL_BYTES)?);
        let jobs = format!("jobs:read:{}", random_text(CREDENTIAL_BYTES)?);
        let registrar = format!("registrar:accounts:{}", random_text(CREDENTIAL_BYTES)?);
        // Who is asked needs to know of each no more than its hash.
        let hashed = |one: &str| common::admin::hashed_credential(one).map_err(anyhow::Error::msg);
        let admin = format!("{},{}", hashed(&operator)?, hashed(&jobs)?);
        let mut roles = format!(
            "REVOKE ALL ON DATABASE {} FROM PUBLIC;\nREVOKE ALL ON SCHEMA public FROM PUBLIC;\n",
            self.database_name
        );
        let mut parts = Vec::new();
        for (name, role) in SERVICES {
            let password = random_text(CREDENTIAL_BYTES)?;
            roles.push_str(&role_of(role, &password, &self.database_name));
            let (address, database) = (&self.database_address, &self.database_name);
            let mut settings = vec![
                ("DATABASE_URL", format!("postgres://{role}:{password}@{address}/{database}")),
                ("ADMIN_CREDENTIAL", admin.clone()),
            ];
            if name == "loan-request" {
                settings.push(("SERVICE_CREDENTIAL", certifying.clone()));
            }
            if name == "loan-auth" {
                settings.push(("SERVICE_CREDENTIALS", certifying.clone()));
                settings.push(("TOKEN_SIGNING_KEYS", signing_key()?));
                // Who may make officers is known to the one service that has them.
                settings[1].1 = format!("{admin},{}", hashed(&registrar)?);
            }
            parts.push(Part { name, files: vec![("settings.toml", as_toml(&settings)?)] });
        }
        let settings = as_toml(&[("ADMIN_CREDENTIAL", admin)])?;
        parts.push(Part { name: "gateway", files: vec![("settings.toml", settings)] });
        let shown = vec![
            ("admin-credential", format!("{operator}\n")),
            ("read-credential", format!("{jobs}\n")),
            ("accounts-credential", format!("{registrar}\n")),
        ];
        parts.push(Part { name: "operator", files: shown });
        let superuser = random_text(CREDENTIAL_BYTES)?;
        let server = vec![("roles.sql", roles), ("superuser-password", superuser)];
        parts.push(Part { name: LAST, files: server });
        Ok(parts)
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
