//! What a certificate says of itself. It comes from the other side: whatever is shown of it is escaped.

use serde_json::{Value, json};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

/// A certificate of the chain that the server sent.
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    /// The names that it is valid for.
    pub names: Vec<String>,
    pub not_before: String,
    pub not_after: String,
    /// Whole days until it expires.
    pub days_left: i64,
}

impl Certificate {
    pub fn read(der: &[u8]) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            let unknown = || "cannot be read".to_owned();
            let (subject, issuer, not_before, not_after) = (unknown(), unknown(), unknown(), unknown());
            return Self { subject, issuer, names: Vec::new(), not_before, not_after, days_left: 0 };
        };
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|names| &names.value.general_names).filter_map(name).collect();
        let (not_before, not_after) = (certificate.validity().not_before, certificate.validity().not_after);
        Self {
            subject: escaped(&certificate.subject().to_string()),
            issuer: escaped(&certificate.issuer().to_string()),
            names,
            not_before: moment(not_before),
            not_after: moment(not_after),
            days_left: not_after.timestamp().saturating_sub(ASN1Time::now().timestamp()).div_euclid(DAY),
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "subject": self.subject,
            "issuer": self.issuer,
            "names": self.names,
            "not_before": self.not_before,
            "not_after": self.not_after,
            "days_left": self.days_left,
        })
    }
}

const DAY: i64 = 24 * 60 * 60;

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(escaped(name)),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(|octets| std::net::IpAddr::from(octets).to_string());
            let v6 = <[u8; 16]>::try_from(*octets).map(|octets| std::net::IpAddr::from(octets).to_string());
            v4.or(v6).ok()
        }
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

/// The day, and the time of it in UTC: `2026-08-03 12:00:00`.
fn moment(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let (hour, minute, second) = time.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02}", time.date())
}

/// A moment in seconds since 1970, and how many days it is from now.
pub fn day(seconds: u64) -> (String, i64) {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let days = ASN1Time::now().timestamp().saturating_sub(seconds).div_euclid(DAY);
    (ASN1Time::from_timestamp(seconds).map_or_else(|_| seconds.to_string(), moment), days)
}
