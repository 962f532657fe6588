#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn edge() -> Edge {
    Edge {
        public_url: None,
        allowed_hosts: ["localhost", "127.0.0.1", "[::1]"].map(Into::into).to_vec(),
        trusted_proxies: ["10.0.0.0/8", "::1/128"].map(|range| range.parse().unwrap()).to_vec(),
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn client(peer: &str, forwarded: &[&str]) -> String {
    let pairs: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
    edge().client(peer.parse().unwrap(), &headers(&pairs)).to_string()
}

#[test]
fn nobody_but_a_trusted_hop_says_who_the_client_is() {
    assert_eq!(client("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
    assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
}

#[test]
fn only_what_our_own_hops_added_is_believed() {
    // The client put 203.0.113.9 there itself.
    let made_up = ["203.0.113.9, 198.51.100.1, 10.0.0.2"];
    assert_eq!(client("10.0.0.1", &made_up), "198.51.100.1");
    // Several headers are one list.
    assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.1"]), "198.51.100.1");
    // All hops are ours: the first of them.
    assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    // Nothing beyond what can't be read.
    assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
}

#[test]
fn hops_come_with_ports_brackets_and_mapped_addresses() {
    assert_eq!(client("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
    assert_eq!(client("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
    assert_eq!(client("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    assert_eq!(client("::ffff:10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
}

fn base(peer: &str, pairs: &[(&'static str, &str)]) -> Result<String, StatusCode> {
    edge()
        .base_url(Some(peer.parse().unwrap()), &headers(pairs), None)
        .map(|url| BaseUrl(url).join("/notes/1"))
        .map_err(|problem| problem.status())
}

#[test]
fn links_are_made_of_an_allowed_host_with_its_port() {
    for (host, link) in [
        ("localhost:8080", "http://localhost:8080/notes/1"),
        ("LOCALHOST", "http://localhost/notes/1"),
        ("127.0.0.1:1", "http://127.0.0.1:1/notes/1"),
        ("[::1]:8080", "http://[::1]:8080/notes/1"),
    ] {
        assert_eq!(base("192.0.2.1", &[("host", host)]).unwrap(), link);
    }
}

#[test]
fn another_host_is_421() {
    for host in [
        "evil.example",
        "localhost.evil.example",
        "localhost:80@evil.example",
        "evil.example/localhost",
        "localhost/evil",
        "localhost#",
        "",
        "[::2]",
    ] {
        let status = base("192.0.2.1", &[("host", host)]).unwrap_err();
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    assert_eq!(base("192.0.2.1", &[]).unwrap_err(), StatusCode::MISDIRECTED_REQUEST);
}

#[test]
fn a_forwarded_host_counts_from_a_trusted_hop_and_must_be_allowed_too() {
    let forwarded = [
        ("host", "localhost:8290"),
        ("x-forwarded-host", "127.0.0.1:8080"),
        ("x-forwarded-proto", "https"),
    ];
    assert_eq!(base("10.0.0.1", &forwarded).unwrap(), "https://127.0.0.1:8080/notes/1");
    assert_eq!(base("192.0.2.1", &forwarded).unwrap(), "http://localhost:8290/notes/1");
    let evil = [("host", "localhost"), ("x-forwarded-host", "evil.example")];
    assert_eq!(base("10.0.0.1", &evil).unwrap_err(), StatusCode::MISDIRECTED_REQUEST);
}

#[test]
fn a_public_address_is_used_whatever_the_host_says() {
    let edge = Edge { public_url: Some("https://bank.example/api/".parse().unwrap()), ..edge() };
    let url = edge.base_url(None, &headers(&[("host", "evil.example")]), None).unwrap();
    assert_eq!(BaseUrl(url).join("/notes/1"), "https://bank.example/api/notes/1");
}

#[test]
fn http_2_names_the_host_in_its_address() {
    let url = edge().base_url(None, &HeaderMap::new(), Some("localhost:8080")).unwrap();
    assert_eq!(BaseUrl(url).join("notes"), "http://localhost:8080/notes");
}
