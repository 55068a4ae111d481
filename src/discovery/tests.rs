use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::bounded;

use super::manager::Update;
use super::plan::plan;
use super::testing::{Puppet, SOON, addresses, config, env, group, plan_of};
use super::*;
use crate::limits;
use crate::telemetry::registry::Metric;

/// Waits until the published sets please.
fn wait_for(handle: &DiscoveryHandle, what: &str, pleases: impl Fn(&TargetSets) -> bool) {
    let (sets, wake) = handle.output();
    while !pleases(&sets.load()) {
        wake.recv_timeout(SOON)
            .unwrap_or_else(|_| panic!("{what}: never published; now {:?}", sets.load()));
    }
}

fn has(job: &'static str, expected: &'static [&'static str]) -> impl Fn(&TargetSets) -> bool {
    move |sets| sets.contains_key(job) && addresses(sets, job) == expected
}

/// Sends one group and waits for the end.
fn delivers(name: &'static str, target: &'static str) -> Puppet {
    Puppet::new(name, move |outlet| {
        let _sent = outlet.send(Update::Full(vec![group("s", &[target])]));
        let _stopped = outlet.wait(SOON);
        Ok(())
    })
}

fn metric(registry: &Registry, name: &str) -> f64 {
    let families = registry.snapshot();
    let family = families.iter().find(|(own, _)| *own == name);
    let metrics = family
        .into_iter()
        .flat_map(|(_, family)| family.metrics.values());
    metrics
        .map(|metric| match metric {
            Metric::Counter(counter) => counter.get(),
            Metric::Gauge(gauge) => gauge.get(),
            Metric::Histogram(histogram) => histogram.sum(),
            Metric::Summary(summary) => summary.sum(),
        })
        .sum()
}

#[test]
fn static_targets_are_published_at_once_and_empty_jobs_too() {
    let jobs = "
- job_name: j
  static_configs: [{targets: [a, b]}, {targets: [c]}]
- job_name: empty
";
    let plan = plan(&config(jobs)).expect("valid");
    let env = env();
    let registry = env.registry.clone();
    let handle = start(plan, env).expect("started");
    wait_for(&handle, "static", has("j", &["a", "b", "c"]));
    assert!(has("empty", &[])(&handle.output().0.load()));
    assert_eq!(metric(&registry, "prometheus_sd_discovered_targets"), 3.0);
    assert_eq!(metric(&registry, "prometheus_sd_updates_total"), 1.0);
    let status = handle.status();
    assert_eq!((status[0].mechanism, status[0].targets), ("static", 3));
    assert_eq!((status[0].groups, status[0].last_refresh), (2, None));
    handle.stop().expect("stopped");
}

#[test]
fn jobs_with_the_same_provider_share_one_thread() {
    let puppet = delivers("p", "a");
    let handle = start(plan_of(&[("j", &[&puppet]), ("k", &[&puppet])]), env()).expect("started");
    wait_for(&handle, "j", has("j", &["a"]));
    wait_for(&handle, "k", has("k", &["a"]));
    assert_eq!(puppet.opens.1.len(), 1);
    let jobs: Vec<_> = handle.status()[0]
        .jobs
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(jobs, ["j", "k"]);
    handle.stop().expect("stopped");
}

#[test]
fn a_reload_keeps_providers_that_did_not_change_and_stops_the_others() {
    let (gone_tx, gone) = bounded(1);
    let stays = delivers("stays", "a");
    let goes = Puppet::new("goes", move |outlet| {
        let _sent = outlet.send(Update::Full(vec![group("s", &["b"])]));
        assert!(!outlet.wait(SOON));
        gone_tx.send(()).expect("heard");
        Ok(())
    });
    let handle = start(plan_of(&[("j", &[&stays, &goes])]), env()).expect("started");
    wait_for(&handle, "both", has("j", &["a", "b"]));
    assert!(handle.apply(plan_of(&[("j", &[&stays]), ("new", &[&stays])])));
    wait_for(&handle, "one", |sets| {
        has("j", &["a"])(sets) && has("new", &["a"])(sets)
    });
    gone.recv_timeout(SOON).expect("stopped");
    assert_eq!(stays.opens.1.len(), 1, "not started again");
    assert_eq!(handle.status().len(), 1);
    handle.stop().expect("stopped");
}

#[test]
fn a_panic_costs_only_its_provider_which_is_started_again() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let panics = Puppet::new("panics", move |outlet| {
        assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "first run");
        let _sent = outlet.send(Update::Full(vec![group("s", &["again"])]));
        let _stopped = outlet.wait(SOON);
        Ok(())
    });
    let other = delivers("other", "b");
    let env = env();
    let registry = env.registry.clone();
    let handle = start(plan_of(&[("j", &[&panics]), ("k", &[&other])]), env).expect("started");
    wait_for(&handle, "other", has("k", &["b"]));
    wait_for(&handle, "again", has("j", &["again"]));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(metric(&registry, "narthex_sd_panics_total"), 1.0);
    handle.stop().expect("stopped");
}

