//! The promises of `SPECIFICATION.md` that are held side by side: the table there is what is read
//! here, so both are one.

/// A bound on a figure of narthex in a scenario.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Promise {
    /// Scenario, as it is written on the command line.
    pub(crate) fleet: String,
    /// Figure, as the tables call it.
    pub(crate) figure: String,
    /// Whether the figure must be at most, not at least, the bound.
    at_most: bool,
    bound: f64,
}

/// The heading whose table is read.
const HEADING: &str = "## Side by side";

impl Promise {
    /// Whether a measured value keeps it; one that is no number does not.
    pub(crate) fn holds(&self, value: f64) -> bool {
        if self.at_most {
            value <= self.bound
        } else {
            value >= self.bound
        }
    }

    /// What must hold, as it is written.
    pub(crate) fn must(&self) -> String {
        let sign = if self.at_most { "<=" } else { ">=" };
        format!("{sign} {}", self.bound)
    }

    fn parse(row: &str) -> Result<Promise, String> {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [fleet, figure, must, ..] = cells.as_slice() else {
            return Err(format!("{row}: too few columns"));
        };
        let (sign, bound) = must
            .split_once(' ')
            .ok_or_else(|| format!("{row}: write the bound as <= 1 or >= 1"))?;
        let at_most = match sign {
            "<=" => true,
            ">=" => false,
            _ => return Err(format!("{row}: {sign} is neither <= nor >=")),
        };
        let number = bound.replace(',', "");
        Ok(Promise {
            fleet: fleet.trim_matches('`').to_owned(),
            figure: (*figure).to_owned(),
            at_most,
            bound: number
                .parse()
                .map_err(|_| format!("{row}: {bound} is no number"))?,
        })
    }
}

/// Reads the table.
///
/// # Errors
/// When it is not there, or a row is not understood.
pub(crate) fn read(specification: &str) -> Result<Vec<Promise>, String> {
    let mut lines = specification
        .lines()
        .skip_while(|line| *line != HEADING)
        .skip(1);
    let section = lines.by_ref().take_while(|line| !line.starts_with('#'));
    let rows = section.filter(|line| line.starts_with('|'));
    let promises = rows
        .skip(2)
        .map(Promise::parse)
        .collect::<Result<Vec<_>, _>>()?;
    if promises.is_empty() {
        return Err(format!("no table below {HEADING:?}"));
    }
    Ok(promises)
}
