//! Everything that is answered, as one list.

use crate::http::server::request::RequestHead;
use crate::http::server::response::Response;

use super::{Site, api, lifecycle, probes, relabel_steps, self_metrics, status, status_page};

/// One path and what happens there.
pub(super) struct Route {
    /// The path behind the prefix, also the `handler` label of the metrics. An asterisk at the
    /// end stands for anything.
    pub(super) path: &'static str,
    pub(super) action: Action,
}

/// What happens at a path.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// A page for GET and HEAD.
    Page(fn(&Site, &RequestHead) -> Response),
    /// Somewhere else.
    Redirect(&'static str),
    /// What only a Prometheus server has.
    Unavailable,
    /// A receiver that is not there, with the reason.
    NoReceiver(&'static str),
    /// What changes the agent's life.
    Lifecycle(lifecycle::Order),
}

/// The route of a path, the first that fits.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    ROUTES
        .iter()
        .find(|route| match route.path.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => route.path == path,
        })
}

const fn route(path: &'static str, action: Action) -> Route {
    Route { path, action }
}

const NO_REMOTE_WRITE: &str = "narthex has no remote write receiver here; \
    to receive samples for a test, run: narthex receive\n";
const NO_OTLP: &str = "narthex has no OTLP receiver\n";

const ROUTES: &[Route] = &[
    route("/", Action::Redirect("/agent")),
    route("/agent", Action::Page(status_page::page)),
    route("/static/style.css", Action::Page(status_page::style)),
    // Pages of Prometheus that bookmarks and dashboards may point to.
    route("/targets", Action::Redirect("/agent")),
    route("/service-discovery", Action::Redirect("/agent")),
    route("/status", Action::Redirect("/agent")),
    route("/config", Action::Redirect("/api/v1/status/config")),
    route("/flags", Action::Redirect("/api/v1/status/flags")),
    route("/-/healthy", Action::Page(probes::healthy)),
    route("/-/ready", Action::Page(probes::ready)),
    route("/-/reload", Action::Lifecycle(lifecycle::Order::Reload)),
    route("/-/quit", Action::Lifecycle(lifecycle::Order::Quit)),
    route("/metrics", Action::Page(probes::metrics)),
    route("/version", Action::Page(probes::version)),
    route("/api/v1/targets", Action::Page(api::targets)),
    route(
        "/api/v1/targets/metadata",
        Action::Page(api::targets_metadata),
    ),
    route(
        "/api/v1/targets/relabel_steps",
        Action::Page(relabel_steps::relabel_steps),
    ),
    route("/api/v1/scrape_pools", Action::Page(api::scrape_pools)),
    route("/api/v1/metadata", Action::Page(api::metadata)),
    route("/api/v1/status/discovery", Action::Page(status::discovery)),
    route("/api/v1/status/config", Action::Page(status::config)),
    route("/api/v1/status/runtimeinfo", Action::Page(status::runtime)),
    route("/api/v1/status/buildinfo", Action::Page(status::build)),
    route("/api/v1/status/flags", Action::Page(status::flags)),
    route("/api/v1/status/losses", Action::Page(status::losses)),
    route("/api/v1/status/walreplay", Action::Page(status::wal_replay)),
    route(
        "/api/v1/status/self_metrics",
        Action::Page(self_metrics::self_metrics),
    ),
    route("/api/v1/features", Action::Page(status::features)),
    route("/api/v1/notifications", Action::Page(status::notifications)),
    route(
        "/api/v1/notifications/live",
        Action::Page(status::live_notifications),
    ),
    route("/api/v1/write", Action::NoReceiver(NO_REMOTE_WRITE)),
    route("/api/v1/otlp/v1/metrics", Action::NoReceiver(NO_OTLP)),
    route("/api/v1/query*", Action::Unavailable),
    route("/api/v1/format_query", Action::Unavailable),
    route("/api/v1/parse_query", Action::Unavailable),
    route("/api/v1/labels", Action::Unavailable),
    route("/api/v1/label/*", Action::Unavailable),
    route("/api/v1/series", Action::Unavailable),
    route("/api/v1/search*", Action::Unavailable),
    route("/api/v1/alerts", Action::Unavailable),
    route("/api/v1/rules", Action::Unavailable),
    route("/api/v1/alertmanagers", Action::Unavailable),
    route("/api/v1/read", Action::Unavailable),
    route("/api/v1/status/tsdb*", Action::Unavailable),
    route("/api/v1/admin/*", Action::Unavailable),
];
