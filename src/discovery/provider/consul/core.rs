//! The core of Consul discovery: which question comes next, and what an answer changes. Pure.
//!
//! First the data centre, unless it is configured; then the list of services and the health of
//! each, side by side. With no more services than [`limits::SD_CONSUL_WATCHERS`] each is asked
//! about all the time. With more they take turns, the one that waited longest first, and the waits
//! are so short that each has its turn [`limits::SD_CONSUL_BURST`] times in a refresh interval, or
//! every [`limits::SD_CONSUL_TURN`] times their number if that is longer.
//!
//! Guarantees that after any answers the groups are those of the latest good answer for each
//! service that the latest good list names, and that a failure changes none.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::ConsulConfig;
use super::answers::{Instance, Services, group_from};
use super::client::QueryError;
use super::turn::Turn;
use crate::discovery::targets::{TooMuch, weight};
use crate::limits;
use crate::model::sorting;
use crate::model::target_group::TargetGroup;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The name of the agent's data centre.
    DataCenter,
    /// All services.
    Services,
    /// The instances of one.
    Health(Arc<str>),
}

/// A question to Consul.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Comes back with the answer.
    pub(super) id: u64,
    pub(super) subject: Subject,
    /// 0 for one that does not block.
    pub(super) index: u64,
    /// How long it may block; zero if it does not.
    pub(super) wait: Duration,
}

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The data centre; nothing if the token may not ask.
    DataCenter(Option<String>),
    /// All services.
    Services(Indexed<Services>),
    /// The instances of one.
    Health(Indexed<Vec<Instance>>),
}

/// An answer of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Indexed<T> {
    /// What to ask with next time; 0 if there is none.
    pub(super) index: u64,
    /// Whether Consul says that the token hid something.
    pub(super) filtered: bool,
    pub(super) value: T,
}

/// What an answer leads to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Groups that changed; those without targets are gone.
    pub(super) changed: Vec<TargetGroup>,
    /// Why the answer is of no use.
    pub(super) failed: Option<QueryError>,
}

#[derive(Debug)]
struct Service {
    turn: Turn,
    /// What was last said of it.
    group: Option<TargetGroup>,
    /// Bytes of its labels.
    bytes: usize,
    trouble: Option<String>,
}

/// Services by the time when they are due.
#[derive(Debug, Default)]
struct Waiting {
    /// Those whose question would not block: new ones, and those that failed.
    quick: BTreeSet<(Mono, Arc<str>)>,
    /// The others.
    blocking: BTreeSet<(Mono, Arc<str>)>,
}

impl Waiting {
    fn insert(&mut self, name: &Arc<str>, turn: &Turn) {
        if let Some(due) = turn.due() {
            let queue = match turn.index() {
                0 => &mut self.quick,
                _ => &mut self.blocking,
            };
            queue.insert((due, Arc::clone(name)));
        }
    }

    /// The first one that may be asked about while so many questions are under way. The last
    /// thread is for quick ones, so that new services never wait for others.
    fn first(&self, under_way: usize) -> Option<&(Mono, Arc<str>)> {
        let quick = self.quick.first();
        match under_way.cmp(&limits::SD_CONSUL_WATCHERS) {
            Ordering::Less => quick.into_iter().chain(self.blocking.first()).min(),
            Ordering::Equal => quick,
            Ordering::Greater => None,
        }
    }

    fn take(&mut self, under_way: usize, now: Mono) -> Option<Arc<str>> {
        let entry = self
            .first(under_way)
            .filter(|(due, _)| *due <= now)?
            .clone();
        let _found = self.quick.remove(&entry) || self.blocking.remove(&entry);
        Some(entry.1)
    }

    fn retain(&mut self, stays: impl Fn(&Arc<str>) -> bool) {
        self.quick.retain(|(_, name)| stays(name));
        self.blocking.retain(|(_, name)| stays(name));
    }
}

/// The core.
#[derive(Debug)]
pub(super) struct Core {
    config: ConsulConfig,
    jitter: Jitter,
    serial: u64,
    /// Known, or known not to be told.
    datacenter: Option<Option<String>>,
    /// Of the data centre first, then of the list of services.
    list: Turn,
    list_trouble: Option<String>,
    services: BTreeMap<Arc<str>, Service>,
    /// Services that are not under way.
    waiting: Waiting,
    /// Questions about services under way, those about services that are gone included.
    under_way: usize,
    /// Services that are wanted, but too many.
    left_out: usize,
}

