use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::config::yaml;
use crate::discovery::plan::{Plan, PlannedJob, PlannedProvider, plan};
use crate::discovery::testing::{SOON, addresses, config, env};
use crate::discovery::{DiscoveryHandle, start};
use crate::model::target_group::TargetSets;

fn read(text: &str) -> Result<Arc<dyn ProviderConfig>, String> {
    let document = yaml::parse(text).expect("yaml");
    parse(&Cursor::new(&document.root, "f")).map_err(|error| error.to_string())
}

#[test]
fn patterns_are_checked_as_prometheus_checks_them() {
    for good in ["a.yml", "a/*.json", "/x/*-y.YAML", "*.yaml", "a*b*.yml"] {
        assert!(read(&format!("files: ['{good}']")).is_ok(), "{good}");
    }
    for bad in ["a", "*/x.yml", "a.txt", "a.Yml", "*"] {
        let error = read(&format!("files: ['{bad}']")).expect_err(bad);
        let expected = format!("path name {bad:?} is not valid for file discovery");
        assert!(error.contains(&expected), "{error}");
    }
    let error = read("{}").expect_err("no files");
    let expected = "file service discovery config must contain at least one path name";
    assert!(error.contains(expected), "{error}");
}

/// Discovery of `*.yml` in a folder as job `f`.
struct Watched {
    handle: DiscoveryHandle,
    registry: Registry,
}

impl Watched {
    fn start(folder: &Path) -> Watched {
        Watched::start_with(&format!("{{files: ['{}/*.yml']}}", folder.display()))
    }

    fn start_with(entry: &str) -> Watched {
        let jobs = format!("- job_name: f\n  file_sd_configs: [{entry}]\n");
        let plan = plan(&config(&jobs)).expect("valid");
        let env = env();
        let registry = env.registry.clone();
        Watched {
            handle: start(plan, env).expect("started"),
            registry,
        }
    }

    fn wait_for(&self, expected: &[&str]) {
        self.wait_until(&format!("{expected:?}"), |sets| {
            addresses(sets, "f") == expected
        });
    }

    fn wait_until(&self, what: &str, pleases: impl Fn(&TargetSets) -> bool) {
        let (sets, wake) = self.handle.output();
        while !sets.load().contains_key("f") || !pleases(&sets.load()) {
            wake.recv_timeout(SOON)
                .unwrap_or_else(|_| panic!("not {what}: {:?}", sets.load()));
        }
    }
}

#[test]
fn files_are_found_at_once_and_followed_by_inotify() {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("a.yml"), "- targets: [a]\n").expect("written");
    let watched = Watched::start(folder.path());
    let (_, wake) = watched.handle.output();
    wake.recv_timeout(SOON).expect("published");
    watched.wait_for(&["a"]);
    // The interval is five minutes, so what follows is inotify's doing.
    let new = folder.path().join(".new");
    fs::write(&new, "- targets: [b, c]\n").expect("written");
    fs::rename(&new, folder.path().join("a.yml")).expect("renamed");
    watched.wait_for(&["b", "c"]);
    let path = folder.path().join("a.yml").display().to_string();
    let mtime = watched.registry.gauge(MTIME, "", &[("filename", &path)]);
    assert!(mtime.get() > 1.6e9, "{}", mtime.get());
    fs::remove_file(folder.path().join("a.yml")).expect("removed");
    watched.wait_for(&[]);
    watched.handle.stop().expect("stopped");
}

#[test]
fn a_symbolic_link_to_a_folder_may_be_swapped() {
    // As Kubernetes mounts a ConfigMap: files link to `..data/file`, `..data` to a version.
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    for (version, text) in [("v1", "- targets: [one]\n"), ("v2", "- targets: [two]\n")] {
        fs::create_dir(at(version)).expect("folder");
        fs::write(at(version).join("t.yml"), text).expect("written");
    }
    symlink("v1", at("..data")).expect("link");
    symlink("..data/t.yml", at("t.yml")).expect("link");
    let watched = Watched::start(folder.path());
    watched.wait_for(&["one"]);
    symlink("v2", at("..data_tmp")).expect("link");
    fs::rename(at("..data_tmp"), at("..data")).expect("swapped");
    watched.wait_for(&["two"]);
    watched.handle.stop().expect("stopped");
}

