//! rustls without `std`: octets in, octets out, by its unbuffered interface.

use alloc::borrow::ToOwned as _;
use alloc::sync::Arc;
use alloc::vec::Vec;

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use smtp_proto::connection::{Connection, TlsUpgrade};

pub(crate) struct Tls {
    session: UnbufferedClientConnection,
    /// The handshake is under way.
    upgrade: Option<TlsUpgrade>,
    /// Received, and not decrypted yet: less than a record.
    incoming: Vec<u8>,
    /// Encrypted, and not written yet.
    outgoing: Vec<u8>,
}

impl Tls {
    pub(crate) fn new(upgrade: TlsUpgrade, trust: &Arc<ClientConfig>) -> Option<Self> {
        let name = ServerName::try_from(upgrade.server_name().to_owned()).ok()?;
        let session = UnbufferedClientConnection::new(Arc::clone(trust), name).ok()?;
        Some(Self { session, upgrade: Some(upgrade), incoming: Vec::new(), outgoing: Vec::new() })
    }

    /// What to write to the line now. No more is encrypted before that is gone.
    pub(crate) fn output(&mut self, smtp: &mut Connection) -> &[u8] {
        if self.outgoing.is_empty() {
            self.go_on(smtp);
        }
        &self.outgoing
    }

    pub(crate) fn advance(&mut self, n: usize) {
        self.outgoing.drain(..n);
    }

    pub(crate) fn receive(&mut self, smtp: &mut Connection, octets: &[u8]) {
        self.incoming.extend_from_slice(octets);
        self.go_on(smtp);
    }

    /// Decrypts and encrypts whatever there is.
    fn go_on(&mut self, smtp: &mut Connection) {
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut self.incoming);
            let mut more = true;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        smtp.receive(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |room| match data.encode(room) {
                        Err(EncodeError::InsufficientSize(needed)) => Err(Some(needed)),
                        done => done.map_err(|_| None),
                    });
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    if let Some(upgrade) = self.upgrade.take() {
                        // That one is due is certain: it was asked for.
                        let _ = smtp.tls_established(upgrade);
                    }
                    let offered = smtp.output();
                    let encrypted = offered.is_empty()
                        || append(&mut self.outgoing, |room| match traffic.encrypt(offered, room) {
                            Err(EncryptError::InsufficientSize(needed)) => Err(Some(needed)),
                            done => done.map_err(|_| None),
                        });
                    match encrypted {
                        true => drop(smtp.advance_output(offered.len())),
                        false => smtp.receive_eof(),
                    }
                    more = false;
                }
                Ok(ConnectionState::BlockedHandshake) => more = false,
                Err(_) if self.upgrade.is_some() => {
                    smtp.tls_failed();
                    more = false;
                }
                // Closed, or broken.
                _ => {
                    smtp.receive_eof();
                    more = false;
                }
            }
            self.incoming.drain(..discard);
            if !more {
                return;
            }
        }
    }
}

/// Makes room at the end of `buffer` until `write` has enough of it; whether it has written.
fn append(
    buffer: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> bool {
    let end = buffer.len();
    loop {
        match write(buffer.get_mut(end..).unwrap_or_default()) {
            Ok(n) => {
                buffer.truncate(end + n);
                return true;
            }
            Err(Some(InsufficientSizeError { required_size })) => buffer.resize(end + required_size, 0),
            Err(None) => {
                buffer.truncate(end);
                return false;
            }
        }
    }
}
