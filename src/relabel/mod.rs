//! Relabelling: rules that keep, drop and rewrite label sets, exactly as Prometheus does.

pub mod apply;
pub mod expand;
pub mod regex;
pub mod rule;
