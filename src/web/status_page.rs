//! The one page for people: targets, endpoints, discovery, the log.
//!
//! Rendered here, without scripts. Everything that came from outside passes [`Html::text`], which
//! escapes; the content security policy forbids scripts, frames, forms and other origins in case
//! something slips through.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::http::server::request::RequestHead;
use crate::http::server::response::Response;
use crate::limits;
use crate::model::calendar::Rfc3339;
use crate::model::duration::Pretty;
use crate::model::size;
use crate::model::sorting;
use crate::model::time::Wall;

use super::Site;
use super::backend::{ActiveTarget, Health, Readiness};

const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:15px/1.45 system-ui,sans-serif;max-width:76rem;margin:1.5rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p.sub{margin:.2rem 0 1rem;opacity:.75}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;\
overflow-wrap:anywhere}
th{font-weight:600;opacity:.75}td.n{text-align:right;font-variant-numeric:tabular-nums}
code{font-size:.85em;background:var(--soft);padding:0 .25em;border-radius:3px;margin-right:.3em}
.up{color:#178a3a}.down,.error{color:#c2281d}.unknown{opacity:.6}
nav a{margin-right:1rem}
";

pub(super) fn style(_site: &Site, _head: &RequestHead) -> Response {
    Response::typed(200, "text/css; charset=utf-8", STYLE).with("Cache-Control", "max-age=3600")
}

pub(super) fn page(site: &Site, _head: &RequestHead) -> Response {
    let mut html = Html(String::new());
    let prefix = &site.options.external_url.path;
    html.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width\"><title>");
    html.text(&site.options.page_title);
    html.raw("</title><link rel=\"stylesheet\" href=\"");
    html.text(prefix);
    html.raw("/static/style.css\"></head><body>");
    html.header(site);
    html.endpoints(site);
    html.losses(site);
    html.log(site);
    html.discovery(site);
    html.targets(site);
    html.raw("</body></html>\n");
    Response::typed(200, "text/html; charset=utf-8", html.0)
        .with("Content-Security-Policy", POLICY)
        .with("Cache-Control", "no-store")
}

/// A page in the making.
struct Html(String);

impl Html {
    /// Appends markup of ours.
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// Appends anything else, as text.
    fn text(&mut self, text: impl fmt::Display) {
        // Writing to a String cannot fail.
        let _infallible = write!(Escape(&mut self.0), "{text}");
    }

    fn cell(&mut self, text: impl fmt::Display) {
        self.raw("<td>");
        self.text(text);
        self.raw("</td>");
    }

    fn number(&mut self, number: impl fmt::Display) {
        self.raw("<td class=\"n\">");
        self.text(number);
        self.raw("</td>");
    }

    fn error_cell(&mut self, error: &str) {
        self.raw("<td class=\"error\">");
        self.text(error);
        self.raw("</td>");
    }

    /// Begins a table under a heading.
    fn table(&mut self, heading: &str, columns: &[&str]) {
        self.raw("<h2>");
        self.text(heading);
        self.raw("</h2><table><thead><tr>");
        for column in columns {
            self.raw("<th>");
            self.text(column);
            self.raw("</th>");
        }
        self.raw("</tr></thead><tbody>");
    }

    fn end_table(&mut self) {
        self.raw("</tbody></table>");
    }

    fn header(&mut self, site: &Site) {
        let info = site.backend.runtime();
        let state = match site.backend.readiness() {
            Readiness::Starting => "starting",
            Readiness::Ready => "ready",
            Readiness::Stopping => "stopping",
        };
        self.raw("<h1>");
        self.text(&site.options.page_title);
        self.raw("</h1><p class=\"sub\">");
        let up = Duration::from_millis(site.clock.wall().0.abs_diff(info.started.0));
        let up = Pretty(Duration::from_secs(up.as_secs()));
        let version = &site.options.build.version;
        let hostname = info.hostname;
        self.text(format_args!(
            "narthex {version} on {hostname}, {state}, up {up}"
        ));
        if !info.reload_succeeded {
            self.raw(" <span class=\"error\">The last reload failed; the old configuration is in force.</span>");
        }
        self.raw("</p><nav>");
        for (path, name) in [
            ("/metrics", "metrics"),
            ("/api/v1/targets", "targets"),
            ("/api/v1/status/discovery", "discovery"),
            ("/api/v1/status/config", "configuration"),
            ("/api/v1/status/flags", "flags"),
            ("/api/v1/status/runtimeinfo", "runtime"),
        ] {
            self.raw("<a href=\"");
            self.text(&site.options.external_url.path);
            self.raw(path);
            self.raw("\">");
            self.raw(name);
            self.raw("</a>");
        }
        self.raw("</nav>");
    }

    fn endpoints(&mut self, site: &Site) {
        let columns = [
            "Name",
            "URL",
            "Lag",
            "Pending",
            "Sent",
            "Lost",
            "Set aside",
            "Shards",
            "Last error",
        ];
        self.table("Remote write", &columns);
        for endpoint in site.backend.endpoints() {
            self.raw("<tr>");
            self.cell(endpoint.name);
            self.cell(endpoint.url);
            self.number(format_args!("{:.1} s", endpoint.lag.as_secs_f64()));
            self.number(endpoint.samples_pending);
            self.number(endpoint.samples_sent);
            self.number(endpoint.samples_lost);
            self.number(endpoint.samples_aside);
            self.number(endpoint.shards);
            self.error_cell(&endpoint.last_error);
            self.raw("</tr>");
        }
        self.end_table();
    }

