//! Who may enter: names and passwords against their hashes, and what was found before.
//!
//! Hashing a password is slow on purpose, so it is done elsewhere ([`super::checker`]), and its
//! outcome is remembered under a keyed digest of name, hash and password; the password itself is
//! never kept. An unknown name is hashed as long as a known one. Good outcomes are kept apart from
//! bad ones, so nobody can wash them away, and wrong passwords are rationed.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use super::bucket::Bucket;
use crate::config::secret::Secret;
use crate::config::web::BcryptHash;
use crate::limits;
use crate::model::time::Mono;
use crate::sys::published::Shared;

/// Stands for name, hash and password.
type Tag = [u8; 32];

/// What the gate says to a request.
#[derive(Debug)]
pub(super) enum Judgement {
    Pass,
    /// No name and password, or wrong ones.
    Refused(Reason),
    /// Not known yet.
    Check(Check),
}

/// Why somebody is refused; the value of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Missing,
    Wrong,
    /// Too many wrong passwords.
    Rationed,
}

/// A password to be hashed.
pub(super) struct Check {
    pub(super) tag: Tag,
    pub(super) hash: BcryptHash,
    pub(super) password: Secret,
    /// Whether there is such a user: if not, the outcome is no.
    pub(super) is_known: bool,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Check")
    }
}

/// Outcomes, the latest of each kind.
#[derive(Debug)]
pub(super) struct Verdicts {
    good: VecDeque<Tag>,
    bad: VecDeque<Tag>,
    wrong: Bucket,
}

impl Verdicts {
    pub(super) fn new() -> Verdicts {
        Verdicts {
            good: VecDeque::new(),
            bad: VecDeque::new(),
            wrong: Bucket::new(
                limits::WEB_WRONG_PASSWORD_INTERVAL,
                limits::WEB_WRONG_PASSWORDS,
            ),
        }
    }

    /// What is known about a password.
    pub(super) fn get(&self, tag: &Tag) -> Option<bool> {
        if self.good.contains(tag) {
            return Some(true);
        }
        self.bad.contains(tag).then_some(false)
    }

    /// Remembers an outcome.
    pub(super) fn settle(&mut self, tag: Tag, is_right: bool) {
        let kept = if is_right {
            // Only wrong ones count.
            self.wrong.give_back();
            &mut self.good
        } else {
            &mut self.bad
        };
        if kept.len() >= limits::WEB_VERDICTS {
            kept.pop_front();
        }
        kept.push_back(tag);
    }
}

/// The gate.
pub(super) struct Gate {
    key: hmac::Key,
    verdicts: Shared<Verdicts>,
}

impl Gate {
    /// `key` is random and known to nobody.
    pub(super) fn new(key: &[u8; 32]) -> Gate {
        Gate {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            verdicts: Shared::new(Verdicts::new()),
        }
    }

    pub(super) fn verdicts(&self) -> Shared<Verdicts> {
        self.verdicts.clone()
    }

    /// Judges the value of `Authorization`. Without users everybody may enter.
    pub(super) fn judge(
        &self,
        users: &BTreeMap<String, BcryptHash>,
        authorization: Option<&str>,
        now: Mono,
    ) -> Judgement {
        let Some(some_hash) = users.values().max_by_key(|hash| hash.cost) else {
            return Judgement::Pass;
        };
        let Some((name, password)) = authorization.and_then(credentials) else {
            return Judgement::Refused(Reason::Missing);
        };
        let known = users.get(&name);
        let hash = known.unwrap_or(some_hash);
        let tag = self.tag(&name, hash, &password, known.is_some());
        self.verdicts.with(|verdicts| match verdicts.get(&tag) {
            Some(true) => Judgement::Pass,
            Some(false) => Judgement::Refused(Reason::Wrong),
            None if !verdicts.wrong.take(now) => Judgement::Refused(Reason::Rationed),
            None => Judgement::Check(Check {
                tag,
                hash: hash.clone(),
                password,
                is_known: known.is_some(),
            }),
        })
    }

