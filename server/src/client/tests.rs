use super::*;
use http::HeaderValue;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn source(text: &str) -> Source {
    Source::of(ip(text))
}

fn proxies(header: ForwardedHeader) -> Proxies {
    let trusted: Vec<IpNet> =
        ["10.0.0.0/8", "2001:db8:1::/48"].iter().map(|net| net.parse().unwrap()).collect();
    Proxies::new(&trusted, header)
}

fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

fn by_x(peer: &str, lines: &[&str]) -> Source {
    proxies(ForwardedHeader::XForwardedFor).source(Some(ip(peer)), &headers("x-forwarded-for", lines))
}

#[test]
fn a_stranger_s_headers_say_nothing() {
    assert_eq!(by_x("203.0.113.9", &["198.51.100.1"]), source("203.0.113.9"));
    let nobody = Proxies::default();
    let written = headers("x-forwarded-for", &["198.51.100.1"]);
    assert_eq!(nobody.source(Some(ip("127.0.0.1")), &written), source("127.0.0.1"));
    assert_eq!(nobody.source(None, &written), Source::UNKNOWN);
}

#[test]
fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
    assert_eq!(by_x("10.0.0.1", &["198.51.100.1"]), source("198.51.100.1"));
    // What stands further left the client wrote itself.
    assert_eq!(by_x("10.0.0.1", &["10.9.9.9, 1.2.3.4, 198.51.100.1, 10.0.0.2"]), source("198.51.100.1"));
    assert_eq!(by_x("10.0.0.1", &["1.2.3.4", "198.51.100.1 ,10.0.0.2"]), source("198.51.100.1"));
    // All of them ours: the first is who asked.
    assert_eq!(by_x("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), source("10.0.0.3"));
    assert_eq!(by_x("10.0.0.1", &[]), source("10.0.0.1"));
    assert_eq!(by_x("::ffff:10.0.0.1", &["[2001:db8:9::1]:443, 10.0.0.2:80"]), source("2001:db8:9::1"));
}

#[test]
fn what_is_no_address_ends_the_walk_at_the_proxy_that_passed_it_on() {
    for garbage in ["unknown", "", "_hidden", "198.51.100.1.", "1.2.3", "é", "[1.2.3.4]", "1.2.3.4:99999"] {
        assert_eq!(
            by_x("10.0.0.1", &[&format!("198.51.100.1, {garbage}, 10.0.0.2")]),
            source("10.0.0.2"),
            "{garbage}"
        );
    }
}

#[test]
fn forwarded_is_read_where_it_is_the_header_that_was_configured() {
    let read = |lines: &[&str]| {
        proxies(ForwardedHeader::Forwarded).source(Some(ip("10.0.0.1")), &headers("forwarded", lines))
    };
    assert_eq!(read(&["for=198.51.100.1"]), source("198.51.100.1"));
    assert_eq!(
        read(&["for=1.2.3.4, proto=https;For=\"[2001:db8:9::1]:80\";by=10.0.0.2"]),
        source("2001:db8:9::1")
    );
    for garbage in ["for=unknown", "for=_x", "by=1.2.3.4", "for=1.1.1.1;for=2.2.2.2", "for=\"1.2.3.4"] {
        assert_eq!(read(&[garbage]), source("10.0.0.1"), "{garbage}");
    }
    let other = headers("x-forwarded-for", &["198.51.100.1"]);
    assert_eq!(
        proxies(ForwardedHeader::Forwarded).source(Some(ip("10.0.0.1")), &other),
        source("10.0.0.1"),
        "the other header is a stranger's"
    );
}

#[test]
fn one_subscriber_of_ipv6_is_one_source() {
    assert_eq!(source("2001:db8:5:6:1::1"), source("2001:db8:5:6:ffff:ffff:ffff:ffff"));
    assert_ne!(source("2001:db8:5:6::1"), source("2001:db8:5:7::1"));
    assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    assert_eq!(source("2001:db8:5:6::1").to_string(), "2001:db8:5:6::/64");
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        // Often one of ours.
        (0..=0xff_ffff_u32).prop_map(|low| IpAddr::V4((0x0a00_0000 | low).into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever a client writes in front of what our proxies append, it is counted as who it is.
    #[test]
    fn nobody_changes_his_source_by_what_he_writes(
        client in any_address(),
        hops in prop::collection::vec(0..=0xff_ffff_u32, 0..4),
        written in prop::collection::vec("[ -~]{0,40}", 0..4),
    ) {
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        prop_assume!(!proxies.trusts(client));
        let appended: Vec<String> = std::iter::once(client.to_string())
            .chain(hops.iter().map(|low| IpAddr::V4((0x0a00_0000 | low).into()).to_string()))
            .collect();
        let mut lines: Vec<String> = written;
        lines.push(appended.join(", "));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(
            proxies.source(Some(ip("10.0.0.1")), &headers("x-forwarded-for", &lines)),
            Source::of(client)
        );
    }

    /// Whatever the bytes, somebody is found: the peer, one of ours, or an address that stands there.
    #[test]
    fn any_header_is_read_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let line: Vec<u8> = line.into_iter().filter(|byte| *byte >= 32 && *byte != 127).collect();
        for (header, name) in
            [(ForwardedHeader::Forwarded, "forwarded"), (ForwardedHeader::XForwardedFor, "x-forwarded-for")]
        {
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_bytes(&line).unwrap());
            let found = proxies(header).source(Some(ip("10.0.0.1")), &headers);
            prop_assert_ne!(found, Source::UNKNOWN);
        }
    }
}
