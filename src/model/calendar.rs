//! Wall times as text, always in UTC: RFC 3339 for the log and the API, HTTP dates for headers.
//!
//! Days become dates by the civil calendar algorithm that counts years from March, so that the
//! leap day is the last of its year. Years before 1 and after 9999 are clamped: no text of ours
//! has five-digit years.

use std::fmt;

use super::time::Wall;

/// The zero time of Go, which Prometheus shows where something has never happened.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

const DAY_MS: i64 = 86_400_000;
/// 0001-01-01 and 9999-12-31T23:59:59.999 in milliseconds since 1970.
const RANGE_MS: (i64, i64) = (-62_135_596_800_000, 253_402_300_799_999);
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A wall time taken apart.
struct Civil {
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millis: i64,
}

impl Civil {
    fn of(wall: Wall) -> Civil {
        let clamped = wall.0.clamp(RANGE_MS.0, RANGE_MS.1);
        let (days, in_day) = (clamped.div_euclid(DAY_MS), clamped.rem_euclid(DAY_MS));
        // 719,468 days lie between 0000-03-01 and 1970-01-01; an era has 146,097 days.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Civil {
            days,
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1000 % 60,
            millis: in_day % 1000,
        }
    }

    fn write_seconds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil {
            year, month, day, ..
        } = self;
        let Civil {
            hour,
            minute,
            second,
            ..
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// RFC 3339 with milliseconds, as log lines carry it: `2026-11-22T03:53:22.120Z`.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub Wall);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.0);
        civil.write_seconds(f)?;
        write!(f, ".{:03}Z", civil.millis)
    }
}

/// RFC 3339 as Go marshals a time: the fraction without trailing zeros, none if it is zero.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub Wall);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.0);
        civil.write_seconds(f)?;
        if civil.millis != 0 {
            let digits = format!("{:03}", civil.millis);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// ISO 8601 without separators, to the second: `20261122T035322Z`.
#[derive(Clone, Copy, Debug)]
pub struct Basic(pub Wall);

impl fmt::Display for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = Civil::of(self.0);
        write!(
            f,
            "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
        )
    }
}

/// The time that a text like `2026-11-22T03:53:22Z` names, without its fraction; only UTC is read.
#[must_use]
pub fn parse_utc(text: &str) -> Option<Wall> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let time = time.split('.').next()?;
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let three = |text: &str, separator| -> Option<[i64; 3]> {
        let mut parts = text.split(separator).map(number);
        let found = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(found)
    };
    let [year, month, day] = three(date, '-')?;
    let [hour, minute, second] = three(time, ':')?;
    let is_sane = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    // The way back from days to dates, above.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    is_sane.then_some(Wall(seconds * 1000))
}

/// The date of an HTTP header (RFC 9110, 5.6.7): `Sun, 22 Nov 2026 03:53:22 GMT`.
#[derive(Clone, Copy, Debug)]
pub struct HttpDate(pub Wall);

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.0);
        let weekday = WEEKDAYS[civil.days.rem_euclid(7) as usize];
        let month = MONTHS[(civil.month - 1) as usize];
        let Civil {
            year,
            day,
            hour,
            minute,
            second,
            ..
        } = civil;
        write!(
            f,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_go_and_http_print_them() {
        let wall = Wall(1_795_319_602_120);
        assert_eq!(Millis(wall).to_string(), "2026-11-22T03:53:22.120Z");
        assert_eq!(Rfc3339(wall).to_string(), "2026-11-22T03:53:22.12Z");
        assert_eq!(
            Rfc3339(Wall(1_795_319_602_000)).to_string(),
            "2026-11-22T03:53:22Z"
        );
        assert_eq!(HttpDate(wall).to_string(), "Sun, 22 Nov 2026 03:53:22 GMT");
        assert_eq!(
            HttpDate(Wall(0)).to_string(),
            "Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }

    #[test]
    fn leap_days_and_the_ends_of_the_range_are_right() {
        let text = |millis| Rfc3339(Wall(millis)).to_string();
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(text(951_868_800_000), "2000-03-01T00:00:00Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(i64::MIN), NEVER);
        assert_eq!(text(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_of_others_are_read() {
        for millis in [0, 951_782_400_000, 1_795_319_602_000, 4_107_542_399_000] {
            let text = Rfc3339(Wall(millis)).to_string();
            assert_eq!(parse_utc(&text), Some(Wall(millis)), "{text}");
        }
        let with_fraction = parse_utc("2026-11-22T03:53:22.999Z");
        assert_eq!(with_fraction, Some(Wall(1_795_319_602_000)));
        assert_eq!(
            Basic(Wall(1_795_319_602_000)).to_string(),
            "20261122T035322Z"
        );
        for text in [
            "",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-11-22T03:53:22+01:00",
            "x",
        ] {
            assert_eq!(parse_utc(text), None, "{text}");
        }
    }
}