    fn tag(&self, name: &str, hash: &BcryptHash, password: &Secret, is_known: bool) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(name.len() as u64).to_le_bytes());
        context.update(name.as_bytes());
        context.update(&[hash.cost as u8, u8::from(is_known)]);
        context.update(&hash.salt);
        context.update(&hash.digest);
        context.update(password.expose().as_bytes());
        let mut tag = Tag::default();
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// Name and password of `Basic` (RFC 7617).
fn credentials(authorization: &str) -> Option<(String, Secret)> {
    let (kind, encoded) = authorization.split_once(' ')?;
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

/// Whether the password is the one of the hash. Takes 2 to the power of the cost rounds.
pub(super) fn is_right(check: &Check) -> bool {
    // Longer ones count up to here, as everywhere else; a shorter one ends with a zero.
    const BYTES_MAX: usize = 72;
    let mut password = check.password.expose().as_bytes().to_vec();
    password.push(0);
    password.truncate(BYTES_MAX);
    let digest = bcrypt::bcrypt(check.hash.cost, check.hash.salt, &password);
    let different = digest
        .iter()
        .zip(&check.hash.digest)
        .fold(0, |sum, (one, two)| sum | (one ^ two));
    different == 0 && check.is_known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::auth::basic;

    fn users() -> BTreeMap<String, BcryptHash> {
        // Made by crypt(3).
        let texts = [
            (
                "alice",
                "$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW",
            ),
            (
                "bob",
                "$2y$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm",
            ),
        ];
        let hash = |text| BcryptHash::parse(text).expect("hash");
        texts
            .map(|(name, text)| (name.to_owned(), hash(text)))
            .into()
    }

    /// What is found out about a name and a password, and whether it had to be hashed.
    fn found(gate: &Gate, name: &str, password: &str, now: Mono) -> (bool, bool) {
        let header = basic(name, password);
        match gate.judge(&users(), Some(&header), now) {
            Judgement::Pass => (true, false),
            Judgement::Refused(_) => (false, false),
            Judgement::Check(check) => {
                let right = is_right(&check);
                gate.verdicts()
                    .with(|verdicts| verdicts.settle(check.tag, right));
                (right, true)
            }
        }
    }

    #[test]
    fn passwords_are_hashed_once() {
        let gate = Gate::new(&[7; 32]);
        for (name, password, right) in [
            ("alice", "open sesame", true),
            ("bob", "hunter2", true),
            ("alice", "hunter2", false),
            ("alice", "", false),
            ("mallory", "open sesame", false),
        ] {
            assert_eq!(
                found(&gate, name, password, Mono(1)),
                (right, true),
                "{name}"
            );
            assert_eq!(
                found(&gate, name, password, Mono(1)),
                (right, false),
                "{name}"
            );
        }
    }

    #[test]
    fn an_unknown_name_costs_what_the_dearest_known_one_does() {
        let gate = Gate::new(&[7; 32]);
        let header = basic("mallory", "x");
        let Judgement::Check(check) = gate.judge(&users(), Some(&header), Mono(1)) else {
            panic!("hashed");
        };
        assert_eq!(check.hash.cost, 5);
        assert!(!format!("{check:?}").contains('x'));
    }

    #[test]
    fn who_says_nothing_is_refused_at_once_unless_there_are_no_users() {
        let gate = Gate::new(&[7; 32]);
        for header in [
            None,
            Some("Bearer x"),
            Some("Basic !"),
            Some("Basic"),
            Some("Basic YQ=="),
        ] {
            assert!(matches!(
                gate.judge(&users(), header, Mono(1)),
                Judgement::Refused(Reason::Missing)
            ));
            let nobody = BTreeMap::new();
            assert!(matches!(
                gate.judge(&nobody, header, Mono(1)),
                Judgement::Pass
            ));
        }
    }

    #[test]
    fn wrong_passwords_are_rationed_and_right_ones_known_before_are_not() {
        let gate = Gate::new(&[7; 32]);
        assert_eq!(found(&gate, "bob", "hunter2", Mono(1)), (true, true));
        for number in 0..limits::WEB_WRONG_PASSWORDS {
            let wrong = format!("guess {number}");
            assert_eq!(found(&gate, "bob", &wrong, Mono(1)), (false, true));
        }
        let header = basic("bob", "one more");
        let judged = gate.judge(&users(), Some(&header), Mono(1));
        assert!(matches!(judged, Judgement::Refused(Reason::Rationed)));
        assert_eq!(found(&gate, "bob", "hunter2", Mono(1)), (true, false));
        assert_eq!(found(&gate, "bob", "guess 0", Mono(1)), (false, false));
        let later = Mono(1) + limits::WEB_WRONG_PASSWORD_INTERVAL;
        assert_eq!(found(&gate, "bob", "one more", later), (false, true));
    }

    #[test]
    fn few_outcomes_are_kept_and_bad_ones_push_out_no_good_one() {
        let mut verdicts = Verdicts::new();
        verdicts.settle([1; 32], true);
        for number in 0..=limits::WEB_VERDICTS {
            let mut tag = [0; 32];
            tag[0] = number as u8;
            tag[1] = 9;
            verdicts.settle(tag, false);
        }
        assert_eq!(verdicts.get(&[1; 32]), Some(true));
        assert_eq!(verdicts.bad.len(), limits::WEB_VERDICTS);
    }

    #[test]
    fn only_the_first_72_bytes_of_a_password_count() {
        let long = "p".repeat(72);
        let hash = bcrypt::bcrypt(4, [3; 16], long.as_bytes());
        let mut check = Check {
            tag: [0; 32],
            hash: BcryptHash {
                cost: 4,
                salt: [3; 16],
                digest: hash[..23].try_into().expect("23"),
            },
            password: Secret::new(format!("{long}and more")),
            is_known: true,
        };
        assert!(is_right(&check));
        check.is_known = false;
        assert!(!is_right(&check));
    }
}