impl Core {
    pub(super) fn new(config: ConsulConfig, jitter: Jitter) -> Core {
        Core {
            jitter,
            serial: 0,
            datacenter: None,
            list: Turn::new(Mono::default()),
            list_trouble: None,
            services: BTreeMap::new(),
            waiting: Waiting::default(),
            under_way: 0,
            left_out: 0,
            config,
        }
    }

    /// Forgets the questions under way: whoever was to answer them is gone. Groups stay.
    pub(super) fn restart(&mut self, now: Mono) {
        self.under_way = 0;
        self.list.forget(now);
        self.waiting = Waiting::default();
        for (name, service) in &mut self.services {
            service.turn.forget(now);
            self.waiting.insert(name, &service.turn);
        }
    }

    /// The next question, if one is due.
    pub(super) fn next(&mut self, now: Mono) -> Option<Question> {
        if self.datacenter.is_none() && !self.config.datacenter.is_empty() {
            self.locate(now, Some(self.config.datacenter.clone()));
        }
        if self.list_due().is_some_and(|due| due <= now) {
            let (subject, wait) = match self.datacenter {
                None => (Subject::DataCenter, Duration::ZERO),
                Some(_) => (Subject::Services, limits::SD_CONSUL_LIST_WAIT),
            };
            self.serial += 1;
            self.list.ask(now, self.serial, wait);
            return Some(self.question(subject, self.list.index(), wait));
        }
        self.next_service(now)
    }

    fn next_service(&mut self, now: Mono) -> Option<Question> {
        let name = self.waiting.take(self.under_way, now)?;
        self.under_way += 1;
        self.serial += 1;
        let wait = self.health_wait();
        let turn = &mut self.services.get_mut(&name)?.turn;
        turn.ask(now, self.serial, wait);
        let index = turn.index();
        Some(self.question(Subject::Health(name), index, wait))
    }

    fn question(&self, subject: Subject, index: u64, wait: Duration) -> Question {
        Question {
            id: self.serial,
            subject,
            index,
            wait: if index == 0 { Duration::ZERO } else { wait },
        }
    }

    /// When the data centre or the list of services is to be asked for; nothing while that is
    /// under way, or if all there is to know is configured.
    fn list_due(&self) -> Option<Mono> {
        let needed = self.datacenter.is_none() || self.config.needs_list();
        self.list.due().filter(|_| needed)
    }

    /// How long a question about a service may block.
    fn health_wait(&self) -> Duration {
        let count = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        let watchers = limits::SD_CONSUL_WATCHERS as u32;
        if count <= watchers {
            return limits::SD_CONSUL_HEALTH_WAIT;
        }
        let round = self.config.refresh_interval / limits::SD_CONSUL_BURST;
        let round = round.max(limits::SD_CONSUL_TURN * count);
        (round * watchers / count).min(limits::SD_CONSUL_HEALTH_WAIT)
    }

    /// When [`Core::next`] has something to ask, if no answer comes before.
    pub(super) fn deadline(&self) -> Mono {
        let service = self.waiting.first(self.under_way).map(|(due, _)| *due);
        let both = self.list_due().into_iter().chain(service);
        both.min().unwrap_or(Mono::NEVER)
    }

    /// Takes an answer.
    pub(super) fn answered(
        &mut self,
        now: Mono,
        question: &Question,
        result: Result<Reply, QueryError>,
    ) -> Outcome {
        if let Subject::Health(name) = &question.subject {
            self.under_way = self.under_way.saturating_sub(1);
            return self.health_answered(now, question.id, name, result);
        }
        if !self.list.expects(question.id) {
            return Outcome::default();
        }
        match result.and_then(|reply| self.check_list(reply)) {
            Ok(Reply::DataCenter(datacenter)) => {
                self.locate(now, datacenter);
                Outcome::default()
            }
            Ok(Reply::Services(answer)) => {
                let interval = self.config.refresh_interval;
                self.list.answered(now, answer.index, interval);
                self.list_trouble = None;
                let changed = self.listed(now, &answer.value);
                Outcome {
                    changed,
                    failed: None,
                }
            }
            Ok(Reply::Health(_)) => Outcome::default(),
            Err(error) => {
                self.list.failed(now, &mut self.jitter);
                self.list_trouble = Some(error.to_string());
                Outcome {
                    changed: Vec::new(),
                    failed: Some(error),
                }
            }
        }
    }

    /// Consul answers those who may see nothing with an empty list, as if there were nothing.
    fn check_list(&self, reply: Reply) -> Result<Reply, QueryError> {
        if let Reply::Services(answer) = &reply
            && answer.value.is_empty()
            && (answer.filtered || self.config.lists_consul_itself())
        {
            return Err(QueryError::NothingListed);
        }
        Ok(reply)
    }

