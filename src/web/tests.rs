mod bounds;
mod fake;

use std::io::{Read, Write};
use std::net::TcpStream;

use super::backend::*;
use super::*;
use crate::model::time::{Mono, Wall};
use crate::sys::clock::ManualClock;
use fake::Fake;

struct Web {
    server: ServerHandle,
    fake: Arc<Fake>,
    registry: Registry,
}

fn web(flag: &str, enable_lifecycle: bool, hostile: bool) -> Web {
    web_with(flag, enable_lifecycle, hostile, MemoryBudget::unlimited())
}

fn web_with(flag: &str, enable_lifecycle: bool, hostile: bool, memory: MemoryBudget) -> Web {
    let external_url = ExternalUrl::parse(flag, "127.0.0.1:9090", "edge7").expect("url");
    let text = str::to_owned;
    let options = WebOptions {
        route_prefix: external_url.route_prefix(""),
        external_url,
        enable_lifecycle,
        idle_timeout: Duration::from_secs(5),
        clients_max: 4,
        page_title: "Prometheus Agent".to_owned(),
        flags: vec![("agent".to_owned(), "true".to_owned())],
        build: BuildInfo {
            version: text("1.2.3"),
            revision: text("abc"),
            branch: text("main"),
            build_user: text("u"),
            build_date: text("20261122-03:53:22"),
            go_version: text("rustc 1.95.0"),
        },
    };
    let fake = Arc::new(Fake {
        hostile,
        ..Fake::default()
    });
    let backend: Arc<dyn Backend> = Arc::<Fake>::clone(&fake);
    let clock = Arc::new(ManualClock::new(Mono(1), Wall(1_795_319_692_000)));
    let listeners = vec![server::bind("127.0.0.1:0").expect("bind")];
    let registry = Registry::default();
    let guards = (memory, door::Door::default());
    let server = start(listeners, options, backend, registry.clone(), guards, clock);
    let server = server.expect("start");
    Web {
        server,
        fake,
        registry,
    }
}

