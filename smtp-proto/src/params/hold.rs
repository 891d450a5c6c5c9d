//! `HOLDFOR=` and `HOLDUNTIL=`: a message that is released later (RFC 4865).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use super::decimal::push_decimal;
use super::{ParameterError, ParameterErrorKind};

/// The grammar of RFC 4865 §3 has nine digits.
const MAX_SECONDS: u32 = 999_999_999;

/// How long the server holds a message before it begins to deliver it (RFC 4865 §3): one of the two, never both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// `HOLDFOR=`: for this many seconds from when the server has the message, 1 to 999,999,999.
    For(u32),
    /// `HOLDUNTIL=`: until this moment.
    Until(DateTime),
}

impl Hold {
    pub(super) fn check(&self) -> Result<(), ParameterError> {
        match self {
            Self::For(1..=MAX_SECONDS) | Self::Until(_) => Ok(()),
            Self::For(_) => Err(ParameterError::new(ParameterErrorKind::HoldFor)),
        }
    }

    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::For(seconds) => {
                out.extend_from_slice(b" HOLDFOR=");
                push_decimal((*seconds).into(), out);
            }
            Self::Until(moment) => {
                out.extend_from_slice(b" HOLDUNTIL=");
                out.extend_from_slice(moment.as_str().as_bytes());
            }
        }
    }
}

/// A moment in UTC, as `2026-08-03T12:00:00Z` with or without a fraction of the second: the `date-time` of RFC 3339
/// §5.6, whose offset is `Z` here, as RFC 4865 §3 wants UTC.
///
/// Moments are ordered by time, and equal when they are the same moment, however many zeros the fraction ends in.
///
/// ```
/// use smtp_proto::params::DateTime;
///
/// let noon: DateTime = "2026-08-03T12:00:00Z".parse()?;
/// assert!(noon < "2026-08-03T12:00:00.5Z".parse()?);
/// assert!("2026-02-29T12:00:00Z".parse::<DateTime>().is_err());
/// assert!("2026-08-03T12:00:00+02:00".parse::<DateTime>().is_err());
/// # Ok::<(), smtp_proto::params::ParameterError>(())
/// ```
#[derive(Debug, Clone)]
pub struct DateTime(Box<str>);

/// Longer fractions than nanoseconds have no use, and a line has an end.
const LONGEST: usize = "2026-08-03T12:00:00.000000000Z".len();

impl DateTime {
    /// The moment as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text that orders moments: of fixed width up to the seconds, then the fraction without its last zeros.
    fn key(&self) -> &str {
        let digits = self.0.trim_end_matches('Z');
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
    }
}

impl FromStr for DateTime {
    type Err = ParameterError;

    /// # Errors
    /// [`DateTime`](ParameterErrorKind::DateTime) when the text is none, names a moment that does not exist, is not
    /// in UTC, or has a fraction of more than nine digits.
    fn from_str(text: &str) -> Result<Self, ParameterError> {
        if is_date_time(text).unwrap_or(false) {
            Ok(Self(text.into()))
        } else {
            Err(ParameterError::new(ParameterErrorKind::DateTime))
        }
    }
}

/// In the order of RFC 3339 §5.6, with the rules of §5.7. `None` where the text is too short.
fn is_date_time(text: &str) -> Option<bool> {
    if !text.is_ascii() || text.len() > LONGEST {
        return Some(false);
    }
    let rest = text.strip_suffix('Z')?;
    let (date, time) = rest.split_once('T')?;
    let [year, month, day] = fields(date, '-')?;
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, digits)| (time, Some(digits)));
    let [hour, minute, second] = fields(time, ':')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let fraction_is_good = fraction
        .is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()));
    let leap_second = second == 60 && hour == 23 && minute == 59;
    Some(
        (1..=days_in(year, month)?).contains(&day)
            && hour <= 23
            && minute <= 59
            && (second <= 59 || leap_second)
            && fraction_is_good,
    )
}

fn fields(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut fields = text.split(separator);
    let three = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(three)
}

/// A number of exactly this many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let exact = text.len() == digits && text.bytes().all(|octet| octet.is_ascii_digit());
    if exact { text.parse().ok() } else { None }
}

fn days_in(year: u32, month: u32) -> Option<u32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for DateTime {}

impl core::hash::Hash for DateTime {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}
