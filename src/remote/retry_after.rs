//! The `Retry-After` header: seconds, or a date in the form that HTTP requires senders to use.
//!
//! Implements RFC 9110, sections 10.2.3 and 5.6.7 (IMF-fixdate only). Anything else is no wish.

use std::time::Duration;

use crate::model::time::Wall;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The wait that `text` asks for; none if it is no number of seconds and no date, or lies in the
/// past. Not yet limited.
#[must_use]
pub fn parse(text: &str, now: Wall) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a wish for a very long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = date_seconds(text)?;
    let wait_ms = at.checked_mul(1000)?.checked_sub(now.0)?;
    u64::try_from(wait_ms).ok().map(Duration::from_millis)
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date_seconds(text: &str) -> Option<i64> {
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let day = number(parts.next()?, 1..=31)?;
    let month_name = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month_name)? as i64 + 1;
    let year = number(parts.next()?, 1601..=9999)?;
    let mut time = parts.next()?.split(':');
    let hour = number(time.next()?, 0..=23)?;
    let minute = number(time.next()?, 0..=59)?;
    let second = number(time.next()?, 0..=60)?;
    if parts.next() != Some("GMT") || parts.next().is_some() || time.next().is_some() {
        return None;
    }
    Some(((days_before(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}

fn number(text: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let number = text.parse().ok()?;
    range.contains(&number).then_some(number)
}

/// Days from 1970-01-01 to the first of a month (the calendar's 400-year cycle, years from March).
fn days_before(year: i64, month: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (153 * month + 2) / 5 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Wall = Wall(784_111_777_000);

    #[test]
    fn seconds_and_dates_are_understood() {
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("1000000000000", Some(1_000_000_000_000)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
        ] {
            let wish = parse(text, NOW);
            assert_eq!(wish, seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn leap_days_are_counted() {
        let leap = "Thu, 29 Feb 2024 00:00:00 GMT";
        assert_eq!(date_seconds(leap), Some(1_709_164_800));
        assert_eq!(date_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,40}|[A-Z][a-z]{2}, [0-9 A-Za-z:]{0,30} GMT",
                                            now: i64) {
            let _wish = parse(&text, Wall(now));
        }
    }
}
