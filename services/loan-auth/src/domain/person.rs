//! Who somebody is, and how that may change.

use std::fmt;

use ::events::{CustomerId, Language};
use time::{Duration, OffsetDateTime};

/// What somebody may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Applies and repays.
    Customer,
    /// Decides.
    Officer,
}

/// An active customer or officer.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Who, for ever.
    pub id: CustomerId,
    /// Customer or officer.
    pub role: Role,
    /// The login name as it was written.
    pub user_id: String,
    /// The name, in NFC.
    pub user_name: String,
    /// Where messages go; officers may have none.
    pub user_mobile: Option<String>,
    /// Where mail goes.
    pub user_email: Option<String>,
    /// The language to write in.
    pub language: Language,
    /// Counts the changes of the password.
    pub credential_version: i64,
    /// Counts all changes.
    pub version: i64,
    /// Since when.
    pub registered_at: OffsetDateTime,
    /// The last change.
    pub changed_at: OffsetDateTime,
}

/// Without what is personal, so that no log can hold it.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What is to change; `None` stays as it is.
#[derive(Clone, Default)]
pub struct Changes {
    /// The name, in NFC.
    pub user_name: Option<String>,
    /// Where messages go.
    pub user_mobile: Option<String>,
    /// Where mail goes; `Some(None)` is nowhere any more.
    pub user_email: Option<Option<String>>,
    /// The language to write in.
    pub language: Option<Language>,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Something is different now.
    Applied,
    /// It was so before.
    AlreadyApplied,
}

impl Person {
    /// Changes what others see of the person.
    pub fn change(&mut self, changes: Changes) -> Changed {
        let before = self.clone();
        if let Some(user_name) = changes.user_name {
            self.user_name = user_name;
        }
        if let Some(user_mobile) = changes.user_mobile {
            self.user_mobile = Some(user_mobile);
        }
        if let Some(user_email) = changes.user_email {
            self.user_email = user_email;
        }
        if let Some(language) = changes.language {
            self.language = language;
        }
        if *self == before { Changed::AlreadyApplied } else { Changed::Applied }
    }

    /// Counts a change and dates it: later than the one before, also where the clock
    /// was set back since. Whoever keeps a copy of the person takes the latest.
    pub fn note_change(&mut self, now: OffsetDateTime) {
        self.version += 1;
        // PostgreSQL and the events keep no less than that.
        self.changed_at = now.max(self.changed_at.saturating_add(Duration::MICROSECOND));
    }

    /// Ends every token of before, because the password is another.
    pub fn renew_credentials(&mut self) {
        self.credential_version += 1;
    }

    /// Whether a claimed name, in NFC, is this person's.
    #[must_use]
    pub fn is_named(&self, claimed: &str) -> bool {
        self.user_name == claimed
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn person() -> Person {
        Person {
            id: uuid::Uuid::from_u128(1).into(),
            role: Role::Customer,
            user_id: "Someone@example.com".to_owned(),
            user_name: "유은상".to_owned(),
            user_mobile: Some("010-000-0000".to_owned()),
            user_email: None,
            language: Language::Ko,
            credential_version: 1,
            version: 1,
            registered_at: datetime!(2026-11-21 08:00 UTC),
            changed_at: datetime!(2026-11-21 08:00 UTC),
        }
    }

    #[test]
    fn the_same_again_is_no_change() {
        let mut person = person();
        assert_eq!(person.change(Changes::default()), Changed::AlreadyApplied);
        let same = Changes { user_name: Some("유은상".to_owned()), ..Changes::default() };
        assert_eq!(person.change(same), Changed::AlreadyApplied);
        let changes = Changes {
            user_mobile: Some("010-111-1111".to_owned()),
            user_email: Some(Some("someone@example.com".to_owned())),
            language: Some(Language::En),
            ..Changes::default()
        };
        assert_eq!(person.change(changes.clone()), Changed::Applied);
        assert_eq!(person.change(changes), Changed::AlreadyApplied);
        assert_eq!(person.user_email.as_deref(), Some("someone@example.com"));
        let nowhere = Changes { user_email: Some(None), ..Changes::default() };
        assert_eq!(person.change(nowhere), Changed::Applied);
        assert_eq!(person.user_email, None);
    }

    #[test]
    fn each_change_is_later_than_the_one_before_whatever_the_clock_says() {
        let mut person = person();
        let mut before = person.changed_at;
        for now in [
            datetime!(2026-11-21 08:05 UTC),
            datetime!(2026-11-21 07:00 UTC),
            datetime!(2026-11-21 07:00 UTC),
            datetime!(2026-11-21 08:06 UTC),
        ] {
            person.note_change(now);
            assert!(person.changed_at > before && person.changed_at >= now);
            before = person.changed_at;
        }
        assert_eq!((person.version, before), (5, datetime!(2026-11-21 08:06 UTC)));
    }

    #[test]
    fn a_person_is_not_shown_in_logs() {
        let shown = format!("{:?}", person());
        for personal in ["유은상", "Someone", "010"] {
            assert!(!shown.contains(personal), "{shown}");
        }
    }
}
