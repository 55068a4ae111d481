//! The labels by which a target says what becomes of its histograms, whatever its job says.

use super::TargetError;
use crate::config::scrape::ScrapeConfig;
use crate::exposition::transcode::Histograms;
use crate::model::labels::LabelsBuilder;

const TO_CUSTOM: &str = "__convert_classic_histograms_to_nhcb__";
const ALWAYS_CLASSIC: &str = "__always_scrape_classic_histograms__";
const NATIVE: &str = "__scrape_native_histograms__";

/// The labels with what the job says.
pub(super) fn defaults(config: &ScrapeConfig) -> [(&'static str, &'static str); 3] {
    let text = |value| if value { "true" } else { "false" };
    [
        (TO_CUSTOM, text(config.convert_classic_histograms_to_nhcb)),
        (
            ALWAYS_CLASSIC,
            text(config.always_scrape_classic_histograms),
        ),
        (NATIVE, text(config.scrape_native_histograms)),
    ]
}

/// What the labels say after relabelling; what is empty is up to the job.
pub(super) fn of_labels(
    config: &ScrapeConfig,
    labels: &LabelsBuilder,
) -> Result<Histograms, TargetError> {
    let read = |name: &str, what, otherwise| {
        let text = labels.get(name);
        match text {
            "" => Ok(otherwise),
            // What Go's `ParseBool` takes.
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(TargetError::Bool {
                what,
                text: text.to_owned(),
            }),
        }
    };
    Ok(Histograms {
        to_custom: read(
            TO_CUSTOM,
            "convert classic histograms to nhcb",
            config.convert_classic_histograms_to_nhcb,
        )?,
        always_classic: read(
            ALWAYS_CLASSIC,
            "always scrape classic histograms",
            config.always_scrape_classic_histograms,
        )?,
        native: read(
            NATIVE,
            "scrape native histograms",
            config.scrape_native_histograms,
        )?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::testing::job;

    #[test]
    fn labels_win_over_the_job_and_nothing_over_neither() {
        let mut config = job("j");
        config.scrape_native_histograms = true;
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().copied();
            LabelsBuilder::from_pairs(pairs)
        };
        let of = |pairs: &[(&str, &str)]| of_labels(&config, &labels(pairs));
        let own = |to_custom, always_classic, native| Histograms {
            native,
            always_classic,
            to_custom,
        };
        assert_eq!(of(&[]), Ok(own(false, false, true)));
        assert_eq!(of(&[(NATIVE, "")]), Ok(own(false, false, true)));
        let given = of(&[(NATIVE, "F"), (TO_CUSTOM, "1"), (ALWAYS_CLASSIC, "True")]);
        assert_eq!(given, Ok(own(true, true, false)));
        let error = of(&[(NATIVE, "yes")]).expect_err("not for Go");
        assert_eq!(
            error.to_string(),
            "error parsing scrape native histograms: strconv.ParseBool: parsing \"yes\": invalid syntax"
        );
        let defaults = defaults(&config);
        assert_eq!(of(&defaults), Ok(own(false, false, true)));
    }
}
