//! The SMTP service extensions known here, and a set of them.

macro_rules! extensions {
    ($($(#[$doc:meta])* $name:ident = $keyword:literal,)+) => {
        /// An SMTP service extension that this crate knows by name.
        ///
        /// Those it does not know are reached by keyword:
        /// [`Capabilities::get`](super::Capabilities::get).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Extension {
            $($(#[$doc])* $name,)+
        }

        impl Extension {
            /// Every extension known here.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The EHLO keyword, in upper case.
            #[must_use]
            pub const fn keyword(self) -> &'static str {
                match self {
                    $(Self::$name => $keyword,)+
                }
            }

            /// As [`from_keyword`](Self::from_keyword), for a keyword known to be in upper case.
            pub(super) fn from_upper_case(keyword: &str) -> Option<Self> {
                match keyword {
                    $($keyword => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

extensions! {
    /// Commands may be sent in groups (RFC 2920).
    Pipelining = "PIPELINING",
    /// The size of a message is declared, and may be limited (RFC 1870).
    Size = "SIZE",
    /// Octets above 127 in message data (RFC 6152).
    EightBitMime = "8BITMIME",
    /// UTF-8 in addresses and header fields (RFC 6531).
    SmtpUtf8 = "SMTPUTF8",
    /// Upgrade to TLS (RFC 3207).
    StartTls = "STARTTLS",
    /// Authentication (RFC 4954).
    Auth = "AUTH",
    /// Message data in counted chunks, with BDAT (RFC 3030).
    Chunking = "CHUNKING",
    /// Message data of any octets, with BDAT only (RFC 3030).
    BinaryMime = "BINARYMIME",
    /// Replies carry enhanced status codes (RFC 2034).
    EnhancedStatusCodes = "ENHANCEDSTATUSCODES",
    /// Delivery status notifications on request (RFC 3461).
    Dsn = "DSN",
    /// TLS is required all the way to the recipient (RFC 8689).
    RequireTls = "REQUIRETLS",
    /// A time by which to deliver (RFC 2852).
    DeliverBy = "DELIVERBY",
    /// Message transfer priority (RFC 6710).
    MtPriority = "MT-PRIORITY",
    /// Release of a message at a later time (RFC 4865).
    FutureRelease = "FUTURERELEASE",
    /// Limits that the server declares (RFC 9422).
    Limits = "LIMITS",
    /// The VRFY command (RFC 5321 §3.5).
    Vrfy = "VRFY",
    /// The EXPN command (RFC 5321 §3.5).
    Expn = "EXPN",
    /// Remote queue processing (RFC 1985).
    Etrn = "ETRN",
    /// The HELP command (RFC 5321 §4.1.1.8).
    Help = "HELP",
    /// Properties of the client that a proxy speaks for (a Postfix extension).
    XClient = "XCLIENT",
    /// Properties of the client that a filter forwards for its logs (a Postfix extension).
    XForward = "XFORWARD",
}

impl Extension {
    /// The extension whose EHLO keyword is `keyword`, in any case; `None` for one that is not known here.
    #[must_use]
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|extension| extension.keyword().eq_ignore_ascii_case(keyword))
    }

    const fn bit(self) -> u32 {
        1_u32.wrapping_shl(self as u32)
    }
}

/// A set of extensions: one bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ExtensionSet(u32);

#[allow(clippy::disallowed_macros)] // while compiling
const _: () = assert!(Extension::ALL.len() <= u32::BITS as usize);

impl ExtensionSet {
    pub(super) const fn contains(self, extension: Extension) -> bool {
        self.0 & extension.bit() != 0
    }

    pub(super) const fn insert(&mut self, extension: Extension) {
        self.0 |= extension.bit();
    }

    pub(super) const fn remove(&mut self, extension: Extension) {
        self.0 &= !extension.bit();
    }
}
