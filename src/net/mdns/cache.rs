//! Records as long as they live: what is known of one link.
//!
//! A record lives as long as its last announcement said, a second after it was taken back or
//! replaced (RFC 6762, sections 10.1 and 10.2), and is asked for again at 80, 85, 90 and 95% of its
//! life (section 5.2). Bounds are those of [`limits`]; what exceeds them is refused and changes
//! nothing. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::{Data, Kind, KnownAnswer, Question, Record};
use super::name::DomainName;
use crate::limits;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// When a record is asked for again, in hundredths of its life.
const REFRESH_AT: [u64; 4] = [80, 85, 90, 95];
/// It is asked for so much later at most, so that many hosts do not ask at once.
const REFRESH_SPREAD: u64 = 2;
/// A record that was taken back or replaced lives this much longer, for others to protest.
const GRACE: Duration = Duration::from_secs(1);
/// When a record in doubt is asked for, from the doubt on.
const DOUBT_AT: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(7),
];

/// A record with its life.
#[derive(Clone, Debug)]
struct Entry {
    data: Data,
    received: Mono,
    expires: Mono,
    /// Taken back or replaced: it only waits for its end.
    doomed: bool,
    /// When to ask for it again, the next time first.
    refresh: std::collections::VecDeque<Mono>,
}

/// How much later the records of one packet are asked for, in hundredths of their life: the same
/// for all, so that they are asked for in one packet too.
#[derive(Clone, Copy, Debug)]
pub struct Spread(u64);

impl Spread {
    /// One for the next packet.
    pub fn draw(jitter: &mut Jitter) -> Spread {
        Spread(jitter.next_u64() % (REFRESH_SPREAD + 1))
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was not there before.
    New,
    /// It was there: its life begins again, or ends soon.
    Known,
    /// There is no room for it.
    Refused,
}

/// The records of one link.
#[derive(Debug, Default)]
pub struct Cache(BTreeMap<Question, Vec<Entry>>);

impl Entry {
    fn doom(&mut self, now: Mono) {
        self.expires = self.expires.min(now + GRACE);
        self.doomed = true;
        self.refresh.clear();
    }

    fn renew(&mut self, now: Mono, life: Duration, spread: Spread) {
        let at = |hundredths: u64| {
            now + life * u32::try_from(hundredths + spread.0).unwrap_or(u32::MAX) / 100
        };
        self.received = now;
        self.expires = now + life;
        self.doomed = false;
        self.refresh = REFRESH_AT.into_iter().map(at).collect();
    }
}

impl Cache {
    /// Takes a record of a packet in. `room` is how many instances may still be added.
    pub fn take(&mut self, now: Mono, record: Record, room: usize, spread: Spread) -> Taken {
        let kind = record.data.kind();
        let key = (record.name, kind);
        if record.ttl == 0 {
            let entries = self.0.get_mut(&key);
            let taken_back = entries.into_iter().flatten();
            for entry in taken_back.filter(|entry| entry.data == record.data) {
                entry.doom(now);
            }
            return Taken::Known;
        }
        if record.flush {
            self.replace(now, &key, &record.data);
        }
        let life = Duration::from_secs(u64::from(record.ttl)).min(limits::MDNS_TTL_MAX);
        let entries = self.0.entry(key).or_default();
        let known = entries.iter_mut().find(|entry| entry.data == record.data);
        if let Some(entry) = known {
            entry.renew(now, life, spread);
            return Taken::Known;
        }
        let most = match kind {
            Kind::Ptr => entries.len() + room,
            _ => limits::MDNS_RECORDS_PER_NAME,
        };
        if entries.len() >= most {
            let Some(index) = entries.iter().position(|entry| entry.doomed) else {
                return Taken::Refused;
            };
            entries.swap_remove(index);
        }
        let mut entry = Entry {
            data: record.data,
            received: now,
            expires: now,
            doomed: false,
            refresh: [].into(),
        };
        entry.renew(now, life, spread);
        entries.push(entry);
        Taken::New
    }