#[test]
fn a_thousand_torn_rewrites_cost_no_target() {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("t.yml");
    // Any prefix that ends in a line is a valid, shorter list.
    let line = |n: usize| format!("- targets: ['host{n}:9100']\n");
    let text: String = (0..20).map(line).collect();
    fs::write(&path, &text).expect("written");
    let watched = Watched::start(folder.path());
    watched.wait_until("20 targets", |sets| addresses(sets, "f").len() == 20);
    let (sets, wake) = watched.handle.output();
    let labels = [("name", "scrape")];
    let updates = watched
        .registry
        .counter("prometheus_sd_updates_total", "", &labels);
    let before = updates.get();
    for round in 0..1000 {
        let mut file = fs::File::create(&path).expect("truncated");
        for piece in text.as_bytes().chunks(150) {
            file.write_all(piece).expect("written");
            if round % 20 == 0 {
                // A slow writer; nothing is to happen, so the wait is for nothing.
                let _nothing = wake.recv_timeout(Duration::from_millis(5));
            }
        }
        drop(file);
        assert_eq!(addresses(&sets.load(), "f").len(), 20, "round {round}");
    }
    assert_eq!(updates.get(), before, "nothing was published in between");
    fs::write(&path, line(99)).expect("written");
    watched.wait_for(&["host99:9100"]);
    let errors = "prometheus_sd_file_read_errors_total";
    assert_eq!(watched.registry.counter(errors, "", &[]).get(), 0.0);
    watched.handle.stop().expect("stopped");
}

#[test]
fn a_broken_file_keeps_its_targets_and_is_counted() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yml"), "- targets: [a]\n").expect("written");
    fs::write(at("b.yml"), "- targets: [b]\n").expect("written");
    let watched = Watched::start(folder.path());
    watched.wait_for(&["a", "b"]);
    fs::write(at("a.yml"), "- targets: {not: a list}\n").expect("written");
    fs::write(at("b.yml"), "- targets: [c]\n").expect("written");
    watched.wait_for(&["a", "c"]);
    let errors = "prometheus_sd_file_read_errors_total";
    assert!(watched.registry.counter(errors, "", &[]).get() >= 1.0);
    watched.handle.stop().expect("stopped");
}

#[test]
fn a_folder_may_appear_later_and_without_inotify_too() {
    let folder = tempfile::tempdir().expect("folder");
    let later = folder.path().join("later");
    let watched = Watched::start_with(&format!(
        "{{files: ['{}/*.yml'], refresh_interval: 100ms}}",
        later.display()
    ));
    watched.wait_for(&[]);
    fs::create_dir(&later).expect("folder");
    fs::write(later.join("a.yml"), "- targets: [a]\n").expect("written");
    watched.wait_for(&["a"]);
    watched.handle.stop().expect("stopped");
}

#[test]
fn what_is_not_there_is_no_failure_of_the_watch() {
    let mut watch = DirWatch::new(vec!["/nonexistent".into()]);
    assert_eq!(watch.follow(), 0);
    assert!(watch.failure().is_none());
}

/// File discovery on a host without inotify.
#[derive(Clone, Debug, PartialEq)]
struct WithoutInotify(FileConfig);

impl ProviderConfig for WithoutInotify {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let mut provider = self.0.provider(context);
        provider.watch = Some(DirWatch::broken());
        Ok(Opened::new(Runner::Watch(Box::new(provider))))
    }
}

#[test]
fn without_inotify_the_interval_remains_and_the_loop_does_not_spin() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.yml");
    fs::write(&path, "- targets: [a]\n").expect("written");
    let config = WithoutInotify(FileConfig {
        files: vec![format!("{}/*.yml", folder.path().display())],
        refresh_interval: Duration::from_millis(100),
    });
    let plan = Plan {
        jobs: vec![PlannedJob {
            name: "f".into(),
            providers: vec![0],
        }],
        providers: vec![PlannedProvider {
            mechanism: "file",
            label: "f".into(),
            config: Arc::new(config),
        }],
    };
    let env = env();
    let (clock, registry) = (Arc::clone(&env.clock), env.registry.clone());
    let began = clock.mono();
    let handle = start(plan, env).expect("started");
    let watched = Watched { handle, registry };
    watched.wait_for(&["a"]);
    fs::write(&path, "- targets: [b]\n").expect("written");
    watched.wait_for(&["b"]);
    let name = "prometheus_sd_file_scan_duration_seconds";
    let scans = watched.registry.summary(name, "", &[], &[]).count();
    let intervals = clock.mono().since(began).as_millis() / 100;
    // One per interval, one more to see whether the change has settled, and the first.
    let most = u64::try_from(intervals).expect("short") * 2 + 4;
    assert!(scans <= most, "{scans} scans, at most {most}");
    watched.handle.stop().expect("stopped");
}
