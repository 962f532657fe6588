//! HAL: resources with links, collections in pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::problem::Problem;

/// Entries of a page where the caller names no size.
pub const PAGE_SIZE: u32 = 20;

/// Entries of a page at most.
pub const PAGE_SIZE_MAX: u32 = 200;

/// `page` times `size` at most. Beyond it a database would count through what it
/// then throws away; the key cursor of `_links.next` has no such bound.
pub const OFFSET_MAX: u64 = 10_000;

/// Totals are exact up to here; a larger one is a lower bound.
pub const TOTAL_MAX: u64 = 10_000;

/// Characters of a cursor at most.
const CURSOR_CHARS_MAX: usize = 1_024;

/// One link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// Where it leads.
    pub href: String,
}

/// Links by their relation, `_links`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Links(BTreeMap<String, Link>);

impl Links {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `self`.
    #[must_use]
    pub fn to_self(href: impl Into<String>) -> Self {
        Self::new().with("self", href)
    }

    /// Adds a link, or replaces it.
    #[must_use]
    pub fn with(mut self, relation: impl Into<String>, href: impl Into<String>) -> Self {
        let href = href.into();
        self.0.insert(relation.into(), Link { href });
        self
    }

    /// Where a relation leads.
    #[must_use]
    pub fn get(&self, relation: &str) -> Option<&str> {
        self.0.get(relation).map(|link| link.href.as_str())
    }
}

/// Something with links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resource<T> {
    /// Its own fields.
    #[serde(flatten)]
    pub body: T,
    /// Where it can be found and what can be done next.
    #[serde(rename = "_links")]
    pub links: Links,
}

impl<T> Resource<T> {
    /// A body with its links.
    pub fn new(body: T, links: Links) -> Self {
        Self { body, links }
    }
}

/// A page's place in the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    /// Entries asked for.
    pub size: u32,
    /// Entries in all; exact up to 10,000.
    pub total_elements: u64,
    /// Pages in all, as far as the total goes.
    pub total_pages: u64,
    /// This page, from 0. Behind a cursor always 0: it begins where the cursor
    /// points.
    pub number: u64,
    /// There are more than `totalElements`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub total_is_lower_bound: bool,
}

/// How many there are in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total(u64);

impl Total {
    /// How many rows a count has to look at: `SELECT count(*) FROM (SELECT 1 … LIMIT
    /// $n)`. One more than the bound tells that there are more.
    pub const COUNT_LIMIT: i64 = 10_001;

    /// From a count that stopped at [`Total::COUNT_LIMIT`].
    #[must_use]
    pub fn counted(count: i64) -> Self {
        Self(u64::try_from(count).unwrap_or(0))
    }
}

/// A page of a collection: `_embedded.<name>`, `page`, `_links`.
#[derive(Clone, Debug)]
pub struct Collection<T> {
    name: &'static str,
    items: Vec<T>,
    page: PageInfo,
    links: Links,
}

impl<T> Collection<T> {
    /// The items of this page under `_embedded.<name>`; `address` is the
    /// collection's own, with its filters but without paging. `next` is the cursor
    /// of the last item if there may be more behind it.
    #[must_use]
    pub fn new(
        name: &'static str,
        items: Vec<T>,
        request: &PageRequest,
        total: Total,
        address: &str,
        next: Option<String>,
    ) -> Self {
        let page = request.info(total);
        let links = request.links(address, &page, next);
        Self { name, items, page, links }
    }

    /// Adds a link.
    #[must_use]
    pub fn with_link(mut self, relation: &str, href: impl Into<String>) -> Self {
        self.links = self.links.with(relation, href);
        self
    }
}

impl<T: Serialize> Serialize for Collection<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let embedded = BTreeMap::from([(self.name, &self.items)]);
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("_embedded", &embedded)?;
        map.serialize_entry("page", &self.page)?;
        map.serialize_entry("_links", &self.links)?;
        map.end()
    }
}

/// A collection's members, for the API description.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is used")]
struct CollectionShape<T: ToSchema> {
    /// The entries of this page under the collection's name.
    #[schema(rename = "_embedded")]
    embedded: BTreeMap<String, Vec<T>>,
    /// This page's place in the whole.
    page: PageInfo,
    /// `self`, and `first`, `prev`, `next` where they lead somewhere.
    #[schema(rename = "_links")]
    links: Links,
}

impl<T: ToSchema> PartialSchema for Collection<T> {
    fn schema() -> RefOr<Schema> {
        <CollectionShape<T> as PartialSchema>::schema()
    }
}

impl<T: ToSchema> ToSchema for Collection<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Collection_{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        <CollectionShape<T> as ToSchema>::schemas(schemas);
        schemas.push((T::name().into(), T::schema()));
        T::schemas(schemas);
    }
}

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// The parameters of a list as they arrive. Take them with [`crate::http::Query`],
/// alone or flattened into a list's own filters.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PageQuery {
    /// The page, from 0; `page` × `size` at most 10,000.
    pub page: Option<String>,
    /// Entries of a page, 1 to 200; 20 if not given.
    pub size: Option<String>,
    /// `field` or `field,asc` or `field,desc`.
    pub sort: Option<String>,
    /// Where to go on, from `_links.next`; then `page` has no meaning.
    pub cursor: Option<String>,
}

