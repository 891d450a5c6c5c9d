//! AUTH: whether it may be, and the exchange on the wire (RFC 4954 §4).

use std::io::{self, Read, Write};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::super::sasl::{self, Exchange, Step};
use super::super::wire::Line;
use super::{End, Session};

impl Session<'_> {
    pub(super) fn auth<S: Read + Write>(
        &mut self,
        mechanism: &str,
        initial_response: Option<&str>,
        stream: &mut S,
    ) -> io::Result<Option<End>> {
        let offered = !self.sasl().mechanisms().is_empty();
        let exchange = self.sasl().begin(mechanism);
        if !self.is_extended() {
            self.fault((503, "5.5.1", "EHLO first"));
        } else if self.user.is_some() || self.transaction.is_some() {
            self.fault((503, "5.5.1", "AUTH comes once, and not in a mail transaction"));
        } else if let Some(exchange) = exchange {
            return self.authenticate(exchange, initial_response, stream);
        } else if offered {
            self.fault((504, "5.5.4", "No such mechanism"));
        } else if self.tls.is_none() && sasl::sends_secret(mechanism) {
            self.fault((538, "5.7.11", "Not in clear, a password would be read by others"));
        } else {
            self.fault((502, "5.5.1", "AUTH is not offered"));
        }
        Ok(None)
    }

    fn authenticate<S: Read + Write>(
        &mut self,
        mut exchange: Exchange,
        initial_response: Option<&str>,
        stream: &mut S,
    ) -> io::Result<Option<End>> {
        // A lone `=` is an empty initial response (RFC 4954 §4).
        let initial = initial_response.map(|text| if text == "=" { "" } else { text }.as_bytes().to_vec());
        let mut line = initial;
        loop {
            let response = match line.as_deref().map(|line| BASE64_STANDARD.decode(line)).transpose() {
                Ok(response) => response,
                Err(_) => {
                    self.fault((501, "5.5.2", "Not base64"));
                    return Ok(None);
                }
            };
            match exchange.step(response.as_deref(), &self.sasl()) {
                Step::Challenge(challenge) => self.wire.reply(334, &[&BASE64_STANDARD.encode(challenge)]),
                Step::Accepted(user) => {
                    self.user = Some(user);
                    self.reply(235, "2.7.0", "Welcome");
                    return Ok(None);
                }
                Step::Rejected => {
                    self.reply(535, "5.7.8", "The credentials are not valid");
                    return Ok(None);
                }
                Step::Malformed => {
                    self.fault((501, "5.5.2", "Not a response of this mechanism"));
                    return Ok(None);
                }
            }
            line = match self.wire.line(stream)? {
                Line::Text(line) if line == b"*" => {
                    self.reply(501, "5.7.0", "Broken off");
                    return Ok(None);
                }
                Line::Text(_) if self.wire.has_input() => return Ok(Some(self.improper_pipelining())),
                Line::Text(line) => Some(line),
                Line::Malformed | Line::TooLong => {
                    self.fault((500, "5.5.6", "Not a line, or too long a one"));
                    return Ok(None);
                }
                Line::End => return Ok(Some(End::Closed)),
                Line::Idle => {
                    self.reply(421, "4.4.2", "Silent for too long");
                    return Ok(Some(End::Closed));
                }
            };
        }
    }
}
