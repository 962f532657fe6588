//! Which rows of a list of the admin API are wanted: a page behind a key, or
//! these few by their ids. All such lists are in the order of a UUID, so that
//! whoever compares services can read them side by side.

use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::problem::Problem;

/// Rows of a page where the caller names no size.
pub const ADMIN_PAGE_SIZE: u32 = 500;

/// Rows of a page at most.
pub const ADMIN_PAGE_SIZE_MAX: u32 = 1_000;

/// Ids that one call may name at most.
pub const ADMIN_IDS_MAX: usize = 200;

/// The parameters as they arrive. Take them with [`crate::http::Query`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SelectionQuery {
    /// The last key of the page before.
    after: Option<Uuid>,
    /// Rows of a page.
    size: Option<u32>,
    /// These and no others, comma separated.
    ids: Option<String>,
}

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// At most `limit` behind this key.
    Behind {
        /// The key.
        after: Uuid,
        /// How many.
        limit: u32,
    },
    /// These.
    These(Vec<Uuid>),
}

impl TryFrom<SelectionQuery> for Selection {
    type Error = Problem;

    fn try_from(query: SelectionQuery) -> Result<Self, Problem> {
        if let Some(ids) = query.ids {
            let ids = ids.split(',').map(|id| id.trim().parse());
            let ids: Vec<Uuid> =
                ids.collect::<Result<_, _>>().map_err(|_| wrong("ids", "must be UUIDs"))?;
            check_ids(&ids).map_err(|reason| wrong("ids", reason))?;
            return Ok(Self::These(ids));
        }
        let limit = query.size.unwrap_or(ADMIN_PAGE_SIZE);
        if !(1..=ADMIN_PAGE_SIZE_MAX).contains(&limit) {
            return Err(wrong("size", format!("must be from 1 to {ADMIN_PAGE_SIZE_MAX}")));
        }
        Ok(Self::Behind { after: query.after.unwrap_or_default(), limit })
    }
}

impl Selection {
    /// Adds `WHERE` with the key's condition.
    pub fn push_where(&self, query: &mut QueryBuilder<Postgres>, key: &str) {
        query.push(" WHERE ").push(key);
        match self {
            Self::Behind { after, .. } => query.push(" > ").push_bind(*after),
            Self::These(ids) => query.push(" = ANY(").push_bind(ids.clone()).push(")"),
        };
    }

    /// Adds `ORDER BY` and `LIMIT`.
    pub fn push_order(&self, query: &mut QueryBuilder<Postgres>, key: &str) {
        query.push(" ORDER BY ").push(key);
        if let Self::Behind { limit, .. } = self {
            query.push(" LIMIT ").push_bind(i64::from(*limit));
        }
    }

    /// The page with these rows; there may be more behind a full one.
    #[must_use]
    pub fn page<T>(&self, items: Vec<T>, key: impl Fn(&T) -> Uuid) -> AdminPage<T> {
        let next = match self {
            Self::Behind { limit, .. } if items.len() >= *limit as usize => items.last().map(key),
            Self::Behind { .. } | Self::These(_) => None,
        };
        AdminPage { items, next }
    }
}

/// A page of a list of the admin API.
#[derive(Clone, Debug, Serialize)]
pub struct AdminPage<T> {
    /// Its rows, in the order of their keys.
    pub items: Vec<T>,
    /// What to ask `after` for the next page; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Uuid>,
}

/// Ids in the body of a call that changes something.
#[derive(Clone, Debug, Deserialize)]
pub struct Ids {
    /// Which.
    ids: Vec<Uuid>,
}

impl Ids {
    /// The ids, if there are any and not too many.
    ///
    /// # Errors
    ///
    /// A 422 problem.
    pub fn checked(self) -> Result<Vec<Uuid>, Problem> {
        let invalid =
            |reason| Problem::invalid("The body has wrong fields.").with_error("ids", reason);
        check_ids(&self.ids).map_err(invalid)?;
        Ok(self.ids)
    }
}

/// What became of ids that were to be told of once more.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Republished {
    /// They are on their way.
    republished: Vec<Uuid>,
    /// There is nothing to tell of these.
    left: Vec<Uuid>,
}

impl Republished {
    /// Notes what became of one.
    pub fn note(&mut self, id: Uuid, is_on_its_way: bool) {
        if is_on_its_way { &mut self.republished } else { &mut self.left }.push(id);
    }
}

fn check_ids(ids: &[Uuid]) -> Result<(), String> {
    if (1..=ADMIN_IDS_MAX).contains(&ids.len()) {
        Ok(())
    } else {
        Err(format!("must be from 1 to {ADMIN_IDS_MAX}"))
    }
}

fn wrong(field: &str, reason: impl Into<String>) -> Problem {
    Problem::new(
        http::StatusCode::BAD_REQUEST,
        "invalid-query",
        "The query string has a wrong parameter.",
    )
    .with_error(field, reason)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn selection(
        after: Option<u128>,
        size: Option<u32>,
        ids: Option<&str>,
    ) -> Result<Selection, Problem> {
        let query =
            SelectionQuery { after: after.map(Uuid::from_u128), size, ids: ids.map(str::to_owned) };
        query.try_into()
    }

    #[test]
    fn a_page_is_bounded_and_says_whether_there_may_be_more() {
        let page = selection(Some(7), Some(2), None).unwrap();
        assert_eq!(page, Selection::Behind { after: Uuid::from_u128(7), limit: 2 });
        let full = page.page(vec![8, 9], |id| Uuid::from_u128(*id));
        assert_eq!(full.next, Some(Uuid::from_u128(9)));
        assert_eq!(page.page(vec![8], |id| Uuid::from_u128(*id)).next, None);
        for size in [0, ADMIN_PAGE_SIZE_MAX + 1] {
            assert_eq!(selection(None, Some(size), None).unwrap_err().code(), "invalid-query");
        }
    }

    #[test]
    fn ids_are_bounded_and_must_be_ids() {
        let id = Uuid::from_u128(1).to_string();
        assert_eq!(
            selection(None, None, Some(&id)).unwrap(),
            Selection::These(vec![Uuid::from_u128(1)])
        );
        let many = vec![id; ADMIN_IDS_MAX + 1].join(",");
        for wrong in ["", "1", many.as_str()] {
            assert!(selection(None, None, Some(wrong)).is_err());
        }
        assert!(Ids { ids: Vec::new() }.checked().is_err());
    }
}