/// Which page of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The page, from 0.
    pub page: u64,
    /// Entries of a page.
    pub size: u32,
    /// The field to sort by, one of those allowed, if the caller named one.
    pub sort: Option<(String, Direction)>,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// Reads the parameters; what is out of bounds or not listed is 400.
    pub fn parse(query: &PageQuery, allowed_sorts: &[&str]) -> Result<Self, Problem> {
        let page: u64 = number("page", query.page.as_deref(), 0)?;
        let size = number("size", query.size.as_deref(), u64::from(PAGE_SIZE))?;
        let size = u32::try_from(size)
            .ok()
            .filter(|size| (1..=PAGE_SIZE_MAX).contains(size))
            .ok_or_else(|| wrong("size", format!("must be from 1 to {PAGE_SIZE_MAX}")))?;
        let is_near = page.checked_mul(u64::from(size)).is_some_and(|offset| offset <= OFFSET_MAX);
        if !is_near {
            let reason = format!(
                "`page` times `size` must be at most {OFFSET_MAX}; follow `_links.next` beyond that"
            );
            return Err(wrong("page", reason));
        }
        let sort = match query.sort.as_deref().filter(|sort| !sort.is_empty()) {
            Some(sort) => Some(parse_sort(sort, allowed_sorts)?),
            None => None,
        };
        let cursor = query.cursor.clone().filter(|cursor| !cursor.is_empty());
        Ok(Self { page: if cursor.is_some() { 0 } else { page }, size, sort, cursor })
    }

    /// `LIMIT`.
    #[must_use]
    pub fn limit(&self) -> i64 {
        i64::from(self.size)
    }

    /// `OFFSET`; 0 behind a cursor.
    #[must_use]
    pub fn offset(&self) -> i64 {
        i64::try_from(self.page).unwrap_or(0) * i64::from(self.size)
    }

    /// What the cursor holds, if there is one; an unreadable one is 400.
    pub fn position<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        self.cursor.as_deref().map(Cursor::decode).transpose()
    }

    /// This page's place in the whole.
    #[must_use]
    pub fn info(&self, total: Total) -> PageInfo {
        let total_elements = total.0.min(TOTAL_MAX);
        PageInfo {
            size: self.size,
            total_elements,
            total_pages: total_elements.div_ceil(u64::from(self.size)),
            number: self.page,
            total_is_lower_bound: total.0 > TOTAL_MAX,
        }
    }

    fn links(&self, address: &str, page: &PageInfo, next: Option<String>) -> Links {
        let at = |page: u64| self.address(address, &format!("page={page}"));
        let mut links = match &self.cursor {
            Some(cursor) => Links::to_self(self.address(address, &format!("cursor={cursor}"))),
            None => Links::to_self(at(self.page)),
        };
        links = links.with("first", at(0));
        if self.cursor.is_none() && self.page > 0 {
            links = links.with("prev", at(self.page - 1));
        }
        // The cursor is preferred: it neither skips nor repeats an entry when
        // others come in between, and it goes on beyond the bound of pages.
        let following = self.page + 1;
        match next {
            Some(cursor) => links.with("next", self.address(address, &format!("cursor={cursor}"))),
            None if self.cursor.is_none()
                && following < page.total_pages
                && following * u64::from(self.size) <= OFFSET_MAX =>
            {
                links.with("next", at(following))
            }
            None => links,
        }
    }

    fn address(&self, address: &str, place: &str) -> String {
        let separator = if address.contains('?') { '&' } else { '?' };
        let mut href = format!("{address}{separator}{place}&size={}", self.size);
        if let Some((field, direction)) = &self.sort {
            let direction = match direction {
                Direction::Ascending => "asc",
                Direction::Descending => "desc",
            };
            // Writing to a String can't fail.
            let _ = write!(href, "&sort={field},{direction}");
        }
        href
    }
}

fn wrong(field: &str, reason: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid-query",
        "The query string has a wrong parameter.",
    )
    .with_error(field, reason)
}

fn number(field: &str, text: Option<&str>, default: u64) -> Result<u64, Problem> {
    match text {
        None | Some("") => Ok(default),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| wrong(field, "is too large"))
        }
        Some(_) => Err(wrong(field, "must be a number")),
    }
}

fn parse_sort(sort: &str, allowed: &[&str]) -> Result<(String, Direction), Problem> {
    let (field, direction) = sort.split_once(',').unwrap_or((sort, "asc"));
    let direction = match direction.to_ascii_lowercase().as_str() {
        "asc" | "" => Direction::Ascending,
        "desc" => Direction::Descending,
        _ => return Err(wrong("sort", "the direction must be `asc` or `desc`")),
    };
    if allowed.contains(&field) {
        Ok((field.to_owned(), direction))
    } else {
        let reason = format!("must be one of: {}", allowed.join(", "));
        Err(wrong("sort", reason))
    }
}

/// The place in a sorted list from which to go on: the keys of its last entry,
/// opaque to the caller.
#[derive(Clone, Copy, Debug)]
pub struct Cursor;

impl Cursor {
    /// A small value as text that fits into an address.
    #[must_use]
    pub fn encode(position: &impl Serialize) -> String {
        // Keys (numbers, ids, times) always become JSON; an empty cursor would
        // only lead to the first page.
        let json = serde_json::to_vec(position).unwrap_or_default();
        BASE64_URL_SAFE_NO_PAD.encode(json)
    }

    /// Reads it back. The caller may have changed it: what is in it is input.
    pub fn decode<T: DeserializeOwned>(cursor: &str) -> Result<T, Problem> {
        let unreadable = || wrong("cursor", "must come from `_links.next` of this list");
        if cursor.len() > CURSOR_CHARS_MAX {
            return Err(unreadable());
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unreadable())?;
        serde_json::from_slice(&json).map_err(|_| unreadable())
    }
}

#[cfg(test)]
mod tests;
