//! Parameters of extensions that have no setter here.

use alloc::string::String;
use alloc::vec::Vec;

use super::{ParameterError, ParameterErrorKind};

/// ` KEYWORD[=value]`, as often as there are parameters, ready to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawParameters(String);

impl RawParameters {
    /// Adds a parameter. `with_setter` are the keywords, in upper case, that the command has setters for.
    pub(super) fn add(
        &mut self,
        keyword: &str,
        value: Option<&str>,
        with_setter: &[&str],
    ) -> Result<(), ParameterError> {
        check_keyword(keyword)?;
        if with_setter.iter().any(|taken| taken.eq_ignore_ascii_case(keyword)) {
            return Err(ParameterError::new(ParameterErrorKind::KeywordHasSetter));
        }
        if self.keywords().any(|taken| taken.eq_ignore_ascii_case(keyword)) {
            return Err(ParameterError::new(ParameterErrorKind::DuplicateKeyword));
        }
        value.map_or(Ok(()), check_value)?;
        self.0.push(' ');
        self.0.push_str(keyword);
        if let Some(value) = value {
            self.0.push('=');
            self.0.push_str(value);
        }
        Ok(())
    }

    fn keywords(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace().map(|parameter| parameter.split('=').next().unwrap_or_default())
    }

    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`.
fn check_keyword(keyword: &str) -> Result<(), ParameterError> {
    let fault = if keyword.is_empty() || keyword.starts_with('-') {
        Some(0)
    } else {
        keyword.bytes().position(|octet| !(octet.is_ascii_alphanumeric() || octet == b'-'))
    };
    fault.map_or(Ok(()), |offset| Err(ParameterError::at(ParameterErrorKind::Keyword, offset)))
}

/// `esmtp-value = 1*(%d33-60 / %d62-126)`. RFC 6531 §3.3 adds UTF-8, for which no parameter has a use yet.
fn check_value(value: &str) -> Result<(), ParameterError> {
    let fault = if value.is_empty() {
        Some(0)
    } else {
        value.bytes().position(|octet| !matches!(octet, 33..=60 | 62..=126))
    };
    fault.map_or(Ok(()), |offset| Err(ParameterError::at(ParameterErrorKind::Value, offset)))
}
