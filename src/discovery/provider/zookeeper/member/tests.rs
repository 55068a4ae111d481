use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> LabelMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_serverset_member_gives_all_its_labels() {
    let data = br#"{"serviceEndpoint":{"host":"192.0.2.1","port":8080},
        "additionalEndpoints":{"http-admin":{"host":"192.0.2.1","port":9990},"v6":{"host":"::1","port":1}},
        "status":"ALIVE","shard":3,"unknown":[1]}"#;
    let expected = labels(&[
        ("__address__", "192.0.2.1:8080"),
        ("__meta_serverset_endpoint_host", "192.0.2.1"),
        ("__meta_serverset_endpoint_host_http_admin", "192.0.2.1"),
        ("__meta_serverset_endpoint_host_v6", "::1"),
        ("__meta_serverset_endpoint_port", "8080"),
        ("__meta_serverset_endpoint_port_http_admin", "9990"),
        ("__meta_serverset_endpoint_port_v6", "1"),
        ("__meta_serverset_path", "/svc/member_0"),
        ("__meta_serverset_shard", "3"),
        ("__meta_serverset_status", "ALIVE"),
    ]);
    assert_eq!(serverset(data, "/svc/member_0"), Ok(expected));
}

#[test]
fn a_nerve_member_gives_all_its_labels() {
    let data = br#"{"host":"2001:db8::1","port":80,"name":"i-1","weight":2}"#;
    let expected = labels(&[
        ("__address__", "[2001:db8::1]:80"),
        ("__meta_nerve_endpoint_host", "2001:db8::1"),
        ("__meta_nerve_endpoint_name", "i-1"),
        ("__meta_nerve_endpoint_port", "80"),
        ("__meta_nerve_path", "/n/i-1"),
    ]);
    assert_eq!(nerve(data, "/n/i-1"), Ok(expected));
}

#[test]
fn data_is_read_as_go_reads_it() {
    for (data, address) in [
        (r#"{"HOST":"a","Port":1}"#, "a:1"),
        (r#"{"host":"a","host":"b","port":1,"port":null}"#, "b:1"),
        (r#"{"port":-1}"#, ":-1"),
        ("{}", ":0"),
        (" null ", ":0"),
    ] {
        let found = nerve(data.as_bytes(), "/p").expect(data);
        assert_eq!(found["__address__"], address, "{data}");
    }
    let merged = r#"{"ServiceEndpoint":{"host":"a"},"serviceendpoint":{"port":2},"shard":null}"#;
    let found = serverset(merged.as_bytes(), "/p").expect("valid");
    assert_eq!(found["__address__"], "a:2");
    let found = serverset(br#"{"additionalEndpoints":{"x":null}}"#, "/p").expect("valid");
    assert_eq!(found["__meta_serverset_endpoint_port_x"], "0");
}

#[test]
fn what_is_no_member_is_told() {
    for (data, expected) in [
        ("", "EOF while parsing"),
        ("hello", "expected value"),
        ("[]", "expected an object"),
        (r#"{"host":"a","port":"80"}"#, "port: invalid type: string"),
        (r#"{"port":80.0}"#, "port: invalid type: floating point"),
        (r#"{"port":1e2}"#, "port: invalid type: floating point"),
        (r#"{"host":1}"#, "host: invalid type: integer"),
        (r#"{"host":"a"} x"#, "trailing characters"),
        (r#"{"host":"a""#, "EOF while parsing"),
    ] {
        let error = nerve(data.as_bytes(), "/p").expect_err(data);
        assert!(error.contains(expected), "{data}: {error}");
    }
    let error = serverset(br#"{"serviceEndpoint":5}"#, "/p").expect_err("a number");
    assert!(error.starts_with("serviceendpoint: "), "{error}");
    let long = format!("{{\"port\":\"{}\"}}", "x".repeat(10_000));
    assert!(nerve(long.as_bytes(), "/p").expect_err("text").len() < 300);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _read = (serverset(&bytes, "/p"), nerve(&bytes, "/p"));
    }

    #[test]
    fn any_member_is_found_with_its_address(host in "[a-z0-9.-]{1,30}", port in any::<i64>(), name in ".*") {
        let data = serde_json::json!({"host": host, "port": port, "name": name}).to_string();
        let found = nerve(data.as_bytes(), "/p").expect("valid");
        let address = format!("{host}:{port}");
        prop_assert_eq!(&found["__address__"], &address);
        prop_assert_eq!(&found["__meta_nerve_endpoint_name"], &name);
    }
}
