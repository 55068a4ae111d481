//! Books of both ends: what the targets gave out and what the receiver got.
//!
//! Every value a ledger target serves is unique in its run: it encodes the series and the number
//! of the scrape, so a delivered value tells what it is without trusting labels, timestamps or
//! order. From both books follow the figures of a fault test: lost, duplicated, reordered,
//! invented, torn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use narthex::model::value::STALE_BITS;
use parking_lot::Mutex;

use super::http::{Handler, HttpServer, Reply, Request};
use super::receiver::{Books, Labels, Point, Receiver, label};
use super::target::TEXT;
use super::wait;

pub(crate) use super::verdict::Audit;

/// Scrapes a series can have; a value is `series * SCRAPES + scrape`, exact as a float.
const SCRAPES: u64 = 1 << 24;

/// The name of every series that the ledger gives out.
const NAME: &str = "ledger_value";

#[derive(Clone, Copy, Debug)]
struct Issue {
    at: Instant,
    /// The wall clock then, in milliseconds since 1970.
    wall_ms: i64,
    /// All bytes of the page were handed to the system.
    whole: bool,
}

#[derive(Default)]
struct Account {
    issued: BTreeMap<u64, Issue>,
}

/// One target and its account.
struct Counter {
    ledger: u64,
    number: u64,
    series: u64,
    account: Arc<Mutex<Account>>,
}

impl Handler for Counter {
    fn handle(&self, request: &Request) -> Reply {
        let scrape = request.number as u64;
        let issue = Issue {
            at: request.at,
            wall_ms: request.wall_ms,
            whole: false,
        };
        self.account.lock().issued.insert(scrape, issue);
        let mut page = format!("# TYPE {NAME} gauge\n");
        for series in 0..self.series {
            let id = self.number * self.series + series;
            let value = id * SCRAPES + scrape;
            let ledger = self.ledger;
            page.push_str(&format!(
                "{NAME}{{ledger=\"{ledger}\",series=\"{id}\"}} {value}\n"
            ));
        }
        Reply::ok(TEXT, page)
    }

    fn sent(&self, request: &Request, whole: bool) {
        if let Some(issue) = self.account.lock().issued.get_mut(&(request.number as u64)) {
            issue.whole = whole;
        }
    }
}

/// A set of targets that keep accounts.
pub(crate) struct Ledger {
    /// Different from every other ledger's; a label of its series.
    number: u64,
    targets: Vec<(HttpServer, Arc<Mutex<Account>>)>,
    series: u64,
}

impl Ledger {
    /// Starts `targets` servers with `series` series each.
    pub(crate) fn start(targets: u64, series: u64) -> Ledger {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let ledger = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = |number| {
            let account: Arc<Mutex<Account>> = Arc::default();
            let counter = Counter {
                ledger,
                number,
                series,
                account: Arc::clone(&account),
            };
            (HttpServer::start(counter), account)
        };
        Ledger {
            number: ledger,
            targets: (0..targets).map(start).collect(),
            series,
        }
    }

    /// A scrape job for all targets, as an item of `scrape_configs`.
    pub(crate) fn job(&self, name: &str, interval: &str) -> String {
        let addresses: Vec<String> = self.addresses();
        format!(
            "- job_name: {name}\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\n  \
             static_configs: [{{targets: [{}]}}]\n",
            addresses.join(", ")
        )
    }

    /// The value of the first series of the first target at a scrape.
    pub(crate) fn first_value(scrape: u32) -> f64 {
        f64::from(scrape)
    }

    /// The series and the scrape that a value stands for; none if no ledger gives it out.
    pub(crate) fn parts(value: f64) -> Option<(u64, u64)> {
        if value.fract() != 0.0 || value < 0.0 || value > 2f64.powi(53) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        let value = value as u64;
        Some((value / SCRAPES, value % SCRAPES))
    }