#[test]
fn a_provider_that_cannot_be_created_is_counted_and_the_others_go_on() {
    let refuses = Puppet {
        refuses: true,
        ..delivers("refuses", "a")
    };
    let other = delivers("other", "b");
    let env = env();
    let registry = env.registry.clone();
    let handle = start(plan_of(&[("j", &[&refuses, &other])]), env).expect("started");
    wait_for(&handle, "other", has("j", &["b"]));
    assert_eq!(metric(&registry, "prometheus_sd_failed_configs"), 1.0);
    let (_, error) = handle.status()[0].last_error.clone().expect("shown");
    assert_eq!(error, "no");
    handle.stop().expect("stopped");
}

#[test]
fn too_many_targets_are_refused_shown_and_counted() {
    let floods = Puppet::new("floods", |outlet| {
        let flood = vec!["x"; limits::SD_TARGETS_PER_PROVIDER + 1];
        let _sent = outlet.send(Update::Full(vec![group("s", &["good"])]));
        let _sent = outlet.send(Update::Full(vec![group("s", &flood)]));
        let _sent = outlet.send(Update::Changed(vec![group("t", &["after"])]));
        let _stopped = outlet.wait(SOON);
        Ok(())
    });
    let env = env();
    let registry = env.registry.clone();
    let handle = start(plan_of(&[("j", &[&floods])]), env).expect("started");
    wait_for(&handle, "good", has("j", &["good", "after"]));
    assert_eq!(metric(&registry, "narthex_sd_refused_updates_total"), 1.0);
    handle.stop().expect("stopped");
}

#[test]
fn a_complaint_outlives_the_update_it_belongs_to_and_no_other() {
    let (go_on, wait) = bounded::<()>(1);
    let complains = Puppet::new("complains", move |outlet| {
        outlet.complain(&std::io::Error::other("one file is torn"));
        let _sent = outlet.send(Update::Full(vec![group("s", &["a"])]));
        wait.recv().expect("told");
        let _sent = outlet.send(Update::Full(vec![group("s", &["b"])]));
        let _stopped = outlet.wait(SOON);
        Ok(())
    });
    let handle = start(plan_of(&[("j", &[&complains])]), env()).expect("started");
    wait_for(&handle, "a", has("j", &["a"]));
    let (_, error) = handle.status()[0].last_error.clone().expect("shown");
    assert_eq!(error, "one file is torn");
    assert!(handle.status()[0].last_success.is_some());
    go_on.send(()).expect("told");
    wait_for(&handle, "b", has("j", &["b"]));
    assert_eq!(handle.status()[0].last_error, None);
    handle.stop().expect("stopped");
}

#[test]
fn stopping_is_not_held_up_by_a_provider_that_floods_the_manager() {
    let floods = Puppet::new("floods", |outlet| {
        while outlet.send(Update::Full(vec![group("s", &["x"])])) {}
        Ok(())
    });
    let handle = start(plan_of(&[("j", &[&floods])]), env()).expect("started");
    wait_for(&handle, "x", has("j", &["x"]));
    let (_, wake) = handle.output();
    handle.stop().expect("stopped");
    while wake.try_recv().is_ok() {}
    assert!(wake.recv().is_err(), "the output ends with the thread");
}
