//! Sections that only a server has: `rule_files`, `alerting`, `remote_read`. Empty ones pass, and a
//! broken one is reported before a forbidden one, as in Prometheus.

use super::relabel;
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::error::Problems;
use crate::config::glob;
use crate::relabel::rule::NameScheme;

/// Takes the sections, notes what is broken in them, and returns the complaint about the first
/// that is not empty.
pub(super) fn read(fields: &mut Fields<'_>, scheme: NameScheme) -> Option<Problems> {
    let alerting = refused(fields, "alerting", ALERTING, |at| alerting(at, scheme));
    let rules = refused(fields, "rule_files", RULES, rule_files);
    let reads = refused(fields, "remote_read", READS, remote_read);
    alerting.or(rules).or(reads)
}

const ALERTING: &str = "remove it; alerts are evaluated where the samples are stored";
const RULES: &str = "remove it; rules are evaluated where the samples are stored";
const READS: &str = "remove it; an agent stores nothing that could be queried";

/// Takes a section and returns the complaint about it if `read` finds something in it.
fn refused<'n>(
    fields: &mut Fields<'n>,
    key: &str,
    advice: &str,
    read: impl FnOnce(&Cursor<'n>) -> Decoded<bool>,
) -> Option<Problems> {
    let filled = fields.get(key, read)?;
    let at = fields.key(key)?;
    filled.then(|| {
        at.rule(format!(
            "field {key} is not allowed in agent mode: {advice}"
        ))
    })
}

fn alerting(at: &Cursor<'_>, scheme: NameScheme) -> Decoded<bool> {
    let mut fields = Fields::new(at, "config.plain")?;
    let rules = fields.get("alert_relabel_configs", |at| {
        relabel::read_list(at, scheme, "empty or null alert relabeling rule")
    });
    let managers = fields.get("alertmanagers", |at| at.items("config.AlertmanagerConfigs"));
    fields.finish()?;
    Ok(rules.is_some_and(|list| !list.is_empty()) || managers.is_some_and(|list| !list.is_empty()))
}

fn rule_files(at: &Cursor<'_>) -> Decoded<bool> {
    let files = at.list("[]string", |item| {
        let path = item.string()?;
        if glob::is_valid(&path) {
            return Ok(());
        }
        Err(item.rule(format!("invalid rule file path {path:?}")))
    })?;
    Ok(!files.is_empty())
}

fn remote_read(at: &Cursor<'_>) -> Decoded<bool> {
    let entries = at.list("[]*config.RemoteReadConfig", |item| {
        if item.node.is_null() {
            return Err(item.rule("empty or null remote read config section"));
        }
        Ok(())
    })?;
    Ok(!entries.is_empty())
}
