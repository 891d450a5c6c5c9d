//! Why a text is no URL of a server.

use alloc::boxed::Box;
use core::fmt;

use crate::escape::Escaped;
use crate::sasl::mechanism_names;

/// What is wrong with a URL, and where.
///
/// Of the text nothing is kept but the name of an option that is not known, so an error can be logged as it is: the user
/// and the password are not in it.
///
/// ```
/// use smtp_proto::url::{ServerUrl, UrlErrorKind};
///
/// let error = "smtp://alice:100%@mail.example.org".parse::<ServerUrl>().unwrap_err();
/// assert_eq!((error.kind(), error.offset()), (&UrlErrorKind::PercentEncoding, 16));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlError {
    kind: UrlErrorKind,
    offset: usize,
}

impl UrlError {
    pub(super) fn new(kind: UrlErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// Which rule was broken.
    #[must_use]
    pub fn kind(&self) -> &UrlErrorKind {
        &self.kind
    }

    /// How many octets of the URL come before the fault.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (octet {} of the URL)", self.kind, self.offset)
    }
}

impl core::error::Error for UrlError {}

/// The rule that a URL broke.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlErrorKind {
    /// A control character or white space, a line end behind the URL for one. In a password it is percent-encoded.
    Character,
    /// It does not begin with a scheme and `://`.
    MissingScheme,
    /// The scheme is not `smtp`, `smtps` or `lmtp`.
    UnknownScheme,
    /// One of `/ ? # @` stands in the user or the password as it is.
    Unencoded,
    /// A `%` in the user or the password without two hexadecimal digits behind it.
    PercentEncoding,
    /// There is an `@` and nothing before it, or nothing before the colon.
    EmptyUser,
    /// The user is not UTF-8.
    UserNotUtf8,
    /// There is a user and no password, or an empty one.
    MissingPassword,
    /// The mechanism needs a user, and there is none.
    MissingUser,
    /// There is a password, and the mechanism uses none.
    NeedlessPassword,
    /// There is no host.
    EmptyHost,
    /// The host is none.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// Port 465 and the scheme `smtp`: the server there waits for a TLS handshake, and such a client for a greeting.
    PortOfImplicitTls,
    /// There is a path behind the host.
    Path,
    /// There is a fragment.
    Fragment,
    /// An option that is not known: its name.
    UnknownOption(Box<str>),
    /// An option is given twice.
    RepeatedOption(&'static str),
    /// The value of `tls` is none that it has.
    TlsValue,
    /// `smtps`, which is TLS from the first octet, and a `tls` that allows clear text.
    TlsContradiction,
    /// The value of `auth` is no mechanism known here.
    UnknownMechanism,
    /// The mechanism is known, but needs the feature `scram`, without which this program was built.
    MechanismNotBuilt(&'static str),
}

impl fmt::Display for UrlErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => {
                "a control character or white space; in a user or a password it is percent-encoded, a space as %20"
            }
            Self::MissingScheme => "a URL begins with `smtp://`, `smtps://` or `lmtp://`",
            Self::UnknownScheme => "the scheme is one of `smtp`, `smtps` and `lmtp`",
            Self::Unencoded => {
                "in a user or a password, `/` is written %2F, `?` %3F, `#` %23 and `@` %40"
            }
            Self::PercentEncoding => "`%` is followed by two hexadecimal digits; `%` itself is written %25",
            Self::EmptyUser => "an empty user; before the `@` comes `user:password`",
            Self::UserNotUtf8 => "the user is not UTF-8",
            Self::MissingPassword => "no password; behind the user comes `:password`",
            Self::MissingUser => {
                "this mechanism of the option `auth` needs a user; before the host comes `user:password@`"
            }
            Self::NeedlessPassword => {
                "a password, which the mechanism of the option `auth` does not use; before the host comes `user@` or nothing"
            }
            Self::EmptyHost => "no host",
            Self::Host => {
                "the host is a domain in ASCII, an IPv4 address, or an IPv6 address in brackets, and `:port` may follow"
            }
            Self::Port => "the port is a number from 1 to 65535",
            Self::PortOfImplicitTls => "port 465 is for TLS from the first octet, and the scheme for that is `smtps`",
            Self::Path => "a path; behind the host come `:port` and `?option=value`, and nothing else",
            Self::Fragment => "a fragment; a `#` in a user or a password is written %23",
            Self::UnknownOption(name) => {
                let name = Escaped::new(name.as_bytes());
                return write!(f, "there is no option `{name}`; the options are `tls` and `auth`");
            }
            Self::RepeatedOption(name) => return write!(f, "the option `{name}` is given twice"),
            Self::TlsValue => {
                "the option `tls` is one of `required`, `opportunistic` and `none`; for TLS from the first octet the scheme is `smtps`"
            }
            Self::TlsContradiction => {
                "`smtps` is TLS from the first octet; its option `tls` is `required` or left out, and clear text is for `smtp`"
            }
            Self::UnknownMechanism => {
                f.write_str("the option `auth` is one of ")?;
                let mut names = mechanism_names();
                let last = names.next_back().unwrap_or_default();
                for (n, name) in names.enumerate() {
                    write!(f, "{}{name}", if n == 0 { "" } else { ", " })?;
                }
                return write!(f, " and {last}");
            }
            Self::MechanismNotBuilt(name) => {
                return write!(f, "{name} is not in this program: it takes the feature `scram`");
            }
        })
    }
}
