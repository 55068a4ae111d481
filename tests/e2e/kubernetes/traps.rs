//! Everything that real API servers and the way to them were seen to do, one trap each.
//!
//! In each a pod is known, the trap is sprung, and the cluster has changed meanwhile: the known pod
//! must never be missing until the change is seen, and the change must be seen.

use super::*;

/// A cluster with the pod `one`, and an agent that knows it.
struct Trap {
    api: KubeApi,
    agent: Agent,
}

impl Trap {
    fn new() -> Trap {
        let api = KubeApi::start();
        api.put("pods", pod("one", "10.0.0.1"));
        api.put("pods", pod("old", "10.0.0.8"));
        let agent = agent(&[job("k", &api, "role: pod")]);
        wait_for(&agent, &["10.0.0.1:80", "10.0.0.8:80"]);
        Trap { api, agent }
    }

    /// Changes the cluster so that only a list can tell.
    fn change_unseen(&self) {
        self.api
            .change_unseen("pods", pod("new", "10.0.0.2"), ("demo", "old"));
    }

    /// Makes the agent list again.
    fn make_it_list(&self) {
        self.api.compact();
        self.api.cut_watches();
    }

    /// Waits for the change; the pod that stayed must be there all the time.
    fn wait_for_change(&self) {
        let (agent, mut last) = (&self.agent, Vec::new());
        let done = wait::try_until(UPDATE, || {
            last = addresses(agent, "k");
            assert!(
                last.contains(&"10.0.0.1:80".to_owned()),
                "lost a target: {last:?}"
            );
            (last == ["10.0.0.1:80", "10.0.0.2:80"]).then_some(())
        });
        assert!(done.is_some(), "{last:?}; its log:\n{}", agent.log());
    }

    fn failures(&self) -> f64 {
        let failures = self
            .agent
            .metric("prometheus_sd_kubernetes_failures_total", "");
        failures.expect("the counter")
    }

    /// Springs traps for lists, one after the other.
    fn spring_lists(faults: Vec<Fault>) -> Trap {
        let trap = Trap::new();
        trap.change_unseen();
        for fault in faults {
            trap.api.spoil_list("pods", fault);
        }
        trap.make_it_list();
        trap.wait_for_change();
        assert!(trap.api.is_healed("pods"), "every fault was met");
        trap
    }

    /// Springs traps for watches, one after the other.
    fn spring_watches(faults: Vec<Fault>) -> Trap {
        let trap = Trap::new();
        for fault in faults {
            trap.api.spoil_watch("pods", fault);
        }
        trap.api.cut_watches();
        wait::until_true("all faults to be met", UPDATE, || {
            trap.api.is_healed("pods")
        });
        trap
    }

    /// The requests since the first list and watch.
    fn later(&self) -> Vec<bool> {
        let seen = self.api.seen("pods");
        seen.iter()
            .skip(2)
            .map(super::super::support::kube::Seen::is_watch)
            .collect()
    }
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason,
        "message": "for a reason"})
}

#[test]
fn lists_that_are_refused_cut_off_or_nonsense_cost_no_target() {
    let future = include_str!("../../data/kubernetes/error-504-future-rv.json");
    let forbidden = include_str!("../../data/kubernetes/error-403.json");
    let recorded = |text: &str| serde_json::from_str(text).expect("recorded");
    let trap = Trap::spring_lists(vec![
        Fault::Status(403, recorded(forbidden), ""),
        Fault::Cut(300),
        Fault::Status(504, recorded(future), ""),
        Fault::Body("<html>log in first</html>"),
    ]);
    assert_eq!(trap.failures(), 4.0);
    let log = trap.agent.log();
    assert!(
        log.contains("cannot list pods: server answered 403 Forbidden: pods is forbidden"),
        "{log}"
    );
}

#[test]
fn an_empty_answer_that_is_no_list_is_no_empty_cluster() {
    let trap = Trap::spring_lists(vec![Fault::Body("{}"), Fault::Body("{\"items\":[]}")]);
    assert_eq!(trap.failures(), 2.0);
}

#[test]
fn a_server_that_says_how_long_to_wait_is_heeded() {
    let trap = Trap::new();
    trap.change_unseen();
    trap.api.spoil_list(
        "pods",
        Fault::Status(429, status(429, "TooManyRequests"), "Retry-After: 5\r\n"),
    );
    let before = wait::now();
    trap.make_it_list();
    trap.wait_for_change();
    assert!(wait::now() - before >= Duration::from_secs(5));
}

#[test]
fn a_watch_of_a_version_that_expired_leads_to_a_list() {
    // As an event in an answer of 200, as real servers do it.
    let trap = Trap::spring_lists(Vec::new());
    assert_eq!(trap.later(), [true, false, true]);
    assert_eq!(trap.failures(), 0.0, "it is no failure");
}

#[test]
fn a_watch_refused_with_410_leads_to_a_list() {
    let trap = Trap::new();
    trap.change_unseen();
    trap.api
        .spoil_watch("pods", Fault::Status(410, status(410, "Expired"), ""));
    trap.api.cut_watches();
    trap.wait_for_change();
    assert_eq!(trap.later(), [true, false, true]);
    assert_eq!(trap.failures(), 0.0);
}

