//! Points in time as RFC 3339 writes them, for FUTURERELEASE.

/// Seconds since 1970 of `2026-11-24T04:10:00Z`, fractions dropped; `None` for what is no date-time.
pub(super) fn date_time(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, offset) = time.split_at_checked(at)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && !fraction.is_empty()
        && fraction.bytes().all(|octet| octet.is_ascii_digit());
    let local = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    valid.then_some(local - offset_of(offset)?)
}

/// Seconds east of Greenwich.
fn offset_of(text: &str) -> Option<i64> {
    let sign = match text.split_at_checked(1)?.0 {
        "+" => 1,
        "-" => -1,
        _ => return (text.len() == 1).then_some(0),
    };
    let [hours, minutes] = numbers(&text[1..], ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counted with years that begin in March.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::date_time;

    #[test]
    fn dates_count_from_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00.5z", 951_825_600),
            ("2026-11-24T04:10:00Z", 1_795_493_400),
            ("2026-11-24t05:10:00+01:00", 1_795_493_400),
            ("2026-11-23T23:40:00-04:30", 1_795_493_400),
        ] {
            assert_eq!(date_time(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T04:10:00",
            "2026-11-24 04:10:00Z",
            "2026-02-29T04:10:00Z",
            "2026-13-01T04:10:00Z",
            "2026-11-24T24:10:00Z",
            "2026-11-24T04:10:00Zx",
            "2026-11-24T04:10:00+1:00",
            "2026-11-24T04:10Z",
            "2026-11-24T04:10:00.Z",
            "+026-11-24T04:10:00Z",
        ] {
            assert_eq!(date_time(text), None, "{text}");
        }
    }
}
