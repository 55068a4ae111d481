//! What is measured: how many targets, what they show, and what befalls them.
//!
//! Written as `TARGETSxSERIES`, then options behind colons, for example `200x1500:own:tls`:
//!
//! | option | meaning |
//! |---|---|
//! | `own` | targets share nothing: the names of metrics begin with the target's number |
//! | `mixed` | targets show the six recorded exporters in turn, not all node_exporter |
//! | `churn=5` | so many percent of a page's series are replaced at each scrape |
//! | `plain` | pages travel as they are, not gzipped |
//! | `tls` | targets speak TLS |
//! | `rw2` | narthex sends remote write 2.0 |
//! | `zstd` | narthex sends 1.0 with zstd, as to VictoriaMetrics |
//! | `every=1` | seconds between two scrapes, 15 unless said otherwise |
//! | `outage=60` | the receiver is down for so many seconds; catching up is measured |

/// What targets show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All the same series: node_exporter's.
    Alike,
    /// node_exporter's, each with names of its own.
    Own,
    /// The recorded exporters in turn.
    Mixed,
}

/// One line of the list of measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// As it was written; promises are found by it.
    pub(crate) name: String,
    /// Number of targets.
    pub(crate) targets: usize,
    /// Series of a page.
    pub(crate) series: usize,
    /// What the pages show.
    pub(crate) shape: Shape,
    /// Percent of the series that are replaced at each scrape; zero for none.
    pub(crate) churn: usize,
    /// Pages travel gzipped.
    pub(crate) gzip: bool,
    /// Targets speak TLS.
    pub(crate) tls: bool,
    /// narthex sends remote write 2.0.
    pub(crate) rw2: bool,
    /// narthex sends remote write 1.0 with zstd.
    pub(crate) zstd: bool,
    /// Seconds between scrapes.
    pub(crate) interval: u64,
    /// Seconds that the receiver is down, if it goes down.
    pub(crate) outage: Option<u64>,
}

/// Most targets: each has an address below 127.77.
pub(crate) const TARGETS_MAX: usize = 50_000;

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Scenario, String> {
        let mut parts = text.split(':');
        let size = parts.next().unwrap_or_default();
        let (targets, series) = size
            .split_once('x')
            .ok_or_else(|| format!("{text}: begin with a size such as 5x1000"))?;
        let mut scenario = Scenario {
            name: text.to_owned(),
            targets: number(text, targets)?,
            series: number(text, series)?,
            shape: Shape::Alike,
            churn: 0,
            gzip: true,
            tls: false,
            rw2: false,
            zstd: false,
            interval: 15,
            outage: None,
        };
        if scenario.targets > TARGETS_MAX {
            return Err(format!("{text}: at most {TARGETS_MAX} targets"));
        }
        for part in parts {
            scenario.option(text, part)?;
        }
        Ok(scenario)
    }

    fn option(&mut self, text: &str, part: &str) -> Result<(), String> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (name, value.is_empty()) {
            ("own", true) => self.shape = Shape::Own,
            ("mixed", true) => self.shape = Shape::Mixed,
            ("plain", true) => self.gzip = false,
            ("tls", true) => self.tls = true,
            ("rw2", true) => self.rw2 = true,
            ("zstd", true) => self.zstd = true,
            ("every", false) => self.interval = number(text, value)?,
            ("outage", false) => self.outage = Some(number(text, value)?),
            ("churn", false) => {
                self.churn = number(text, value)?;
                if self.churn == 0 || 100 % self.churn != 0 {
                    return Err(format!("{text}: churn must divide 100"));
                }
            }
            _ => {
                return Err(format!(
                    "{text}: {part:?} is none of own, mixed, churn=PERCENT, plain, tls, rw2, zstd, \
                     every=SECONDS, outage=SECONDS"
                ));
            }
        }
        Ok(())
    }
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(
    text: &str,
    value: &str,
) -> Result<N, String> {
    let parsed = value.parse().ok().filter(|number| *number >= N::from(1));
    parsed.ok_or_else(|| format!("{text}: {value:?} is not a number above zero"))
}
