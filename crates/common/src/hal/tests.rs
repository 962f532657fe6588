#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;

fn parse(page: &str, size: &str, sort: &str) -> Result<PageRequest, Problem> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let query = PageQuery { page: given(page), size: given(size), sort: given(sort), cursor: None };
    PageRequest::parse(&query, &["name", "createdAt"])
}

#[test]
fn without_parameters_it_is_the_first_page_of_twenty() {
    let request = parse("", "", "").unwrap();
    assert_eq!((request.offset(), request.limit()), (0, 20));
    assert_eq!(request.sort, None);
}

#[test]
fn sizes_and_pages_have_limits() {
    assert!(parse("0", "200", "").is_ok());
    assert!(parse("50", "200", "").is_ok());
    assert!(parse("500", "20", "").is_ok());
    for (page, size) in [
        ("0", "201"),
        ("0", "0"),
        ("51", "200"),
        ("501", "20"),
        ("-1", "20"),
        ("x", "20"),
        ("0", "1.5"),
        ("+1", "20"),
        ("18446744073709551615", "200"),
        ("99999999999999999999999", "1"),
    ] {
        let problem = parse(page, size, "").unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{page} {size}");
        assert_eq!(problem.errors().len(), 1);
    }
}

#[test]
fn only_listed_fields_are_sorted_by() {
    let sort = |text| parse("", "", text).unwrap().sort.unwrap();
    assert_eq!(sort("name"), ("name".to_owned(), Direction::Ascending));
    assert_eq!(sort("createdAt,desc"), ("createdAt".to_owned(), Direction::Descending));
    assert_eq!(sort("name,ASC"), ("name".to_owned(), Direction::Ascending));
    for bad in ["password", "name,sideways", "name;drop table", "name,asc,name", ","] {
        assert!(parse("", "", bad).is_err(), "{bad}");
    }
}

#[test]
fn a_cursor_comes_back_as_it_went_and_a_made_up_one_is_400() {
    let position = (7_i64, "018f2c3e-0000-7000-8000-000000000001".to_owned());
    let cursor = Cursor::encode(&position);
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    let query =
        PageQuery { cursor: Some(cursor), page: Some("7".to_owned()), ..PageQuery::default() };
    let request = PageRequest::parse(&query, &[]).unwrap();
    assert_eq!(request.position::<(i64, String)>().unwrap(), Some(position));
    assert_eq!(request.offset(), 0, "behind a cursor a page has no meaning");
    for bad in ["", "%%%", "AAAA", &"A".repeat(2_000), &Cursor::encode(&"text")] {
        let problem = Cursor::decode::<(i64, String)>(bad).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}

fn page(request: &PageRequest, count: i64, next: Option<&str>) -> serde_json::Value {
    let collection = Collection::new(
        "notes",
        vec![Resource::new(json!({ "text": "a" }), Links::to_self("http://h/notes/1"))],
        request,
        Total::counted(count),
        "http://h/notes?kind=x",
        next.map(ToOwned::to_owned),
    );
    serde_json::to_value(collection).unwrap()
}

#[test]
fn a_collection_is_hal() {
    let request = parse("1", "10", "name,desc").unwrap();
    assert_eq!(
        page(&request, 35, None),
        json!({
            "_embedded": { "notes": [
                { "text": "a", "_links": { "self": { "href": "http://h/notes/1" } } },
            ] },
            "page": { "size": 10, "totalElements": 35, "totalPages": 4, "number": 1 },
            "_links": {
                "self": { "href": "http://h/notes?kind=x&page=1&size=10&sort=name,desc" },
                "first": { "href": "http://h/notes?kind=x&page=0&size=10&sort=name,desc" },
                "prev": { "href": "http://h/notes?kind=x&page=0&size=10&sort=name,desc" },
                "next": { "href": "http://h/notes?kind=x&page=2&size=10&sort=name,desc" },
            },
        })
    );
}

#[test]
fn the_last_page_leads_nowhere_and_a_cursor_leads_on() {
    let request = parse("3", "10", "").unwrap();
    assert!(page(&request, 35, None)["_links"].get("next").is_none());
    let next = page(&request, 35, Some("abc"))["_links"]["next"]["href"].clone();
    assert_eq!(next, "http://h/notes?kind=x&cursor=abc&size=10");
}

#[test]
fn a_total_beyond_ten_thousand_is_a_lower_bound() {
    let request = parse("", "100", "").unwrap();
    let exact = page(&request, 10_000, None)["page"].clone();
    assert_eq!(
        exact,
        json!({ "size": 100, "totalElements": 10_000, "totalPages": 100, "number": 0 })
    );
    let more = page(&request, Total::COUNT_LIMIT, None)["page"].clone();
    assert_eq!(more["totalElements"], 10_000);
    assert_eq!(more["totalIsLowerBound"], true);
}

#[test]
fn a_link_to_a_page_beyond_the_bound_is_not_offered() {
    let request = parse("50", "200", "").unwrap();
    assert!(page(&request, 10_001, None)["_links"].get("next").is_none());
}

#[test]
fn parameters_flatten_into_a_lists_own_filters() {
    #[derive(serde::Deserialize)]
    struct Filters {
        state: String,
        #[serde(flatten)]
        page: PageQuery,
    }
    let uri = "http://h/notes?state=open&page=2&size=5".parse().unwrap();
    let axum::extract::Query(filters) =
        axum::extract::Query::<Filters>::try_from_uri(&uri).unwrap();
    assert_eq!(filters.state, "open");
    assert_eq!(PageRequest::parse(&filters.page, &[]).unwrap().offset(), 10);
}

#[test]
fn collections_are_described_with_their_entries() {
    #[derive(Serialize, ToSchema)]
    struct Note {
        text: String,
    }
    assert_eq!(<Collection<Note> as ToSchema>::name(), "Collection_Note");
    let mut schemas = Vec::new();
    <Collection<Resource<Note>> as ToSchema>::schemas(&mut schemas);
    let names: Vec<_> = schemas.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["PageInfo", "Links", "Link"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}
