//! A password's bcrypt hash, taken apart: cost, salt, digest.

use std::fmt;

/// Length of a hash in the usual text form.
const TEXT_BYTES: usize = 60;
/// Where the digits of the cost, the salt and the digest begin.
const COST_AT: usize = 4;
const SALT_AT: usize = 7;
const DIGEST_AT: usize = 29;

/// A bcrypt hash. Prints as `<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct BcryptHash {
    /// The logarithm of the number of rounds, 4 to 31.
    pub cost: u32,
    /// The salt.
    pub salt: [u8; 16],
    /// What the password must come to.
    pub digest: [u8; 23],
}

impl fmt::Debug for BcryptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl BcryptHash {
    /// Reads the usual form, `$2y$10$` and 53 characters; all variants of version 2 are the same.
    ///
    /// # Errors
    /// What is wrong with it, in the words of Go's library where it has some, without the hash.
    pub fn parse(text: &str) -> Result<BcryptHash, String> {
        let bytes = text.as_bytes();
        match bytes {
            [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', ..] => {}
            [b'$', version, ..] if *version > b'2' => {
                return Err("crypto/bcrypt: bcrypt algorithm version requested is newer than current version '2'".to_owned());
            }
            [b'$', ..] => {
                return Err("not a bcrypt hash: it must begin with $2y$, $2b$ or $2a$".to_owned());
            }
            _ => {
                return Err("crypto/bcrypt: bcrypt hashes must start with '$'".to_owned());
            }
        }
        if bytes.len() < TEXT_BYTES {
            return Err(
                "crypto/bcrypt: hashedSecret too short to be a bcrypted password".to_owned(),
            );
        }
        if bytes.len() > TEXT_BYTES || !text.is_ascii() {
            return Err(format!(
                "not a bcrypt hash: it must have {TEXT_BYTES} characters"
            ));
        }
        let cost: u32 = text[COST_AT..COST_AT + 2]
            .parse()
            .map_err(|_| "not a bcrypt hash: its cost is no number".to_owned())?;
        if !(4..=31).contains(&cost) {
            return Err(format!(
                "crypto/bcrypt: cost {cost} is outside allowed inclusive range 4..31"
            ));
        }
        let wrong = || "not a bcrypt hash: it holds characters that no hash has".to_owned();
        Ok(BcryptHash {
            cost,
            salt: decode(&bytes[SALT_AT..DIGEST_AT]).ok_or_else(wrong)?,
            digest: decode(&bytes[DIGEST_AT..]).ok_or_else(wrong)?,
        })
    }
}

/// The bytes of bcrypt's own base 64: another alphabet, no padding, left-over bits ignored.
fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (mut bits, mut held, mut at) = (0_u32, 0, 0);
    for letter in text {
        bits = bits << 6 | u32::from(value(*letter)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            *bytes.get_mut(at)? = (bits >> held) as u8;
            at += 1;
        }
    }
    (at == N).then_some(bytes)
}

fn value(letter: u8) -> Option<u8> {
    match letter {
        b'.' => Some(0),
        b'/' => Some(1),
        b'A'..=b'Z' => Some(letter - b'A' + 2),
        b'a'..=b'z' => Some(letter - b'a' + 28),
        b'0'..=b'9' => Some(letter - b'0' + 54),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `test`, made by crypt(3).
    const HASH: &str = "$2y$10$abcdefghijklmnopqrstuuNYVhuCzN8W/N3q6oBTpBoHaLLh6DgBG";

    #[test]
    fn a_hash_is_taken_apart() {
        let hash =
            BcryptHash::parse("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.")
                .expect("a hash");
        assert_eq!(hash.cost, 6);
        assert_eq!(hash.salt[..4], [0x14, 0x4b, 0x3d, 0x69]);
        assert_eq!(hash.digest[20..], [0x19, 0xde, 0xe0]);
        assert_eq!(format!("{hash:?}"), "<secret>");
    }

    #[test]
    fn what_is_no_hash_is_refused_in_words_without_it() {
        let cases = [
            ("secret", "must start with '$'"),
            ("$1$salt$hash", "it must begin with $2y$"),
            ("$3a$10$x", "newer than current version"),
            ("$2y$10$tooshort", "hashedSecret too short"),
            (&HASH.replace("10$a", "32$a"), "cost 32 is outside"),
            (&HASH.replace("10$a", "xx$a"), "its cost is no number"),
            (&HASH.replace("N8W", "N!8"), "characters that no hash has"),
            (&format!("{HASH}x"), "must have 60 characters"),
        ];
        for (text, part) in cases {
            let error = BcryptHash::parse(text).expect_err(text);
            assert!(error.contains(part) && !error.contains("N8W"), "{error}");
        }
        assert!(BcryptHash::parse(HASH).is_ok());
    }
}
