use std::net::Ipv4Addr;

use super::super::testing::name;
use super::*;

fn address(last: u8) -> Data {
    Data::A(Ipv4Addr::new(192, 0, 2, last))
}

struct Bench {
    cache: Cache,
    jitter: Jitter,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            cache: Cache::default(),
            jitter: Jitter::seeded(1),
        }
    }

    fn take(&mut self, millis: u64, ttl: u32, flush: bool, data: Data) -> Taken {
        let record = Record {
            name: name("h.local"),
            ttl,
            flush,
            data,
        };
        let now = Mono::from_millis(millis);
        self.cache.expire(now);
        self.cache
            .take(now, record, 10, Spread::draw(&mut self.jitter))
    }

    fn at(&mut self, millis: u64, kind: Kind) -> Vec<Data> {
        self.cache.expire(Mono::from_millis(millis));
        let mut data: Vec<Data> = self.cache.get(&name("H.LOCAL"), kind).cloned().collect();
        data.sort();
        data
    }
}

#[test]
fn a_record_lives_as_long_as_it_says_and_an_hour_and_a_quarter_at_most() {
    let mut bench = Bench::new();
    assert_eq!(bench.take(0, 10, false, address(1)), Taken::New);
    assert_eq!(bench.take(5000, 10, false, address(1)), Taken::Known);
    assert_eq!(bench.at(14_999, Kind::A), [address(1)]);
    assert_eq!(bench.at(15_000, Kind::A), []);
    bench.take(0, u32::MAX, false, address(1));
    assert_eq!(bench.at(4_499_999, Kind::A), [address(1)]);
    assert_eq!(bench.at(4_500_000, Kind::A), []);
}

#[test]
fn a_flush_spares_the_last_second_of_addresses() {
    let mut bench = Bench::new();
    bench.take(0, 100, true, address(1));
    bench.take(5000, 100, true, address(2));
    bench.take(5900, 100, true, address(3));
    assert_eq!(bench.at(5901, Kind::A).len(), 3);
    let name = name("h.local");
    let mut current: Vec<Data> = bench.cache.current(&name, Kind::A).cloned().collect();
    current.sort();
    assert_eq!(current, [address(2), address(3)]);
    assert_eq!(bench.at(6000, Kind::A), [address(2), address(3)]);
    assert_eq!(bench.at(100_000, Kind::A), [address(2), address(3)]);
}

#[test]
fn attributes_are_replaced_however_soon() {
    let mut bench = Bench::new();
    let text = |key: &str| Data::Txt([(key.as_bytes().into(), None)].into());
    bench.take(0, 100, true, text("a"));
    bench.take(1, 100, true, text("b"));
    let name = name("h.local");
    let current: Vec<&Data> = bench.cache.current(&name, Kind::Txt).collect();
    assert_eq!(current, [&text("b")]);
    assert_eq!(bench.at(1001, Kind::Txt), [text("b")]);
}

#[test]
fn what_was_taken_back_makes_room_and_is_nobodys_known_answer() {
    let mut bench = Bench::new();
    for last in 0..limits::MDNS_RECORDS_PER_NAME {
        let last = u8::try_from(last).expect("small");
        assert_eq!(bench.take(0, 100, false, address(last)), Taken::New);
    }
    assert_eq!(bench.take(1, 100, false, address(99)), Taken::Refused);
    assert_eq!(bench.take(2, 0, false, address(98)), Taken::Known);
    assert_eq!(bench.take(3, 100, false, address(99)), Taken::Refused);
    assert_eq!(bench.take(4, 0, false, address(3)), Taken::Known);
    assert_eq!(bench.take(5, 100, false, address(99)), Taken::New);
    assert!(!bench.at(5, Kind::A).contains(&address(3)));
}

#[test]
fn known_answers_have_more_than_half_of_their_life_left() {
    let mut bench = Bench::new();
    let instance = |text: &str| Data::Ptr(name(text));
    bench.take(0, 100, false, instance("old.h.local"));
    bench.take(40_000, 100, false, instance("new.h.local"));
    bench.take(40_000, 100, false, instance("back.h.local"));
    bench.take(40_001, 0, false, instance("back.h.local"));
    let known = |bench: &Bench, millis| {
        let known = bench
            .cache
            .known_answers(Mono::from_millis(millis), &name("h.local"));
        let shown = known.iter().map(|one| (one.instance.to_string(), one.ttl));
        shown.collect::<Vec<_>>()
    };
    let (old, new) = ("old.h.local".to_owned(), "new.h.local".to_owned());
    assert_eq!(known(&bench, 40_500), [(old, 59), (new.clone(), 99)]);
    assert_eq!(known(&bench, 50_000), [(new, 90)]);
}
