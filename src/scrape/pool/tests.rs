use super::*;
use crate::model::target_group::LabelMap;

fn config(text: &str) -> Arc<ScrapeConfig> {
    let text = format!("scrape_configs: [{{job_name: j, {text}}}]");
    let source = crate::config::load::Source {
        file: "test.yml",
        text: &text,
        files: &NoFiles,
        environment: &|_| None,
        features: crate::config::Features::default(),
    };
    let loaded = crate::config::load::load(&source).expect("valid");
    Arc::clone(&loaded.config.scrape_configs[0])
}

/// The configurations here name no files.
struct NoFiles;

impl crate::config::load::Files for NoFiles {
    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

fn group(source: &str, addresses: &[&str]) -> Arc<TargetGroup> {
    let own = |address: &&str| LabelMap::from([("__address__".to_owned(), (*address).to_owned())]);
    Arc::new(TargetGroup {
        source: source.to_owned(),
        labels: LabelMap::new(),
        targets: addresses.iter().map(own).collect(),
    })
}

fn urls(targets: &[Arc<Target>]) -> Vec<&str> {
    targets.iter().map(|target| &*target.url).collect()
}

/// The targets by address in memory: the same ones are the same objects.
fn pointers(pool: &Pool) -> Vec<*const Target> {
    pool.active().map(Arc::as_ptr).collect()
}

#[test]
fn unchanged_targets_are_not_built_again() {
    let (config, job) = (config(""), Arc::from("j"));
    let mut pool = Pool::default();
    let one = group("one", &["a:1", "b:1"]);
    pool.sync(
        &config,
        &job,
        &[Arc::clone(&one), group("two", &["c:1", "d:1"])],
    );
    let before = pointers(&pool);
    let sync = pool.sync(&config, &job, &[one, group("two", &["d:1", "e:1"])]);
    assert_eq!(urls(&sync.added), ["http://e:1/metrics"]);
    assert_eq!(urls(&sync.removed), ["http://c:1/metrics"]);
    let kept = pointers(&pool);
    let same = kept.iter().filter(|own| before.contains(own));
    assert_eq!(same.count(), 3);
}

#[test]
fn a_group_with_other_labels_or_another_configuration_is_built_anew() {
    let job = Arc::from("j");
    let mut pool = Pool::default();
    let old = config("");
    let plain = group("one", &["a:1"]);
    pool.sync(&old, &job, &[Arc::clone(&plain)]);
    let labelled = Arc::new(TargetGroup {
        labels: LabelMap::from([("site".to_owned(), "x".to_owned())]),
        ..TargetGroup::clone(&plain)
    });
    let sync = pool.sync(&old, &job, &[labelled]);
    assert_eq!((sync.added.len(), sync.removed.len()), (1, 1));
    assert_eq!(sync.added[0].identity.labels.get("site"), Some("x"));
    let new = config("scheme: https");
    let sync = pool.sync(&new, &job, &[plain]);
    assert_eq!(urls(&sync.added), ["https://a:1/metrics"]);
}

#[test]
fn dropped_and_wrong_targets_are_told_at_every_sync() {
    let drop = "relabel_configs: [{source_labels: [__address__], regex: 'b.*', action: drop}]";
    let (config, job) = (config(drop), Arc::from("j"));
    let mut pool = Pool::default();
    let groups = [group("one", &["a:1", "b:1", "http://x/"])];
    for _ in 0..2 {
        let sync = pool.sync(&config, &job, &groups);
        assert_eq!(
            (pool.active().count(), sync.failed, sync.errors.len()),
            (1, 1, 1)
        );
        assert_eq!(pool.dropped_count(), 1);
        assert_eq!(pool.dropped()[0].get("__address__"), Some("b:1"));
    }
}