impl Web {
    fn ask(&self, method: &str, path: &str, headers: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.server.addresses()[0]).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("timeout");
        let host = if headers.contains("Host: ") {
            ""
        } else {
            "Host: 127.0.0.1:1\r\n"
        };
        let request =
            format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("write");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head");
        (head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> (String, String) {
        self.ask("GET", path, "")
    }

    /// Status and body.
    fn status(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let (head, body) = self.ask(method, path, headers);
        (head[9..12].parse().expect("status"), body)
    }

    /// The data of a successful API answer.
    fn data(&self, path: &str) -> String {
        let (head, body) = self.get(path);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(
            head.contains("\r\nContent-Type: application/json\r\n"),
            "{head}"
        );
        let data = body
            .strip_prefix(r#"{"status":"success","data":"#)
            .expect("envelope");
        data.strip_suffix('}').expect("envelope").to_owned()
    }
}

#[test]
fn targets_are_those_of_prometheus_field_by_field() {
    let web = web("http://edge.example/", false, false);
    let unknown = r#"{"discoveredLabels":{"__address__":"a:1","job":"a"},"labels":{"instance":"a:1","note":"x\u003cy\u003e\u0026"},"scrapePool":"a","scrapeUrl":"http://127.0.0.1:2/metrics","globalUrl":"http://edge.example:2/metrics","lastError":"","lastScrape":"0001-01-01T00:00:00Z","lastScrapeDuration":0.0015,"health":"unknown","scrapeInterval":"1m30s","scrapeTimeout":"10s"}"#;
    let down = r#"{"discoveredLabels":{"__address__":"a:1","job":"z"},"labels":{"instance":"a:1","note":"x\u003cy\u003e\u0026"},"scrapePool":"z","scrapeUrl":"http://localhost:1/metrics?a=b","globalUrl":"http://edge.example:1/metrics?a=b","lastError":"connection refused","lastScrape":"2026-11-22T03:53:22.12Z","lastScrapeDuration":0.0015,"health":"down","scrapeInterval":"1m30s","scrapeTimeout":"10s"}"#;
    let dropped = r#"{"discoveredLabels":{"__address__":"b:1"},"scrapePool":"a"}"#;
    let answer = |active: &str, dropped: &str, counts: &str| {
        format!(
            r#"{{"activeTargets":[{active}],"droppedTargets":[{dropped}],"droppedTargetCounts":{counts}}}"#
        )
    };
    let both = format!("{unknown},{down}");
    let all = answer(&both, dropped, r#"{"a":7}"#);
    assert_eq!(web.data("/api/v1/targets"), all);
    assert_eq!(web.data("/api/v1/targets?state=ANY"), all);
    assert_eq!(
        web.data("/api/v1/targets?state=active"),
        answer(&both, "", "null")
    );
    let z = answer(down, "", "null");
    assert_eq!(web.data("/api/v1/targets?state=active&scrapePool=z"), z);
    assert_eq!(
        web.data("/api/v1/targets?state=dropped"),
        answer("", dropped, r#"{"a":7}"#)
    );
    assert_eq!(
        web.data("/api/v1/targets?state=bogus"),
        answer("", "", "null")
    );
    assert_eq!(
        web.data("/api/v1/scrape_pools"),
        r#"{"scrapePools":["a","z"]}"#
    );
}

#[test]
fn metadata_is_filtered_as_prometheus_filters_it() {
    let web = web("", false, false);
    assert_eq!(
        web.data("/api/v1/targets/metadata?metric=up&match_target=%7Bjob%3D~%22z.*%22%7D"),
        r#"[{"target":{"job":"z"},"type":"gauge","help":"Up.","unit":""}]"#
    );
    assert_eq!(
        web.data("/api/v1/targets/metadata?limit=1"),
        r#"[{"target":{"job":"a"},"metric":"up","type":"gauge","help":"Up.","unit":""},{"target":{"job":"a"},"metric":"x_total","type":"counter","help":"X.","unit":""}]"#
    );
    assert_eq!(web.data("/api/v1/targets/metadata?metric=none"), "[]");
    assert_eq!(
        web.data("/api/v1/metadata"),
        r#"{"up":[{"type":"gauge","unit":"","help":"Up."}],"x_total":[{"type":"counter","unit":"","help":"Other."},{"type":"counter","unit":"","help":"X."}]}"#
    );
    assert_eq!(
        web.data("/api/v1/metadata?limit=1&limit_per_metric=1"),
        r#"{"up":[{"type":"gauge","unit":"","help":"Up."}]}"#
    );
    assert_eq!(web.data("/api/v1/metadata?limit=0"), "{}");
    let bad = |error: &str| {
        (
            400,
            format!(r#"{{"status":"error","errorType":"bad_data","error":"{error}"}}"#),
        )
    };
    let get = |path| web.status("GET", path, "");
    assert_eq!(
        get("/api/v1/metadata?limit=x"),
        bad("limit must be a number")
    );
    assert_eq!(
        get("/api/v1/targets/metadata?match_target=%7B"),
        bad(
            r#"invalid parameter \"match_target\": 1:2: parse error: unexpected end of input inside braces"#
        )
    );
}

#[test]
fn status_answers_have_the_fields_of_prometheus() {
    let web = web("", true, false);
    for (path, data) in [
        ("config", r#"{"yaml":"global:\n  scrape_interval: 15s\n"}"#),
        ("flags", r#"{"agent":"true"}"#),
        (
            "losses",
            r#"[{"remote_name":"central","job":"node","reason":"budget","samples":4711,"first":"2026-11-22T03:53:22Z","last":"2026-11-22T03:53:23.5Z"}]"#,
        ),
        (
            "discovery",
            r#"{"providers":[{"mechanism":"file","jobs":["a"],"groups":1,"targets":2,"lastSuccess":"2026-11-22T03:53:22Z","lastError":"","lastErrorTime":"0001-01-01T00:00:00Z","lastRefreshDuration":0.015}]}"#,
        ),
        ("walreplay", r#"{"min":0,"max":0,"current":0}"#),
        (
            "buildinfo",
            r#"{"version":"1.2.3","revision":"abc","branch":"main","buildUser":"u","buildDate":"20261122-03:53:22","goVersion":"rustc 1.95.0"}"#,
        ),
        (
            "runtimeinfo",
            r#"{"startTime":"2026-11-22T03:53:22Z","CWD":"/var/lib/narthex","hostname":"edge7","serverTime":"2026-11-22T03:54:52Z","reloadConfigSuccess":true,"lastConfigTime":"2026-11-22T03:53:22Z","corruptionCount":0,"goroutineCount":9,"GOMAXPROCS":2,"GOMEMLIMIT":0,"GOGC":"","GODEBUG":"","storageRetention":""}"#,
        ),
    ] {
        assert_eq!(web.data(&format!("/api/v1/status/{path}")), data);
    }
    assert_eq!(
        web.data("/api/v1/features"),
        r#"{"api":{"admin":false,"lifecycle":true},"prometheus":{"agent_mode":true},"scrape":{"extra_scrape_metrics":true}}"#
    );
    assert!(web.get("/version").1.starts_with(r#"{"version":"1.2.3","#));
}

#[test]
fn relabelling_is_shown_rule_by_rule() {
    let web = web("", false, false);
    let path = "/api/v1/targets/relabel_steps";
    let data = |labels: &str| web.data(&format!("{path}?scrapePool=a&labels={labels}"));
    let rule = |regex: &str, target: &str, action: &str| {
        format!(
            r#""rule":{{"source_labels":["__address__"],"separator":";","regex":"{regex}",{target}"replacement":"$1","action":"{action}"}}"#
        )
    };
    let rules = [
        rule("(.*):.*", r#""target_label":"host","#, "replace"),
        rule("b:.*", "", "drop"),
        rule("(.*)", "", "keep"),
    ];
    let steps = |shown: [&str; 3]| {
        let steps = rules.iter().zip(shown);
        let steps: Vec<String> = steps
            .map(|(rule, own)| format!("{{{rule},{own}}}"))
            .collect();
        format!(r#"{{"steps":[{}]}}"#, steps.join(","))
    };
    let kept = r#""output":{"__address__":"a:1","host":"a"},"keep":true"#;
    assert_eq!(data("%7B%22__address__%22:%22a:1%22%7D"), steps([kept; 3]));
    let first = r#""output":{"__address__":"b:1","host":"b"},"keep":true"#;
    let gone = r#""output":{},"keep":false"#;
    let all = steps([first, gone, gone]);
    assert_eq!(data("%7B%22__address__%22:%22b:1%22%7D"), all);
    for (query, error) in [
        ("", "no scrapePool parameter provided"),
        ("scrapePool=a", "no labels parameter provided"),
        ("scrapePool=a&labels=x", "error parsing labels: "),
        (
            "scrapePool=x&labels=%7B%7D",
            r#"error retrieving scrape config: scrape pool \"x\" not found"#,
        ),
    ] {
        let (head, body) = web.get(&format!("{path}?{query}"));
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(body.contains(error), "{body}");
    }
}

#[test]
fn own_metrics_are_shown_as_the_fields_of_protobuf() {
    let web = web("", false, false);
    let registry = &web.registry;
    registry.counter("a_total", "A.", &[("x", "y")]).add(2.0);
    registry.gauge("b", "B.", &[]).set(f64::NAN);
    registry.histogram("c", "C.", &[], &[0.5]).observe(0.25);
    let data = |pattern: &str| {
        web.data(&format!(
            "/api/v1/status/self_metrics?metric_name_pattern={pattern}"
        ))
    };
    assert_eq!(
        data("[ab](_total)%3F"),
        r#"[{"name":"a_total","help":"A.","type":"COUNTER","metric":[{"label":[{"name":"x","value":"y"}],"counter":{"value":2}}]},{"name":"b","help":"B.","type":"GAUGE","metric":[{"gauge":{"value":"NaN"}}]}]"#
    );
    assert_eq!(
        data("c"),
        r#"[{"name":"c","help":"C.","type":"HISTOGRAM","metric":[{"histogram":{"sampleCount":"1","sampleSum":0.25,"bucket":[{"cumulativeCount":"1","upperBound":0.5},{"cumulativeCount":"1","upperBound":"Infinity"}]}}]}]"#
    );
    assert_eq!(data("nothing"), "[]");
    let (head, body) = web.get("/api/v1/status/self_metrics?metric_name_pattern=(");
    assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("invalid metric_name_pattern"));
}

#[test]
fn nobody_waits_for_notifications() {
    let web = web("", false, false);
    assert_eq!(web.data("/api/v1/notifications"), "[]");
    let (head, body) = web.get("/api/v1/notifications/live");
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!(body, "");
}

#[test]
fn what_only_a_server_has_is_unavailable() {
    let web = web("", false, false);
    let body =
        r#"{"status":"error","errorType":"execution","error":"unavailable with Prometheus Agent"}"#;
    for path in [
        "query",
        "query_range",
        "labels",
        "label/job/values",
        "series",
        "rules",
        "status/tsdb",
        "admin/tsdb/snapshot",
    ] {
        for method in ["GET", "POST"] {
            let answer = web.status(method, &format!("/api/v1/{path}"), "");
            assert_eq!(answer, (422, body.to_owned()), "{path}");
        }
    }
    for path in [
        "/nope",
        "/api/v1/nope",
        "/../etc/passwd",
        "/static/../Cargo.toml",
        "/debug/pprof/",
    ] {
        assert_eq!(
            web.status("GET", path, ""),
            (404, "404 page not found\n".to_owned()),
            "{path}"
        );
    }
    assert_eq!(web.status("POST", "/api/v1/write", "").0, 404);
    assert_eq!(web.status("POST", "/metrics", "").0, 405);
}

#[test]
fn probes_say_what_prometheus_says() {
    let web = web("", true, false);
    let get = |path| web.status("GET", path, "");
    assert_eq!(
        get("/-/healthy"),
        (200, "Prometheus Agent is Healthy.\n".to_owned())
    );
    assert_eq!(
        get("/-/ready"),
        (200, "Prometheus Agent is Ready.\n".to_owned())
    );
    assert_eq!(web.status("HEAD", "/-/ready", ""), (200, String::new()));
    assert_eq!(
        web.status("POST", "/-/quit", ""),
        (200, "Requesting termination... Goodbye!".to_owned())
    );
    let (head, body) = web.get("/-/ready");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("X-Prometheus-Stopping: true"));
    assert_eq!(body, "Service Unavailable");
}

#[test]
fn a_failing_log_shows_and_leaves_the_agent_ready() {
    let web = web("", false, true);
    let (status, body) = web.status("GET", "/-/ready", "");
    assert_eq!(status, 200);
    let (first, second) = body.split_once('\n').expect("two lines");
    assert_eq!(first, "Prometheus Agent is Ready.");
    assert!(second.starts_with("The log cannot be written, "), "{body}");
    let page = web.get("/agent").1;
    assert!(page.contains("; it cannot be written, samples are delivered from memory: "));
}

#[test]
fn lifecycle_needs_the_flag_the_method_and_the_same_site() {
    let closed = web("", false, false);
    let open = web("", true, false);
    let only = (405, "Only POST or PUT requests allowed".to_owned());
    for path in ["/-/quit", "/-/reload"] {
        for web in [&closed, &open] {
            assert_eq!(web.status("GET", path, ""), only);
            assert_eq!(web.status("DELETE", path, ""), only);
        }
        let disabled = (403, "Lifecycle API is not enabled.".to_owned());
        assert_eq!(closed.status("POST", path, ""), disabled);
        for headers in [
            "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\n",
            "Origin: http://evil.example\r\n",
            "Origin: null\r\n",
            // A name of an attacker that now leads here.
            "Host: evil.example:9090\r\nOrigin: http://evil.example:9090\r\n",
            "Host: evil.example:9090\r\nSec-Fetch-Site: same-origin\r\n",
        ] {
            assert_eq!(open.status("POST", path, headers).0, 403, "{headers}");
        }
    }
    assert_eq!(open.fake.readiness(), Readiness::Ready);
    let same = |host: &str| {
        format!("Host: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n")
    };
    for host in [
        "127.0.0.1:9090",
        "[::1]:9090",
        "192.0.2.7",
        "LocalHost:9090",
        "edge7:9090",
    ] {
        let reloaded = open.status("PUT", "/-/reload", &same(host));
        assert_eq!(reloaded, (200, String::new()), "{host}");
    }
    let named = web("https://edge.example/", true, false);
    assert_eq!(
        named.status("PUT", "/-/reload", &same("edge.example")).0,
        200
    );
    // Tools may call us what they like.
    let tool = "Host: any.example\r\n";
    assert_eq!(open.status("PUT", "/-/quit", tool).0, 200);
    assert_eq!(open.fake.readiness(), Readiness::Stopping);
}

#[test]
fn a_refused_configuration_is_told_to_who_asked() {
    let web = web("", true, true);
    let error = "failed to reload config: line 3: bad\n".to_owned();
    assert_eq!(web.status("POST", "/-/reload", ""), (500, error));
}

#[test]
fn the_status_page_escapes_everything_and_allows_no_script() {
    let web = web("", false, true);
    let (head, body) = web.get("/agent");
    assert!(head.contains("Content-Security-Policy: default-src 'none'; style-src 'self'"));
    assert!(
        head.contains("X-Content-Type-Options: nosniff") && head.contains("X-Frame-Options: DENY")
    );
    for forbidden in [
        "<script",
        "'><",
        "href=\"javascript",
        "href=javascript:x>",
        "style=",
        "\u{0}",
    ] {
        assert!(!body.contains(forbidden), "{forbidden} in {body}");
    }
    assert!(body.matches("&lt;script&gt;").count() >= 6);
    assert!(!web.get("/api/v1/targets").1.contains(['<', '>']));
}

#[test]
fn the_status_page_shows_what_is_going_on() {
    let web = web("", false, false);
    let body = web.get("/agent").1;
    for text in [
        "edge7, ready, up 1m30s",
        "Targets (0 of 2 up)",
        "connection refused",
        "2.5 s",
        "3.0 MB of 512MB",
        "Lost samples",
        "<td>budget</td><td class=\"n\">4711</td><td>2026-11-22T03:53:22Z</td>",
    ] {
        assert!(body.contains(text), "{text} in {body}");
    }
    assert!(
        web.get("/static/style.css")
            .0
            .contains("Content-Type: text/css")
    );
}

#[test]
fn a_prefix_holds_for_every_path() {
    let web = web("http://x.example/edge/", false, false);
    assert_eq!(web.status("GET", "/edge/-/healthy", "").0, 200);
    assert_eq!(web.status("GET", "/-/healthy", "").0, 404);
    let location = |path| {
        let head = web.get(path).0;
        let line = head.lines().find(|line| line.starts_with("Location: "));
        line.unwrap_or("none").to_owned()
    };
    assert_eq!(location("/"), "Location: /edge/");
    assert_eq!(location("/edge"), "Location: /edge/agent");
    assert_eq!(location("/edge/targets"), "Location: /edge/agent");
    assert!(
        web.get("/edge/agent")
            .1
            .contains("href=\"/edge/static/style.css\"")
    );
}

#[test]
fn requests_are_counted_by_route_but_unknown_paths_are_not() {
    let web = web("", false, false);
    web.get("/-/healthy");
    web.get("/no/such/path");
    let (head, page) = web.get("/metrics");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    let line = "prometheus_http_requests_total{code=\"200\",handler=\"/-/healthy\"} 1\n";
    assert!(page.contains(line), "{page}");
    assert!(page.contains(
        "prometheus_http_request_duration_seconds_bucket{handler=\"/-/healthy\",le=\"0.1\"} 1\n"
    ));
    assert!(!page.contains("no/such"));
    assert_eq!(web.registry.snapshot().len(), 3);
}
