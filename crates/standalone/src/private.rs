//! Folders and files that only their owner may enter or read, whatever the
//! umask that we were started with: a wide one would open them to others, an
//! odd one would lock us out ourselves.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::sys::stat::{Mode, umask};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// From now on what this process and its children make is their owner's alone.
/// It is the process's, so only programs call it, not the library.
pub fn by_default() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// Makes a folder if it is not there, with those above it, and makes it private
/// if it is.
///
/// # Errors
///
/// It can't be made, or is another's.
pub fn folder(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent().filter(|above| !above.exists()) {
        std::fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => restrict(path, FOLDER_MODE),
    }
}

/// Opens a file with `options`; it is private if these make it, and afterwards
/// if it was there.
///
/// # Errors
///
/// It can't be opened.
pub fn file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(FILE_MODE).open(path)?;
    let metadata = file.metadata()?;
    // A device, such as /dev/null, is everybody's.
    if metadata.is_file() && metadata.permissions().mode() & 0o777 != FILE_MODE {
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    Ok(file)
}

/// Makes the files of a folder private that an earlier version left open.
///
/// # Errors
///
/// The folder can't be read, or holds what is another's.
pub fn restrict_files(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Neither a folder nor a link, which could lead anywhere.
        if entry.file_type()?.is_file() {
            restrict(&entry.path(), FILE_MODE)?;
        }
    }
    Ok(())
}

fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o777 == mode => Ok(()),
        Ok(_) => std::fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_private_and_what_was_open_is_closed() {
        let outer = tempfile::tempdir().unwrap();
        let made = outer.path().join("above/made");
        folder(&made).unwrap();
        assert_eq!(mode(&made), 0o700);
        std::fs::set_permissions(&made, Permissions::from_mode(0o777)).unwrap();
        folder(&made).unwrap();
        assert_eq!(mode(&made), 0o700);

        let secret = made.join("secret");
        file(&secret, OpenOptions::new().create(true).append(true)).unwrap();
        assert_eq!(mode(&secret), 0o600);
        std::fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
        file(&secret, OpenOptions::new().append(true)).unwrap();
        assert_eq!(mode(&secret), 0o600);
        std::fs::set_permissions(&secret, Permissions::from_mode(0o666)).unwrap();
        restrict_files(&made).unwrap();
        assert_eq!(mode(&secret), 0o600);
    }
}
