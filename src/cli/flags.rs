//! Every flag, as one table: parsing, `--help` and `/api/v1/status/flags` come from it.
//!
//! Names and meanings are those of Prometheus in agent mode; defaults differ where a small
//! machine at the edge wants something else, and the help says so.

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing: `--x` or `--no-x`.
    Switch,
    /// A value: `--x=v` or `--x v`.
    Value,
    /// A value, and the flag may be given again.
    Values,
}

/// What narthex does with a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has its effect.
    Used,
    /// It is accepted and has no effect, for this reason.
    Ignored(&'static str),
    /// It is refused; this says what to do instead.
    Refused(&'static str),
    /// It belongs to a Prometheus server.
    ServerOnly,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// Empty for none.
    pub(super) default: &'static str,
    pub(super) role: Role,
    /// Empty for flags without effect.
    pub(super) help: &'static str,
}

const fn used(name: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        shape,
        default,
        role: Role::Used,
        help,
    }
}

const fn ignored(
    name: &'static str,
    shape: Shape,
    default: &'static str,
    reason: &'static str,
) -> Flag {
    Flag {
        name,
        shape,
        default,
        role: Role::Ignored(reason),
        help: "",
    }
}

const fn refused(name: &'static str, shape: Shape, instead: &'static str) -> Flag {
    Flag {
        name,
        shape,
        default: "",
        role: Role::Refused(instead),
        help: "",
    }
}

const fn server(name: &'static str, shape: Shape) -> Flag {
    Flag {
        name,
        shape,
        default: "",
        role: Role::ServerOnly,
        help: "",
    }
}

use Shape::{Switch, Value, Values};

/// Reasons that several flags share.
const NO_GO: &str = "narthex has no Go runtime";
const NO_PAGES: &str = "narthex has one status page and no consoles";
const OWN_LOG: &str = "narthex has its own log format";
const BUDGET: &str =
    "samples are kept until they are delivered or --storage.agent.max-bytes is full";
const NO_RECEIVER: &str = "send to the endpoint directly, or to another agent; \
                           'narthex receive' shows what arrives, for tests";