#[test]
fn other_errors_of_a_watch_are_counted_and_it_goes_on() {
    let trap = Trap::spring_watches(vec![
        Fault::Error(status(500, "InternalError")),
        Fault::Status(503, status(503, "ServiceUnavailable"), ""),
    ]);
    trap.api.delete("pods", ("demo", "old"));
    trap.api.put("pods", pod("new", "10.0.0.2"));
    trap.wait_for_change();
    assert_eq!(trap.failures(), 2.0);
    assert_eq!(trap.later(), [true, true, true], "no list was necessary");
}

#[test]
fn a_watch_cut_off_inside_an_event_goes_on_where_it_was() {
    let trap = Trap::spring_watches(vec![Fault::Cut(20)]);
    trap.api.delete("pods", ("demo", "old"));
    trap.api.put("pods", pod("new", "10.0.0.2"));
    trap.wait_for_change();
    assert_eq!(trap.later(), [true, true]);
    let seen = trap.api.seen("pods");
    let versions: Vec<&str> = seen[1..]
        .iter()
        .map(|one| one.parameter("resourceVersion"))
        .collect();
    assert!(
        versions.iter().all(|version| *version == versions[0]),
        "{versions:?}"
    );
}

#[test]
fn watches_that_never_say_a_word_lead_to_a_list() {
    let trap = Trap::new();
    trap.change_unseen();
    for _ in 0..3 {
        trap.api.spoil_watch("pods", Fault::Silent);
    }
    trap.api.cut_watches();
    trap.wait_for_change();
}

#[test]
fn a_bookmark_moves_the_version_so_that_it_does_not_expire() {
    let trap = Trap::new();
    trap.api.limit_watches(Duration::from_millis(300));
    // Changes elsewhere move the version, and only bookmarks tell of it.
    trap.api.put(
        "services",
        json!({"metadata": {"name": "s", "namespace": "demo"}}),
    );
    trap.api.cut_watches();
    let version = |index: usize| {
        let seen = trap.api.seen("pods");
        seen.get(index)
            .map(|one| one.parameter("resourceVersion").to_owned())
    };
    let moved = wait::until("some watches", UPDATE, || version(4));
    assert!(moved > version(1).expect("a watch"), "{moved}");
    assert!(
        trap.later().iter().all(|watch| *watch),
        "no list was necessary"
    );
}

#[test]
fn long_lists_come_in_pages_and_a_token_that_expired_in_one() {
    let api = KubeApi::start();
    for number in 0..1200 {
        api.put("pods", pod(&format!("p{number:04}"), "10.0.0.1"));
    }
    let agent = agent(&[job("k", &api, "role: pod")]);
    let known = |count: f64| {
        agent.metric("prometheus_sd_discovered_targets", "config=\"k\"") == Some(count)
    };
    wait::until_true("all pods", UPDATE, || known(1200.0));
    let pages = api.seen("pods");
    let tokens = pages
        .iter()
        .take(4)
        .map(|one| one.parameter("continue").is_empty());
    assert_eq!(tokens.collect::<Vec<_>>(), [true, false, false, true]);

    // Two pages are given, then the token has expired: a list of one page cannot.
    api.change_unseen("pods", pod("q", "10.0.0.1"), ("demo", "p0000"));
    api.delete("pods", ("demo", "p0001"));
    api.spoil_list("pods", Fault::Pass);
    let gone = json!({"kind": "Status", "code": 410, "reason": "Expired",
        "metadata": {"continue": "new"}});
    api.spoil_list("pods", Fault::Status(410, gone, ""));
    api.compact();
    api.cut_watches();
    wait::until_true("the other pods", UPDATE, || known(1199.0));
    let lists = api
        .seen("pods")
        .into_iter()
        .filter(|one| !one.is_watch())
        .skip(3);
    let limits: Vec<String> = lists.map(|one| one.parameter("limit").to_owned()).collect();
    assert_eq!(limits, ["500", "500", ""]);
    assert_eq!(
        agent.metric("prometheus_sd_kubernetes_failures_total", ""),
        Some(0.0)
    );
}

#[test]
fn a_namespace_that_is_forbidden_keeps_no_other_waiting() {
    let api = KubeApi::start();
    api.put("pods", pod("one", "10.0.0.1"));
    let mut elsewhere = pod("two", "10.0.0.2");
    elsewhere["metadata"]["namespace"] = json!("other");
    api.put("pods", elsewhere);
    for _ in 0..3 {
        api.spoil_list("pods", Fault::Status(403, status(403, "Forbidden"), ""));
    }
    let names = "role: pod, namespaces: {names: [demo, other, third]}";
    let agent = agent(&[job("k", &api, names)]);
    wait_for(&agent, &["10.0.0.1:80", "10.0.0.2:80"]);
    wait::until_true("a word about it", UPDATE, || {
        agent.log().contains("cannot list pods in ")
    });
}