    /// Other records of that name and kind end soon, except those of the last second: they may be
    /// another packet of the same announcement. An instance has one place and one set of
    /// attributes, so of these only the same packet can hold several.
    fn replace(&mut self, now: Mono, key: &Question, data: &Data) {
        let same_announcement = match key.1 {
            Kind::Srv | Kind::Txt => Duration::ZERO,
            Kind::Ptr | Kind::A | Kind::Aaaa => GRACE,
        };
        let others = self.0.get_mut(key).into_iter().flatten();
        for entry in others.filter(|entry| entry.data != *data) {
            if now.since(entry.received) > same_announcement {
                entry.doom(now);
            }
        }
    }

    /// Drops what has expired. True when anything had.
    pub fn expire(&mut self, now: Mono) -> bool {
        let mut expired = false;
        self.0.retain(|_, entries| {
            let before = entries.len();
            entries.retain(|entry| entry.expires > now);
            expired |= entries.len() != before;
            !entries.is_empty()
        });
        expired
    }

    /// Forgets whatever `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Question) -> bool) {
        self.0.retain(|question, _| keep(question));
    }

    /// What is said of a name, in no certain order.
    pub fn get<'a>(&'a self, name: &DomainName, kind: Kind) -> impl Iterator<Item = &'a Data> {
        let entries = self.0.get(&(name.clone(), kind));
        entries.into_iter().flatten().map(|entry| &entry.data)
    }

    /// What counts of what is said of a name: that which is not about to end, or all of it.
    pub fn current<'a>(&'a self, name: &DomainName, kind: Kind) -> impl Iterator<Item = &'a Data> {
        let entries = self.0.get(&(name.clone(), kind));
        let entries = entries.map_or(&[][..], Vec::as_slice);
        let alive = entries.iter().any(|entry| !entry.doomed);
        let counts = entries.iter().filter(move |entry| !alive || !entry.doomed);
        counts.map(|entry| &entry.data)
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The questions about records whose life is nearly over; each time comes up once.
    pub fn refresh(&mut self, now: Mono, mut ask: impl FnMut(&Question)) {
        for (question, entries) in &mut self.0 {
            let mut due = false;
            for entry in entries {
                while entry.refresh.front().is_some_and(|at| *at <= now) {
                    entry.refresh.pop_front();
                    due = true;
                }
            }
            if due {
                ask(question);
            }
        }
    }

    /// When something happens next by itself.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        let entries = self.0.values().flatten();
        let times = entries.map(|entry| match entry.refresh.front() {
            Some(at) => entry.expires.min(*at),
            None => entry.expires,
        });
        times.min().unwrap_or(Mono::NEVER)
    }

    /// The instances of a type that nobody needs to name: those with more than half of their life
    /// left (RFC 6762, section 7.1).
    #[must_use]
    pub fn known_answers(&self, now: Mono, service: &DomainName) -> Vec<KnownAnswer> {
        let entries = self.0.get(&(service.clone(), Kind::Ptr));
        let known = entries.into_iter().flatten().filter_map(|entry| {
            let Data::Ptr(instance) = &entry.data else {
                return None;
            };
            let (life, left) = (
                entry.expires.since(entry.received),
                entry.expires.since(now),
            );
            (!entry.doomed && left > life / 2).then(|| KnownAnswer {
                name: service.clone(),
                ttl: u32::try_from(left.as_secs()).unwrap_or(u32::MAX),
                instance: instance.clone(),
            })
        });
        known.collect()
    }

    /// The link was away from `since` to `now`, and nobody could be heard meanwhile: every record
    /// has its life from then still before it, but must be confirmed soon.
    pub fn doubt(&mut self, since: Mono, now: Mono) {
        for entry in self.0.values_mut().flatten() {
            let left = entry.expires.since(since).min(limits::MDNS_CONFIRM);
            entry.received = now;
            entry.expires = now + left;
            if !entry.doomed {
                entry.refresh = DOUBT_AT.into_iter().map(|after| now + after).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests;
