//! From a configuration to providers: reads every discovery entry, lets equal ones share.
//!
//! A plan that was made has no mistakes left that could be found without starting anything, so
//! `check config` makes one too. Starts nothing. Pure.

use std::sync::Arc;

use super::provider::ProviderConfig;
use super::provider::static_config::{self, StaticConfig};
use super::registry;
use crate::config::Config;
use crate::config::decode::Decoded;
use crate::config::error::{ConfigError, Problems};
use crate::config::scrape::{DiscoveryConfig, ScrapeConfig};

/// Which providers there have to be, and who listens to them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The jobs in the order of the configuration.
    pub jobs: Vec<PlannedJob>,
    /// The distinct providers.
    pub providers: Vec<PlannedProvider>,
}

/// A job of a plan.
#[derive(Clone, Debug)]
pub struct PlannedJob {
    /// Its name.
    pub name: Arc<str>,
    /// Indices into [`Plan::providers`].
    pub providers: Vec<usize>,
}

/// A provider of a plan.
#[derive(Clone, Debug)]
pub struct PlannedProvider {
    /// Its mechanism.
    pub mechanism: &'static str,
    /// The first job that has it: the label `config` of its metrics.
    pub label: Arc<str>,
    /// What it is to do.
    pub config: Arc<dyn ProviderConfig>,
}

/// Plans the discovery of all jobs.
///
/// # Errors
/// All mistakes in the discovery entries of the first file that has any.
pub fn plan(config: &Config) -> Result<Plan, ConfigError> {
    let mut plan = Plan::default();
    let mut mistakes = Vec::new();
    for job in &config.scrape_configs {
        plan.job(job, &mut mistakes);
    }
    match mistakes.first() {
        None => Ok(plan),
        Some((first, _)) => {
            let here = mistakes
                .iter()
                .filter(|(entry, _)| entry.file == first.file);
            let problems = here.flat_map(|(_, problems)| problems.iter().cloned());
            Problems::check(problems.collect()).map_err(|problems| first.error(problems))?;
            Ok(plan)
        }
    }
}

impl Plan {
    /// The part of the plan that one job needs; none if there is no such job.
    #[must_use]
    pub fn only(&self, job: &str) -> Option<Plan> {
        let own = self.jobs.iter().find(|own| *own.name == *job)?;
        let providers = own.providers.iter();
        let providers = providers.map(|index| PlannedProvider {
            label: Arc::clone(&own.name),
            ..self.providers[*index].clone()
        });
        Some(Plan {
            providers: providers.collect(),
            jobs: vec![PlannedJob {
                name: Arc::clone(&own.name),
                providers: (0..own.providers.len()).collect(),
            }],
        })
    }

    fn job<'c>(
        &mut self,
        job: &'c ScrapeConfig,
        mistakes: &mut Vec<(&'c DiscoveryConfig, Problems)>,
    ) {
        let name: Arc<str> = job.job_name.as_str().into();
        let mut providers = Vec::new();
        let mut static_groups = Vec::new();
        for entry in &*job.discovery {
            let read = if entry.mechanism == static_config::MECHANISM {
                static_config::parse(&entry.cursor()).map(|group| static_groups.push(group))
            } else {
                parse(entry).map(|(mechanism, config)| {
                    let index = self.share(mechanism, &name, config);
                    // The same entry twice in a job is one provider, heard once.
                    if !providers.contains(&index) {
                        providers.push(index);
                    }
                })
            };
            if let Err(problems) = read {
                mistakes.push((entry, problems));
            }
        }
        if !static_groups.is_empty() {
            let config = StaticConfig::new(static_groups);
            providers.push(self.share(static_config::MECHANISM, &name, config));
        }
        self.jobs.push(PlannedJob { name, providers });
    }

    fn share(
        &mut self,
        mechanism: &'static str,
        job: &Arc<str>,
        config: Arc<dyn ProviderConfig>,
    ) -> usize {
        let mut known = self.providers.iter();
        if let Some(index) = known.position(|provider| provider.config.same(&*config)) {
            return index;
        }
        self.providers.push(PlannedProvider {
            mechanism,
            label: Arc::clone(job),
            config,
        });
        self.providers.len() - 1
    }
}

fn parse(entry: &DiscoveryConfig) -> Decoded<(&'static str, Arc<dyn ProviderConfig>)> {
    let Some(spec) = registry::find(&entry.mechanism) else {
        let mechanism = &entry.mechanism;
        let message = format!("{mechanism} discovery is not supported");
        return Err(entry.cursor().rule(message));
    };
    Ok((spec.mechanism, (spec.parse)(&entry.cursor())?))
}

#[cfg(test)]
mod tests;
