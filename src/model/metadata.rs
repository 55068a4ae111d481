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
/// A fleet that shares nothing has one for every few series: its texts stand in one piece.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Family {
    /// Name, unit and help, one behind the other.
    text: Box<str>,
    name_len: u32,
    /// Length of the unit in units of [`UNIT_ONE`], and the type below: with a word for the type
    /// the heap would give it sixteen bytes more.
    unit_and_kind: u32,
}

/// One byte of unit in [`Family::unit_and_kind`].
const UNIT_ONE: u32 = 8;

/// The longest unit that is kept, in bytes; pages with longer ones are not made by programs.
const UNIT_BYTES_MAX: usize = (u32::MAX / UNIT_ONE) as usize;

impl Family {
    /// A family with that name, type, help text (unescaped) and unit; what the page does not say
    /// is empty.
    #[must_use]
    pub fn new(name: &str, kind: MetricType, help: &str, unit: &str) -> Family {
        // Lengths that do not fit are those of pages of gigabytes, which no limit lets in.
        let unit = if unit.len() > UNIT_BYTES_MAX {
            ""
        } else {
            unit
        };
        Family {
            text: [name, unit, help].concat().into(),
            name_len: u32::try_from(name.len()).unwrap_or(u32::MAX),
            unit_and_kind: unit.len() as u32 * UNIT_ONE + kind as u32,
        }
    }

    /// Type; `Unknown` when the page does not say.
    #[must_use]
    pub fn kind(&self) -> MetricType {
        MetricType::from_number((self.unit_and_kind % UNIT_ONE) as u8)
    }

    /// Family name, for instance `http_requests` of `http_requests_total` in OpenMetrics.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(0, self.name_len)
    }

    /// Unit; empty when the page does not say.
    #[must_use]
    pub fn unit(&self) -> &str {
        self.part(self.name_len, self.unit_and_kind / UNIT_ONE)
    }

    /// Help text, unescaped; empty when the page does not say.
    #[must_use]
    pub fn help(&self) -> &str {
        let start = self.name_len as usize + self.unit().len();
        self.text.get(start..).unwrap_or_default()
    }

    /// Bytes of its texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Replaces the type.
    pub fn set_kind(&mut self, kind: MetricType) {
        *self = Family::new(self.name(), kind, self.help(), self.unit());
    }

    /// Replaces the help text.
    pub fn set_help(&mut self, help: &str) {
        *self = Family::new(self.name(), self.kind(), help, self.unit());
    }

    /// Replaces the unit.
    pub fn set_unit(&mut self, unit: &str) {
        *self = Family::new(self.name(), self.kind(), self.help(), unit);
    }

    fn part(&self, start: u32, len: u32) -> &str {
        let start = start as usize;
        let text = self.text.get(start..start + len as usize);
        text.unwrap_or_default()
    }
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Family")
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("help", &self.help())
            .field("unit", &self.unit())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_are_replaced_apart() {
        let parts = |own: &Family| [own.name(), own.help(), own.unit()].map(str::to_owned);
        let mut family = Family::new("é", MetricType::Gauge, "helps", "s");
        assert_eq!(parts(&family), ["é", "helps", "s"]);
        family.set_unit("bytes");
        family.set_help("");
        family.set_kind(MetricType::StateSet);
        family.set_kind(MetricType::Gauge);
        assert_eq!(parts(&family), ["é", "", "bytes"]);
        assert_eq!((family.kind(), family.text_bytes()), (MetricType::Gauge, 7));
        assert_eq!(parts(&Family::default()), ["", "", ""]);
        let other = Family::new("ébytes", MetricType::Gauge, "", "");
        assert_ne!(family, other);
    }

    #[test]
    fn numbers_and_types_agree() {
        for number in 0..=7 {
            assert_eq!(MetricType::from_number(number) as u8, number);
        }
        assert_eq!(MetricType::from_number(8), MetricType::Unknown);
    }
}
