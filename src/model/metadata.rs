//! What a metric family says of itself: type, help and unit.

/// The type of a metric family, numbered as in the remote-write protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum MetricType {
    /// No type, or one we do not know.
    #[default]
    Unknown = 0,
    /// A value that only grows.
    Counter = 1,
    /// A value that goes up and down.
    Gauge = 2,
    /// Buckets, sum and count.
    Histogram = 3,
    /// Buckets of a gauge.
    GaugeHistogram = 4,
    /// Quantiles, sum and count.
    Summary = 5,
    /// Constant labels with the value 1.
    Info = 6,
    /// One series per state.
    StateSet = 7,
}

impl MetricType {
    /// The name in Prometheus's API and in OpenMetrics (`unknown` for [`MetricType::Unknown`]).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            MetricType::Unknown => "unknown",
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::GaugeHistogram => "gaugehistogram",
            MetricType::Summary => "summary",
            MetricType::Info => "info",
            MetricType::StateSet => "stateset",
        }
    }

    /// The type with that number in the remote-write protocol; unknown numbers are `Unknown`.
    #[must_use]
    pub const fn from_number(number: u8) -> MetricType {
        match number {
            1 => MetricType::Counter,
            2 => MetricType::Gauge,
            3 => MetricType::Histogram,
            4 => MetricType::GaugeHistogram,
            5 => MetricType::Summary,
            6 => MetricType::Info,
            7 => MetricType::StateSet,
            _ => MetricType::Unknown,
        }
    }
}

/// A metric family: the name in its `# TYPE` or `# HELP` line and what those lines say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Family {
    /// Family name, for instance `http_requests` of `http_requests_total` in OpenMetrics.
    pub name: Box<str>,
    /// Type; `Unknown` when the page does not say.
    pub kind: MetricType,
    /// Help text, unescaped; empty when the page does not say.
    pub help: Box<str>,
    /// Unit; empty when the page does not say.
    pub unit: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_types_agree() {
        for number in 0..=7 {
            assert_eq!(MetricType::from_number(number) as u8, number);
        }
        assert_eq!(MetricType::from_number(8), MetricType::Unknown);
    }
}