/// All flags in the order of `--help`.
pub(super) const FLAGS: &[Flag] = &[
    used(
        "config.file",
        Value,
        "prometheus.yml",
        "Prometheus configuration file path.",
    ),
    used(
        "config.auto-reload",
        Switch,
        "false",
        "Reload the configuration when a file of it has changed.",
    ),
    used(
        "config.auto-reload-interval",
        Value,
        "30s",
        "How often to look for changed files; at least 1s.",
    ),
    used(
        "web.listen-address",
        Values,
        "127.0.0.1:9090",
        "Address to listen on for the status page, API and metrics. Can be repeated. Prometheus listens on every address; write 0.0.0.0:9090 for that.",
    ),
    used(
        "web.config.file",
        Value,
        "",
        "Path to a file that secures the web side: TLS, users with passwords, headers. As in Prometheus.",
    ),
    used(
        "web.read-timeout",
        Value,
        "5m",
        "How long an idle connection is kept.",
    ),
    used(
        "web.max-connections",
        Value,
        "32",
        "Maximum number of simultaneous connections across all listeners.",
    ),
    used(
        "web.external-url",
        Value,
        "",
        "URL under which this agent is reachable from outside. If it has a path, that path prefixes all endpoints.",
    ),
    used(
        "web.route-prefix",
        Value,
        "",
        "Prefix of all endpoints. Defaults to the path of --web.external-url.",
    ),
    used(
        "web.enable-lifecycle",
        Switch,
        "false",
        "Enable shutdown and reload by HTTP request.",
    ),
    used(
        "web.page-title",
        Value,
        "narthex",
        "Title of the status page.",
    ),
    used(
        "storage.agent.path",
        Value,
        "data-agent/",
        "Folder for the samples that are not delivered yet.",
    ),
    used(
        "storage.agent.max-bytes",
        Value,
        "512MB",
        "Disk space for samples that are not delivered yet. When it is full, the oldest go first.",
    ),
    used(
        "storage.agent.retention.max-time",
        Value,
        "0s",
        "Age at which samples are given up although they are not delivered. 0 keeps them as long as there is space.",
    ),
    used(
        "storage.agent.sync-interval",
        Value,
        "10s",
        "How much a loss of power may cost. Shorter wears flash memory more.",
    ),
    used(
        "storage.agent.staging-path",
        Value,
        "auto",
        "Folder in a tmpfs for samples that will be delivered before they need to be on disk, which spares flash memory. auto takes $RUNTIME_DIRECTORY or /dev/shm, none writes everything to disk.",
    ),
    used(
        "memory.max-bytes",
        Value,
        "",
        "Memory that the agent may hold before it sheds load step by step. Defaults to 75% of the memory limit of its cgroup, if there is one. 0 is no limit.",
    ),
    used(
        "storage.remote.flush-deadline",
        Value,
        "1m",
        "How long to wait for unsent samples on shutdown or reload.",
    ),
    used(
        "scrape.adjust-timestamps",
        Switch,
        "true",
        "Move scrape timestamps by up to --scrape.timestamp-tolerance to the intended schedule.",
    ),
    used(
        "scrape.timestamp-tolerance",
        Value,
        "2ms",
        "See --scrape.adjust-timestamps.",
    ),
    used(
        "scrape.discovery-reload-interval",
        Value,
        "5s",
        "How long updates of service discovery are gathered.",
    ),
    used(
        "sandbox",
        Value,
        "off",
        "Give up files and system calls that the agent does not need, by Landlock and seccomp. One of: [off, auto, required]. auto takes what the kernel has.",
    ),
    used(
        "sandbox.read",
        Values,
        "",
        "A folder that stays readable in the sandbox, for configuration that is still to come. Can be repeated.",
    ),
    used(
        "enable-feature",
        Values,
        "",
        "Comma separated feature names. With an effect: auto-reload-config, created-timestamp-zero-ingestion, extra-scrape-metrics, st-storage.",
    ),
    used(
        "log.level",
        Value,
        "info",
        "Only log messages with the given severity or above. One of: [debug, info, warn, error]",
    ),
    used(
        "log.format",
        Value,
        "logfmt",
        "Output format of log messages. One of: [logfmt, json]",
    ),
    used(
        "agent",
        Switch,
        "true",
        "Accepted because Prometheus needs it; narthex is always an agent.",
    ),
    ignored(
        "storage.agent.no-lockfile",
        Switch,
        "false",
        "the lock dies with the process and costs nothing",
    ),
    ignored("storage.agent.wal-compression", Switch, "true", OWN_LOG),
    ignored(
        "storage.agent.wal-compression-type",
        Value,
        "snappy",
        OWN_LOG,
    ),
    ignored("storage.agent.wal-segment-size", Value, "", OWN_LOG),
    ignored("storage.agent.wal-truncate-frequency", Value, "", OWN_LOG),
    ignored("storage.agent.retention.min-time", Value, "", BUDGET),
    ignored(
        "storage.agent.checkpoint-from-in-memory-series",
        Switch,
        "false",
        OWN_LOG,
    ),
    ignored(
        "storage.agent.checkpoint-batch-size",
        Value,
        "1000",
        OWN_LOG,
    ),
    ignored(
        "web.enable-admin-api",
        Switch,
        "false",
        "an agent has no admin API",
    ),
    ignored("web.max-notifications-subscribers", Value, "16", NO_PAGES),
    ignored(
        "web.remote-write-receiver.accepted-protobuf-messages",
        Values,
        "prometheus.WriteRequest",
        "there is no receiver",
    ),
    ignored("web.user-assets", Value, "", NO_PAGES),
    ignored("web.local-assets", Value, "", NO_PAGES),
    ignored("web.console.templates", Value, "consoles", NO_PAGES),
    ignored(
        "web.console.libraries",
        Value,
        "console_libraries",
        NO_PAGES,
    ),
    ignored(
        "web.cors.origin",
        Value,
        ".*",
        "other sites may not read the API",
    ),
    ignored(
        "scrape.name-escaping-scheme",
        Value,
        "values",
        "set metric_name_escaping_scheme in the configuration",
    ),
    ignored("auto-gomaxprocs", Switch, "true", NO_GO),
    ignored("auto-gomemlimit", Switch, "true", NO_GO),
    ignored("auto-gomemlimit.ratio", Value, "0.9", NO_GO),
    ignored("auto-gomemlimit.refresh-interval", Value, "0s", NO_GO),
    refused("web.enable-remote-write-receiver", Switch, NO_RECEIVER),
    refused("web.enable-otlp-receiver", Switch, NO_RECEIVER),
    server("storage.tsdb.path", Value),
    server("storage.tsdb.min-block-duration", Value),
    server("storage.tsdb.max-block-duration", Value),
    server("storage.tsdb.max-block-chunk-segment-size", Value),
    server("storage.tsdb.wal-segment-size", Value),
    server("storage.tsdb.retention", Value),
    server("storage.tsdb.retention.time", Value),
    server("storage.tsdb.retention.size", Value),
    server("storage.tsdb.retention.percentage", Value),
    server("storage.tsdb.no-lockfile", Switch),
    server("storage.tsdb.allow-overlapping-blocks", Switch),
    server("storage.tsdb.allow-overlapping-compaction", Switch),
    server("storage.tsdb.wal-compression", Switch),
    server("storage.tsdb.wal-compression-type", Value),
    server("storage.tsdb.head-chunks-write-queue-size", Value),
    server("storage.tsdb.samples-per-chunk", Value),
    server("storage.tsdb.delayed-compaction.max-percent", Value),
    server("storage.tsdb.block-reload-interval", Value),
    server("storage.remote.read-sample-limit", Value),
    server("storage.remote.read-concurrent-limit", Value),
    server("storage.remote.read-max-bytes-in-frame", Value),
    server("rules.alert.for-outage-tolerance", Value),
    server("rules.alert.for-grace-period", Value),
    server("rules.alert.resend-delay", Value),
    server("rules.max-concurrent-evals", Value),
    server("alertmanager.notification-queue-capacity", Value),
    server("alertmanager.notification-batch-size", Value),
    server("alertmanager.drain-notification-queue-on-shutdown", Switch),
    server("alertmanager.timeout", Value),
    server("query.lookback-delta", Value),
    server("query.timeout", Value),
    server("query.max-concurrency", Value),
    server("query.max-samples", Value),
    server("web.search.max-limit", Value),
];

/// The flag of that name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}
