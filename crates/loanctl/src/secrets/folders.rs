//! Secrets in folders, one for each part.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;

use super::{Create, LAST, gone, part_names};

/// Whoever mounts a part's folder may read what is in it, as whatever user.
const MODE: u32 = 0o444;

/// On this machine nobody else gets as far as that: a folder above them that has to be made.
const ABOVE_MODE: u32 = 0o700;

/// The file that is written last of all.
const LAST_FILE: &str = "superuser-password";

/// The file that is there while not all of them are.
const UNFINISHED: &str = "unfinished";

/// Makes them below `directory`; false if they are there.
pub(super) fn keep(directory: &Path, create: &Create) -> anyhow::Result<bool> {
    if directory.join(LAST).join(LAST_FILE).exists() {
        for name in part_names() {
            let folder = directory.join(name);
            if !folder.exists() {
                return gone(&folder.display().to_string());
            }
        }
        return Ok(false);
    }
    let unfinished = directory.join(LAST).join(UNFINISHED);
    let is_used = |name: &str| {
        std::fs::read_dir(directory.join(name)).is_ok_and(|mut files| files.next().is_some())
    };
    if !unfinished.exists() && part_names().any(is_used) {
        // What the others hold is in use: nothing is made over it.
        return gone(&directory.join(LAST).join(LAST_FILE).display().to_string());
    }
    if !directory.exists() {
        let made = DirBuilder::new().recursive(true).mode(ABOVE_MODE).create(directory);
        made.with_context(|| format!("cannot make {}", directory.display()))?;
    }
    write(&unfinished, "")?;
    for part in create.parts()? {
        for (name, content) in part.files {
            write(&directory.join(part.name).join(name), &content)?;
        }
    }
    std::fs::remove_file(&unfinished)
        .with_context(|| format!("cannot remove {}", unfinished.display()))?;
    Ok(true)
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

    use super::super::SERVICES;
    use super::*;

    fn made(folder: &Path) -> anyhow::Result<bool> {
        let create = Create {
            directory: Some(folder.to_owned()),
            kubernetes: false,
            prefix: String::new(),
            database_address: "postgres:5432".to_owned(),
            database_name: "online_loan".to_owned(),
        };
        keep(folder, &create)
    }

    fn read(folder: &Path, file: &str) -> String {
        std::fs::read_to_string(folder.join(file)).unwrap()
    }

    //
    #[test]
    fn they_are_made_once_and_each_part_has_its_own_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(made(folder.path()).unwrap());
        let before = read(folder.path(), "loan-auth/settings.toml");
        assert!(!made(folder.path()).unwrap());
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
        for (file, of) in [("admin", "operator:repair:"), ("read", "jobs:read:")] {
            let shown = read(folder.path(), &format!("operator/{file}-credential"));
            assert!(shown.starts_with(of), "{shown}");
            let hashed = common::admin::hashed_credential(shown.trim()).unwrap();
            for part in SERVICES.iter().map(|(service, _)| *service).chain(["gateway"]) {
                let settings = read(folder.path(), &format!("{part}/settings.toml"));
                assert!(settings.contains(&hashed) && !settings.contains(shown[of.len()..].trim()));
            }
        }
        passwords.sort();
        passwords.dedup();
        assert_eq!(passwords.len(), SERVICES.len());
        assert!(roles.contains("GRANT CONNECT ON DATABASE online_loan TO loan_auth;"));
        assert!(roles.contains("GRANT CONNECT, TEMPORARY ON DATABASE online_loan TO loan_status;"));
    }

    #[test]
    fn a_folder_that_is_made_for_them_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let loans = folder.path().join("of/loans");
        assert!(made(&loans).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&loans), mode(&loans.join("gateway/settings.toml"))), (0o700, 0o444));
    }

    #[test]
    fn what_was_cut_off_is_made_anew_and_what_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path()).unwrap();
        let before = read(folder.path(), "loan-auth/settings.toml");
        std::fs::remove_file(folder.path().join("postgres/superuser-password")).unwrap();
        let error = made(folder.path()).unwrap_err().to_string();
        assert!(error.contains("superuser-password is gone"), "{error}");
        assert_eq!(read(folder.path(), "loan-auth/settings.toml"), before, "it is in use");
        std::fs::write(folder.path().join("postgres/unfinished"), "").unwrap();
        assert!(made(folder.path()).unwrap(), "nobody has seen them");
        assert!(!folder.path().join("postgres/unfinished").exists());
        assert_ne!(read(folder.path(), "loan-auth/settings.toml"), before);
        std::fs::remove_dir_all(folder.path().join("loan-status")).unwrap();
        let error = made(folder.path()).unwrap_err().to_string();
        assert!(error.contains("loan-status is gone"), "{error}");
    }
}
