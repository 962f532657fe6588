//! What a token says, and what is left of it for a handler.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The claims of an access token. Whoever issues one writes exactly these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for: one name. A list (RFC 7519 allows one) is not taken, even with
    /// our name in it: what is good elsewhere too could have been caught there.
    pub aud: String,
    /// Whose it is: an internal id that is never given to another.
    pub sub: Uuid,
    /// Since when, in seconds since 1970.
    pub iat: i64,
    /// Until when, in seconds since 1970.
    pub exp: i64,
    /// From when on, in seconds since 1970, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// What its bearer may be.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The bearer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The bearer's login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// Counts the changes of the bearer's password: whoever knows the current
    /// count can refuse a token from before a change.
    #[serde(default)]
    pub credential_version: i64,
}

/// The caller of a request, known by a token. As an extractor it answers 401
/// without one; `Option<Principal>` is `None` without one and still 401 with a
/// bad one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose token it is.
    pub subject: Uuid,
    /// What the caller may be.
    pub roles: Vec<String>,
    /// The caller's name, for what is shown to others.
    pub name: Option<String>,
    /// The caller's login name.
    pub username: Option<String>,
    /// The count of password changes that the token was issued at.
    pub credential_version: i64,
    /// Until when the token says so: an answer that goes on for long ends then.
    pub expires_at: OffsetDateTime,
}

impl Principal {
    /// Whether the caller has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}

impl From<Claims> for Principal {
    fn from(claims: Claims) -> Self {
        Self {
            subject: claims.sub,
            roles: claims.roles,
            name: claims.name,
            username: claims.preferred_username,
            credential_version: claims.credential_version,
            // A time beyond the calendar cannot be kept to: no long answer then.
            expires_at: OffsetDateTime::from_unix_timestamp(claims.exp)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }
}
