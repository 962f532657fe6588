//! Mail as files in a folder, for trying and for programs that pick them up.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::clock::Clock;
use futures::future::BoxFuture;
use lettre::message::Mailbox;

use super::circuits::Target;
use super::mail::mail;
use super::{Destination, Outcome, Way};
use crate::domain::letter::Letter;

/// A folder. Each mail is one file `<key>.eml`, so that one which is sent again takes
/// its own place.
pub struct MailDrop {
    folder: PathBuf,
    from: Mailbox,
    clock: Clock,
}

impl MailDrop {
    /// This folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn try_new(folder: &Path, from: Mailbox, clock: Clock) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), from, clock })
    }
}

impl Way for MailDrop {
    fn target(&self, _: &Destination) -> Target {
        Target::Ours("mail")
    }

    fn send<'a>(
        &'a self,
        letter: &'a Letter,
        destination: &'a Destination,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let mail = match mail(letter, &self.from, &destination.address, self.clock.now()) {
                Ok(mail) => mail.formatted(),
                Err(error) => return Outcome::Refused { detail: error.to_string() },
            };
            let file = self.folder.join(format!("{}.eml", letter.key));
            let written = tokio::task::spawn_blocking(move || write(&file, &mail)).await;
            match written {
                Ok(Ok(())) => Outcome::Sent,
                Ok(Err(error)) => Outcome::failed(error.kind().to_string()),
                Err(_) => Outcome::failed("writing"),
            }
        })
    }
}

/// Writes it beside its place and moves it there: whoever reads the folder sees whole
/// mails only. It is on the disk before it counts as sent.
fn write(file: &Path, mail: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension(format!("{}.part", std::process::id()));
    let written = (|| {
        let mut part = std::fs::File::create(&beside)?;
        part.write_all(mail)?;
        part.sync_all()?;
        std::fs::rename(&beside, file)?;
        // Its new name is in the folder, and the folder on the disk as well.
        file.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
    })();
    if written.is_err() {
        // What is half written is nobody's mail; the error is the first one.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
