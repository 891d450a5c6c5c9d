//! The attributes of XCLIENT (Postfix, XCLIENT_README).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::xtext::push_xtext;
use super::{ParameterError, ParameterErrorKind};

/// What a proxy says of the client that it speaks for: at least one attribute. Setting one again replaces it.
///
/// Servers take it from clients that they are told to trust and offer only attributes that they know; a connection
/// refuses others.
///
/// ```
/// use smtp_proto::params::{XClient, XClientAttribute, XClientProto};
///
/// let client = XClient::new()
///     .unavailable(XClientAttribute::Name)
///     .addr("2001:db8::1".parse()?)
///     .proto(XClientProto::Esmtp)
///     .helo("spike.porcupine.org")?;
/// assert_eq!(
///     client.to_string(),
///     "NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PROTO=ESMTP HELO=spike.porcupine.org"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct XClient {
    /// Each once, its value as it is written.
    attributes: Vec<(XClientAttribute, Box<str>)>,
}

impl XClient {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// `NAME`: the client's host name.
    ///
    /// # Errors
    /// [`Attribute`](ParameterErrorKind::Attribute) when it is empty or holds a control character.
    pub fn name(self, name: &str) -> Result<Self, ParameterError> {
        self.text(XClientAttribute::Name, name)
    }

    /// `NAME=[TEMPUNAVAIL]`: the client's host name could not be looked up just now.
    pub fn name_temporarily_unavailable(self) -> Self {
        self.set(XClientAttribute::Name, "[TEMPUNAVAIL]".into())
    }

    /// `ADDR`: the client's address.
    pub fn addr(self, address: IpAddr) -> Self {
        self.set(XClientAttribute::Addr, address_value(address))
    }

    /// `PORT`: the client's port.
    pub fn port(self, port: u16) -> Self {
        self.set(XClientAttribute::Port, alloc::format!("{port}"))
    }

    /// `PROTO`: whether the client said HELO or EHLO.
    pub fn proto(self, proto: XClientProto) -> Self {
        self.set(XClientAttribute::Proto, proto.as_str().into())
    }

    /// `HELO`: what the client said after HELO or EHLO.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn helo(self, name: &str) -> Result<Self, ParameterError> {
        self.text(XClientAttribute::Helo, name)
    }

    /// `LOGIN`: the name under which the client has authenticated.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn login(self, user: &str) -> Result<Self, ParameterError> {
        self.text(XClientAttribute::Login, user)
    }

    /// `DESTADDR`: the address that the client connected to.
    pub fn dest_addr(self, address: IpAddr) -> Self {
        self.set(XClientAttribute::DestAddr, address_value(address))
    }

    /// `DESTPORT`: the port that the client connected to.
    pub fn dest_port(self, port: u16) -> Self {
        self.set(XClientAttribute::DestPort, alloc::format!("{port}"))
    }

    /// `[UNAVAILABLE]`: this attribute of the client is not known.
    pub fn unavailable(self, attribute: XClientAttribute) -> Self {
        self.set(attribute, "[UNAVAILABLE]".into())
    }

    /// The attributes that are set, in the order in which they were set first.
    pub fn attributes(&self) -> impl Iterator<Item = XClientAttribute> {
        self.attributes.iter().map(|&(attribute, _)| attribute)
    }

    fn text(self, attribute: XClientAttribute, text: &str) -> Result<Self, ParameterError> {
        // Encoded, a control character would do no harm on the way; behind the server's decoder it might.
        let refused = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if let Some(offset) = text.find(refused).or(text.is_empty().then_some(0)) {
            return Err(ParameterError::at(ParameterErrorKind::Attribute, offset));
        }
        let mut encoded = String::with_capacity(text.len());
        push_xtext(text.as_bytes(), &mut encoded);
        Ok(self.set(attribute, encoded))
    }

    fn set(mut self, attribute: XClientAttribute, value: String) -> Self {
        let value = value.into_boxed_str();
        match self.attributes.iter_mut().find(|(taken, _)| *taken == attribute) {
            Some((_, before)) => *before = value,
            None => self.attributes.push((attribute, value)),
        }
        self
    }

    /// Appends the attributes, a space before each.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        for (attribute, value) in &self.attributes {
            out.push(b' ');
            out.extend_from_slice(attribute.as_str().as_bytes());
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// Writes the attributes as the command carries them, without the space before the first.
impl fmt::Display for XClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(String::from_utf8_lossy(&out).trim_start())
    }
}

fn address_value(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => alloc::format!("{address}"),
        IpAddr::V6(address) => alloc::format!("IPV6:{address}"),
    }
}

/// An attribute of XCLIENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum XClientAttribute {
    /// The client's host name.
    Name,
    /// The client's address.
    Addr,
    /// The client's port.
    Port,
    /// The protocol the client speaks.
    Proto,
    /// What the client said after HELO or EHLO.
    Helo,
    /// The name under which the client has authenticated.
    Login,
    /// The address that the client connected to.
    DestAddr,
    /// The port that the client connected to.
    DestPort,
}

impl XClientAttribute {
    /// The attribute's name on the wire, in upper case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Addr => "ADDR",
            Self::Port => "PORT",
            Self::Proto => "PROTO",
            Self::Helo => "HELO",
            Self::Login => "LOGIN",
            Self::DestAddr => "DESTADDR",
            Self::DestPort => "DESTPORT",
        }
    }
}

/// The protocol that a client speaks, as XCLIENT names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum XClientProto {
    /// It said HELO.
    Smtp,
    /// It said EHLO.
    Esmtp,
}

impl XClientProto {
    /// The value of `PROTO`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "SMTP",
            Self::Esmtp => "ESMTP",
        }
    }
}
