//! One endpoint.

use super::section::Section;
use super::{SECRET, http_client, scrape};
use crate::config::remote_write::{
    NarthexConfig, ProtobufMessage, QueueConfig, RemoteWriteConfig, Unauthorized,
};
use crate::config::yaml::{Node, write};
use crate::model::size;
use crate::wire::compress::Compression;

pub(super) fn node(endpoint: &RemoteWriteConfig) -> Node {
    let mut section = Section::default();
    section.text("url", &endpoint.url);
    section.duration("remote_timeout", endpoint.remote_timeout);
    let headers = endpoint.headers.iter();
    section.mapping(
        "headers",
        headers.map(|(name, _)| (name.clone(), write::text(SECRET))),
    );
    section.list(
        "write_relabel_configs",
        endpoint.write_relabel_configs.iter().map(scrape::rule),
    );
    if endpoint.name_written {
        section.text("name", &endpoint.name);
    }
    section.word("send_exemplars", endpoint.send_exemplars);
    section.word("send_native_histograms", endpoint.send_native_histograms);
    section.word("round_robin_dns", endpoint.round_robin_dns);
    if endpoint.failed_request_logging {
        // Older versions of Prometheus do not know the key, so it shows only where it matters.
        section.word("failed_request_logging", true);
    }
    let message = match endpoint.protobuf_message {
        ProtobufMessage::V1 => "prometheus.WriteRequest",
        ProtobufMessage::V2 => "io.prometheus.write.v2.Request",
    };
    section.text("protobuf_message", message);
    http_client::add(&mut section, &endpoint.http_client);
    section.section("queue_config", queue(&endpoint.queue));
    let mut metadata = Section::default();
    metadata.word("send", endpoint.metadata.send);
    metadata.duration("send_interval", endpoint.metadata.send_interval);
    metadata.word(
        "max_samples_per_send",
        endpoint.metadata.max_samples_per_send,
    );
    section.section("metadata_config", metadata);
    section.section("narthex", narthex(endpoint.narthex));
    section.node()
}

/// Only what differs from the default: Prometheus does not know the key.
fn narthex(own: NarthexConfig) -> Section {
    let mut section = Section::default();
    if let Some(rate) = own.max_bytes_per_second {
        section.text("max_bytes_per_second", &size::format(rate));
    }
    if own.unauthorized == Unauthorized::Drop {
        section.text("unauthorized", "drop");
    }
    if own.compression != Compression::Snappy {
        section.text("compression", own.compression.as_str());
    }
    section
}

/// What was not written stays unwritten: narthex chooses it.
fn queue(queue: &QueueConfig) -> Section {
    let mut section = Section::default();
    if let Some(samples) = queue.capacity {
        section.word("capacity", samples);
    }
    if let Some(shards) = queue.max_shards {
        section.word("max_shards", shards);
    }
    section.word("min_shards", queue.min_shards);
    if let Some(samples) = queue.max_samples_per_send {
        section.word("max_samples_per_send", samples);
    }
    section.duration("batch_send_deadline", queue.batch_send_deadline);
    section.duration("min_backoff", queue.min_backoff);
    section.duration("max_backoff", queue.max_backoff);
    if let Some(retry) = queue.retry_on_http_429 {
        section.word("retry_on_http_429", retry);
    }
    section.duration("sample_age_limit", queue.sample_age_limit);
    section
}
