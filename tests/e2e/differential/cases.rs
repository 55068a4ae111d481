//! The table of cases. To add one: a line here and its page in `pages`.

use super::pages as p;
use super::{Case, Script};

/// The scrape of the first target at which the second one is removed from the target file.
pub(crate) const REMOVED_AT: usize = 4;

/// Scrapes of a vanishing target that both agents surely see.
pub(crate) const VANISHES_AT: usize = 2;

const RELABEL: &str = "
metrics_path: /page
params: {a: ['1', '2'], b: [x y]}
relabel_configs:
- {source_labels: [__address__], regex: '(.+):\\d+', target_label: host}
- {source_labels: [__param_a, job], separator: '/', target_label: joined}
- {target_label: __param_a, replacement: changed}
- {target_label: __param_c, replacement: added}
- {source_labels: [job], modulus: 13, target_label: hashed, action: hashmod}
- {regex: 'meta_(.+)', replacement: 'mapped_$1', action: labelmap}
- {regex: 'meta_.*', action: labeldrop}
- {source_labels: [mapped_one], target_label: shout, action: uppercase}
- {source_labels: [mapped_two], target_label: whisper, action: lowercase}
- {source_labels: [mapped_two], regex: 'No match', target_label: unset}
- {source_labels: [job], regex: 'rel(.).*', target_label: 'by_$1', replacement: '${1}x$$'}
- {source_labels: [job], regex: nothing, action: drop}
- {source_labels: [job], regex: 'relabel', action: keep}
static_configs:
- {targets: ['{0}'], labels: {meta_one: quiet, meta_two: LOUD, mapped_one: loses}}";

const RELABEL_DROPS: &str = "
relabel_configs:
- {source_labels: [tag], regex: 'want.*', action: keep}
- {source_labels: [tag], regex: '.*ed', target_label: job, replacement: relabel_drops.seen}
static_configs:
- {targets: ['{0}'], labels: {tag: unwanted}}
- {targets: ['{0}'], labels: {tag: wanted}}";

const METRIC_RELABEL: &str = "
metric_relabel_configs:
- {source_labels: [__name__], regex: 'drop_.*', action: drop}
- {source_labels: [__name__], regex: '(rename)_(.*)', replacement: '${2}_$1', target_label: __name__}
- {source_labels: [upper], target_label: lower, action: lowercase}
- {source_labels: [a], modulus: 7, target_label: bucket, action: hashmod}
- {regex: 'tmp_(.*)', replacement: 'kept_$1', action: labelmap}
- {regex: 'tmp_.*|upper', action: labeldrop}
- {source_labels: [a], target_label: b, action: dropequal}
- {source_labels: [a], regex: '', target_label: a, replacement: filled}
- {regex: c, action: labeldrop}";

const METRIC_KEEP: &str = "
metric_relabel_configs:
- {source_labels: [a], target_label: c, action: keepequal}
- {regex: '__name__|a|job|instance|case|path', action: labelkeep}
- {source_labels: [__name__], regex: 'asked', target_label: path, replacement: ''}";

const fn case(name: &'static str, job: &'static str, targets: &'static [Script]) -> Case {
    Case {
        name,
        job,
        targets,
        lasting: targets.len(),
    }
}

static CASES: &[Case] = &[
    case("counters", "", &[p::counters]),
    case("gauges", "", &[p::gauges]),
    case("histogram", "", &[p::histogram]),
    case("summary", "", &[p::summary]),
    case("untyped", "", &[p::untyped]),
    case("metadata", "", &[p::metadata]),
    case("special_floats", "", &[p::special_floats]),
    case("spelling", "", &[p::odd_0, p::odd_8]),
    case("timestamps_honoured", "", &[p::timestamps]),
    case(
        "timestamps_ignored",
        "honor_timestamps: false",
        &[p::timestamps],
    ),
    case("timestamps_end", "", &[p::stamps_that_end]),
    case("timestamps_future", "", &[p::far_future]),
    case("timestamps_backwards", "", &[p::backwards]),
    case("timestamps_repeated", "", &[p::repeated_stamp]),
    case("duplicates", "", &[p::duplicates]),
    case("disappearing", "", &[p::disappearing]),
    case("flapping", "", &[p::flapping]),
    case("always_500", "", &[p::always_500]),
    Case {
        name: "vanishing",
        job: "file_sd_configs: [{files: ['{dir}/vanishing.json']}]",
        targets: &[p::vanisher_keeper, p::vanisher],
        lasting: 1,
    },
    case(
        "file_targets",
        "file_sd_configs: [{files: ['{dir}/file_targets.json']}]",
        &[p::gauges],
    ),
    case("cut", "", &[p::cut]),
    case("reset", "", &[p::reset]),
    case("slow", "scrape_timeout: 300ms", &[p::slow]),
    case("oversized", "body_size_limit: 1KB", &[p::oversized]),
    case(
        "oversized_gzip",
        "body_size_limit: 1KB",
        &[p::oversized_gzip],
    ),
    case(
        "honor_off",
        "metrics_path: /honor_off\nstatic_configs: [{targets: ['{0}'], labels: {team: t}}]",
        &[p::label_conflicts],
    ),
    case(
        "honor_on",
        "metrics_path: /honor_on\nhonor_labels: true\n\
         static_configs: [{targets: ['{0}'], labels: {team: t}}]",
        &[p::label_conflicts],
    ),
    case("report_names", "", &[p::report_names]),
    case("relabel", RELABEL, &[p::relabelled]),
    case("relabel_drops", RELABEL_DROPS, &[p::gauges]),
    case("metric_relabel", METRIC_RELABEL, &[p::relabelled]),
    case("metric_keep", METRIC_KEEP, &[p::relabelled]),
    case("sample_limit", "sample_limit: 5", &[p::many_samples]),
    case("label_limit", "label_limit: 5", &[p::many_labels]),
    case(
        "label_name_length",
        "label_name_length_limit: 10",
        &[p::long_names],
    ),
    case(
        "label_value_length",
        "label_value_length_limit: 30",
        &[p::long_values],
    ),
    case("target_limit", "target_limit: 1", &[p::gauges, p::counters]),
    case(
        "basic_auth",
        "basic_auth: {username: scraper, password: s3cret}",
        &[p::needs_basic],
    ),
    case(
        "bearer",
        "authorization: {credentials: t0ken}",
        &[p::needs_bearer],
    ),
    case("no_credentials", "", &[p::needs_basic]),
    case("redirected", "", &[p::redirected]),
    case(
        "not_redirected",
        "follow_redirects: false",
        &[p::redirected],
    ),
    case("gzipped", "", &[p::gzipped]),
    case("empty", "", &[p::empty]),
    case("exemplars", "", &[p::exemplars]),
    case("lasting_exemplars", "", &[p::lasting_exemplars]),
    case("open_metrics", "", &[p::open_metrics]),
    case(
        "refused",
        "",
        &[p::refused_0, p::refused_4, p::refused_8, p::refused_12],
    ),
    case("refused_openmetrics", "", &[p::refused_openmetrics]),
    case("node_exporter", "", &[p::node_exporter]),
    case("haproxy", "", &[p::haproxy]),
    case("consul", "", &[p::consul]),
    case("etcd", "", &[p::etcd]),
    case("prometheus_om", "", &[p::prometheus_om]),
];

/// All cases, in order.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter()
}