    /// What was lost ever; nothing as long as nothing was.
    fn losses(&mut self, site: &Site) {
        let losses = site.backend.losses();
        if losses.is_empty() {
            return;
        }
        let columns = ["Endpoint", "Job", "Reason", "Samples", "First", "Last"];
        self.table("Lost samples", &columns);
        for (key, loss) in losses.iter() {
            self.raw("<tr>");
            self.cell(&key.queue);
            self.cell(&key.job);
            self.cell(key.reason.name());
            self.number(loss.samples);
            self.cell(Rfc3339(loss.first));
            self.cell(Rfc3339(loss.last));
            self.raw("</tr>");
        }
        self.end_table();
    }

    fn log(&mut self, site: &Site) {
        let log = site.backend.log();
        self.raw("<h2>Log</h2><p>");
        let mebibytes = log.bytes as f64 / f64::from(1 << 20);
        let (max, segments) = (size::format(log.bytes_max), log.segments);
        self.text(format_args!(
            "{mebibytes:.1} MB of {max} in {segments} segments"
        ));
        if let Some(problem) = &log.failing {
            self.text(format_args!(
                "; it cannot be written, samples are delivered from memory: {problem}"
            ));
        }
        self.raw("</p>");
    }

    fn discovery(&mut self, site: &Site) {
        let columns = [
            "Jobs",
            "Mechanism",
            "Groups",
            "Targets",
            "Last update",
            "Took",
            "Last error",
        ];
        self.table("Discovery", &columns);
        for status in site.backend.discovery() {
            self.raw("<tr>");
            self.cell(status.jobs.join(", "));
            self.cell(status.mechanism);
            self.number(status.groups);
            self.number(status.targets);
            self.cell(ago(status.last_update, site.clock.wall()));
            match status.last_refresh {
                Some(took) => {
                    self.number(format_args!("{:.1} ms", took.as_secs_f64() * 1000.0));
                }
                None => self.number(""),
            }
            self.error_cell(&status.last_error);
            self.raw("</tr>");
        }
        self.end_table();
    }

    fn targets(&mut self, site: &Site) {
        let mut targets = site.backend.active_targets();
        sorting::sort_by(&mut targets, |one, two| {
            one.scrape_pool.cmp(&two.scrape_pool)
        });
        let count = |health| {
            targets
                .iter()
                .filter(|target| target.health == health)
                .count()
        };
        let (up, all) = (count(Health::Up), targets.len());
        let columns = [
            "Job",
            "Target",
            "Labels",
            "State",
            "Last scrape",
            "Took",
            "Error",
        ];
        self.table(&format!("Targets ({up} of {all} up)"), &columns);
        for target in targets.iter().take(limits::STATUS_TARGETS_MAX) {
            self.target(site, target);
        }
        self.end_table();
        if let Some(more) = all
            .checked_sub(limits::STATUS_TARGETS_MAX)
            .filter(|more| *more > 0)
        {
            self.raw("<p>");
            self.text(format_args!("{more} more targets are in the API."));
            self.raw("</p>");
        }
    }

    fn target(&mut self, site: &Site, target: &ActiveTarget) {
        let url = site
            .options
            .external_url
            .globalize(&target.scrape_url, site.own_port);
        self.raw("<tr>");
        self.cell(&target.scrape_pool);
        self.raw("<td>");
        // Only these two schemes may become a link: others can run scripts.
        if url.starts_with("http://") || url.starts_with("https://") {
            self.raw("<a href=\"");
            self.text(&url);
            self.raw("\">");
            self.text(&target.scrape_url);
            self.raw("</a>");
        } else {
            self.text(&target.scrape_url);
        }
        self.raw("</td><td>");
        for (name, value) in target.labels.iter() {
            self.raw("<code>");
            self.text(format_args!("{name}={value:?}"));
            self.raw("</code>");
        }
        self.raw("</td><td class=\"");
        self.raw(target.health.as_str());
        self.raw("\">");
        self.raw(target.health.as_str());
        self.raw("</td>");
        self.cell(ago(target.last_scrape, site.clock.wall()));
        let millis = target.last_scrape_duration.as_secs_f64() * 1000.0;
        self.number(format_args!("{millis:.1} ms"));
        self.error_cell(&target.last_error);
        self.raw("</tr>");
    }
}

fn ago(then: Option<Wall>, now: Wall) -> String {
    match then {
        None => "never".to_owned(),
        Some(then) => {
            let seconds = now.0.saturating_sub(then.0).max(0) / 1000;
            format!(
                "{} ago",
                Pretty(Duration::from_secs(seconds.unsigned_abs()))
            )
        }
    }
}

/// Writes text so that it stays text, in an element as in a quoted attribute.
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\0' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}