    /// The data centre is known, or will not be told: asks for services now.
    fn locate(&mut self, now: Mono, datacenter: Option<String>) {
        self.datacenter = Some(datacenter);
        self.list = Turn::new(now);
        self.list_trouble = None;
        if !self.config.needs_list() {
            for name in self.config.services.clone() {
                self.watch(now, &name.into());
            }
        }
    }

    fn watch(&mut self, now: Mono, name: &Arc<str>) {
        if self.services.contains_key(name) {
            return;
        }
        let service = Service {
            turn: Turn::new(now),
            group: None,
            bytes: 0,
            trouble: None,
        };
        self.waiting.insert(name, &service.turn);
        self.services.insert(Arc::clone(name), service);
    }

    /// Takes the list of services: new ones are watched, groups of others vanish.
    fn listed(&mut self, now: Mono, listed: &Services) -> Vec<TargetGroup> {
        let config = &self.config;
        let wanted = listed
            .iter()
            .filter(|(name, tags)| config.wants(name, tags));
        let mut names: BTreeSet<Arc<str>> = sorting::set(wanted.map(|(name, _)| Arc::from(name)));
        self.left_out = names.len().saturating_sub(limits::SD_CONSUL_SERVICES);
        while names.len() > limits::SD_CONSUL_SERVICES {
            names.pop_last();
        }
        let mut vanished = Vec::new();
        self.services.retain(|name, service| {
            let stays = names.contains(name);
            if !stays && service.group.is_some() {
                vanished.push(TargetGroup {
                    source: name.to_string(),
                    ..TargetGroup::default()
                });
            }
            stays
        });
        self.waiting.retain(|name| names.contains(name));
        for name in &names {
            self.watch(now, name);
        }
        vanished
    }

    fn health_answered(
        &mut self,
        now: Mono,
        id: u64,
        name: &Arc<str>,
        result: Result<Reply, QueryError>,
    ) -> Outcome {
        let datacenter = self.datacenter.clone().flatten();
        let (targets, bytes) = self.found_but_of(name);
        let Some(service) = self.services.get_mut(name) else {
            return Outcome::default();
        };
        if !service.turn.expects(id) {
            return Outcome::default();
        }
        let group = result.and_then(|reply| -> Result<_, QueryError> {
            let Reply::Health(answer) = reply else {
                return Err(QueryError::Other);
            };
            if answer.filtered && answer.value.is_empty() {
                return Err(QueryError::NoInstance(name.to_string()));
            }
            let separator = &self.config.tag_separator;
            let group = group_from(name, datacenter.as_deref(), separator, &answer.value)?;
            let own = weight(&group.labels, &group.targets);
            if targets + group.targets.len() > limits::SD_TARGETS_PER_PROVIDER
                || bytes + own > limits::SD_LABEL_BYTES_PER_PROVIDER
            {
                return Err(TooMuch.into());
            }
            Ok((answer.index, group, own))
        });
        let mut outcome = Outcome::default();
        match group {
            Ok((index, group, bytes)) => {
                let interval = self.config.refresh_interval;
                service.turn.answered(now, index, interval);
                service.trouble = None;
                if service.group.as_ref() != Some(&group) {
                    service.bytes = bytes;
                    service.group = Some(group.clone());
                    outcome.changed.push(group);
                }
            }
            Err(error) => {
                service.turn.failed(now, &mut self.jitter);
                service.trouble = Some(error.to_string());
                outcome.failed = Some(error);
            }
        }
        self.waiting.insert(name, &service.turn);
        outcome
    }

    /// How many targets the other services have, and bytes of their labels. The manager would refuse
    /// too many, too, but then nobody would offer them again when there is room.
    fn found_but_of(&self, name: &str) -> (usize, usize) {
        let others = self.services.iter().filter(|(own, _)| &***own != name);
        others.fold((0, 0), |(targets, bytes), (_, service)| {
            let own = service.group.as_ref();
            let own = own.map_or(0, |group| group.targets.len());
            (targets + own, bytes + service.bytes)
        })
    }

    /// What is wrong now, for the status.
    pub(super) fn trouble(&self) -> Option<QueryError> {
        let services = self.services.values();
        let mut all = services.filter_map(|service| service.trouble.as_ref());
        match self.list_trouble.as_ref().or_else(|| all.next()) {
            Some(text) => Some(QueryError::Still(text.clone())),
            None if self.left_out > 0 => {
                let more = self.left_out;
                Some(QueryError::TooManyServices { more })
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