    /// Addresses of the targets.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.targets
            .iter()
            .map(|(server, _)| server.address())
            .collect()
    }

    /// Scrapes of the target that has fewest.
    pub(crate) fn scrapes(&self) -> usize {
        self.targets
            .iter()
            .map(|(server, _)| server.count())
            .min()
            .unwrap_or(0)
    }

    /// Refuses connections to all targets and cuts those there are.
    pub(crate) fn go_away(&self) {
        self.targets.iter().for_each(|(server, _)| server.pause());
    }

    /// Listens again.
    pub(crate) fn come_back(&self) {
        self.targets.iter().for_each(|(server, _)| server.resume());
    }

    /// Waits until every target was scraped `more` times from now on.
    pub(crate) fn wait_for(&self, more: usize) {
        let aim: Vec<usize> = self
            .targets
            .iter()
            .map(|(one, _)| one.count() + more)
            .collect();
        wait::until_true("scrapes of the ledger", wait::LONG, || {
            let pairs = self.targets.iter().zip(&aim);
            pairs.into_iter().all(|((one, _), aim)| one.count() >= *aim)
        });
    }

    /// Waits until everything given out before now is in the receiver's books, for at most
    /// `limit`, and audits what was given out by now.
    pub(crate) fn settle(&self, receiver: &Receiver, limit: Duration) -> Audit {
        self.settle_before(receiver, wait::now(), limit)
    }

    /// The same for everything given out before `until`.
    pub(crate) fn settle_before(
        &self,
        receiver: &Receiver,
        until: Instant,
        limit: Duration,
    ) -> Audit {
        self.settle_with(until, None, limit, |audit| receiver.books(audit))
    }

    /// The same when something may be lost for good: waits only for what was given out after
    /// `since`. Delivery is in order, so what is older has arrived before that, or never will.
    pub(crate) fn settle_since(
        &self,
        receiver: &Receiver,
        since: Instant,
        limit: Duration,
    ) -> Audit {
        self.settle_with(wait::now(), Some(since), limit, |audit| {
            receiver.books(audit)
        })
    }

    /// The same with books that are fetched anew for every look.
    pub(crate) fn settle_with(
        &self,
        until: Instant,
        since: Option<Instant>,
        limit: Duration,
        mut look: impl FnMut(&dyn Fn(&Books) -> Audit) -> Audit,
    ) -> Audit {
        let mut audit = || look(&|books| self.audit(books, until));
        let missing = |audit: &Audit| {
            let mut lost = audit.lost.iter();
            lost.any(|(at, _)| since.is_none_or(|since| *at > since))
        };
        // Looking costs time that the rest of the test needs too, so it is done a part of the time.
        let mut again_at = wait::now();
        let all = wait::try_until(limit, || {
            let begun = wait::now();
            if begun < again_at {
                return None;
            }
            let audit = audit();
            again_at = wait::now() + 3 * (wait::now() - begun);
            Some(audit).filter(|audit| !missing(audit))
        });
        all.unwrap_or_else(audit)
    }

    /// Compares both books. Scrapes after `until` may be missing, but not wrong.
    pub(crate) fn audit(&self, books: &Books, until: Instant) -> Audit {
        let mut audit = Audit::default();
        // When each sample arrived last.
        let mut seen: BTreeMap<(u64, u64), Instant> = BTreeMap::new();
        for (labels, points) in self.mine(books) {
            let mut newest = i64::MIN;
            for point in points {
                if point.bits == STALE_BITS {
                    audit.stale += 1;
                    continue;
                }
                let Some(key) = self.issued(labels, f64::from_bits(point.bits)) else {
                    audit.invented += 1;
                    continue;
                };
                if let Some(before) = seen.insert(key, point.at) {
                    audit.duplicated += 1;
                    audit.repeats.push((before, point.at));
                } else if point.timestamp < newest {
                    audit.reordered += 1;
                }
                newest = newest.max(point.timestamp);
            }
        }
        self.audit_scrapes(&mut audit, &seen, until);
        audit.delivered = seen.len();
        audit
    }

    /// The series of this ledger in the books.
    fn mine<'a>(&self, books: &'a Books) -> impl Iterator<Item = (&'a Labels, &'a Vec<Point>)> {
        let own = self.number.to_string();
        let named = books.named(NAME);
        named.filter(move |(labels, _)| label(labels, "ledger") == own)
    }

    /// How far the timestamp of each delivered sample is from the wall clock at its scrape, in
    /// milliseconds, by the time of the scrape: what a stepping clock does to samples. Whatever
    /// arrives must belong to this ledger.
    pub(crate) fn stamp_errors(&self, books: &Books) -> BTreeMap<Instant, i64> {
        let mut errors = BTreeMap::new();
        for (labels, points) in self.mine(books) {
            for point in points.iter().filter(|point| point.bits != STALE_BITS) {
                let key = self.issued(labels, f64::from_bits(point.bits));
                let (id, scrape) = key.expect("given out by this ledger");
                let (_, account) = &self.targets[usize::try_from(id / self.series).expect("few")];
                let issue = account.lock().issued[&scrape];
                errors.insert(issue.at, point.timestamp - issue.wall_ms);
            }
        }
        errors
    }

    /// When each target was scraped, in order.
    pub(crate) fn times(&self) -> Vec<Vec<Instant>> {
        let times = |account: &Mutex<Account>| {
            let account = account.lock();
            account.issued.values().map(|issue| issue.at).collect()
        };
        self.targets
            .iter()
            .map(|(_, account)| times(account))
            .collect()
    }

    /// The series and scrape that a value stands for, if it was given out under these labels.
    fn issued(&self, labels: &Labels, value: f64) -> Option<(u64, u64)> {
        let (id, scrape) = Ledger::parts(value)?;
        let index = usize::try_from(id / self.series).ok()?;
        let (_, account) = self.targets.get(index)?;
        let known = account.lock().issued.contains_key(&scrape);
        (known && label(labels, "series") == id.to_string()).then_some((id, scrape))
    }

    fn audit_scrapes(
        &self,
        audit: &mut Audit,
        seen: &BTreeMap<(u64, u64), Instant>,
        until: Instant,
    ) {
        for (number, (_, account)) in self.targets.iter().enumerate() {
            let first = number as u64 * self.series;
            for (scrape, issue) in &account.lock().issued {
                if !issue.whole {
                    continue;
                }
                let ids = first..first + self.series;
                let there = ids.filter(|id| seen.contains_key(&(*id, *scrape))).count() as u64;
                let counts = issue.at < until;
                audit.issued += if counts { self.series } else { 0 };
                if there == 0 && counts {
                    audit.lost.push((issue.at, self.series));
                } else if there > 0 && there < self.series {
                    audit.torn += 1;
                    audit.lost.push((issue.at, self.series - there));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::client;
    use super::*;

    /// Books in which everything that the ledger gave out arrived, once and in order.
    fn faithful(ledger: &Ledger, scrapes: u64) -> Books {
        let mut series = BTreeMap::new();
        for id in 0..ledger.series {
            let name = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
            let (own, id_text) = (ledger.number.to_string(), id.to_string());
            let pairs = [("__name__", NAME), ("ledger", &own), ("series", &id_text)];
            let points = (0..scrapes).map(|scrape| Point {
                timestamp: i64::try_from(scrape).expect("small"),
                bits: ((id * SCRAPES + scrape) as f64).to_bits(),
                at: wait::now(),
            });
            series.insert(pairs.map(name).to_vec(), points.collect());
        }
        Books {
            series,
            ..Books::default()
        }
    }

    fn scraped(times: usize) -> Ledger {
        let ledger = Ledger::start(1, 2);
        for _ in 0..times {
            let port = ledger.targets[0].0.address().split_off("127.0.0.1:".len());
            client::get(port.parse().expect("a port"), "/metrics").expect("a page");
        }
        // The account is closed after the last byte has left.
        let account = &ledger.targets[0].1;
        wait::until_true("the account", wait::LONG, || {
            account
                .lock()
                .issued
                .values()
                .filter(|issue| issue.whole)
                .count()
                == times
        });
        ledger
    }

    /// The audit after one change of the first series' points.
    fn changed(change: impl FnOnce(&mut Vec<Point>)) -> Audit {
        let ledger = scraped(4);
        let mut books = faithful(&ledger, 4);
        change(books.series.values_mut().next().expect("a series"));
        ledger.audit(&books, wait::now())
    }

    #[test]
    fn faithful_books_have_no_faults() {
        let audit = changed(|_| {});
        audit.assert_exact();
        assert_eq!((audit.issued, audit.delivered), (8, 8));
    }

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        let audit = changed(|points| points.push(points[3]));
        assert_eq!((audit.duplicated, audit.lost(), audit.reordered), (1, 0, 0));
        let audit = changed(|points| points.swap(1, 2));
        assert_eq!((audit.reordered, audit.duplicated), (1, 0));
        let audit = changed(|points| {
            points.remove(2);
        });
        assert_eq!((audit.torn, audit.lost()), (1, 1));
        let audit = changed(|points| points[0].bits = 99f64.to_bits());
        assert_eq!((audit.invented, audit.lost()), (1, 1));
        let audit = changed(|points| points[0].bits = 0.5f64.to_bits());
        assert_eq!(audit.invented, 1);
        let audit = changed(|points| points[3].bits = STALE_BITS);
        assert_eq!((audit.stale, audit.lost()), (1, 1));
        // A value of the other series, under these labels.
        let audit = changed(|points| points[0].bits = ((SCRAPES + 1) as f64).to_bits());
        assert_eq!(audit.invented, 1);
    }

    #[test]
    fn scrapes_after_the_end_of_the_audit_may_be_missing() {
        let ledger = scraped(2);
        let between = wait::now();
        let books = faithful(&ledger, 2);
        let port = ledger.targets[0].0.address().split_off("127.0.0.1:".len());
        client::get(port.parse().expect("a port"), "/metrics").expect("a page");
        ledger.audit(&books, between).assert_exact();
        let lost = wait::try_until(wait::LONG, || {
            Some(ledger.audit(&books, wait::now()).lost()).filter(|lost| *lost > 0)
        });
        assert_eq!(lost, Some(2));
    }
}
