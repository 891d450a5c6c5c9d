//! rustls between a connection and a transport, as octets in and octets out: for every loop whose transport is not a
//! stream that rustls could wrap. Before STARTTLS the octets go through as they are.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use smtp_proto::connection::{Connection, TlsUpgrade};

/// What the octets of a session go through.
#[derive(Default)]
pub struct Channel {
    tls: Option<ClientConnection>,
    /// The handshake is under way.
    upgrade: Option<TlsUpgrade>,
    /// Encrypted, and not written yet.
    pending: Vec<u8>,
}

impl Channel {
    /// Begins the handshake that the flow has asked for.
    pub fn upgrade(&mut self, smtp: &mut Connection, upgrade: TlsUpgrade, config: &Arc<ClientConfig>) {
        let tls = ServerName::try_from(upgrade.server_name().to_owned())
            .ok()
            .and_then(|name| ClientConnection::new(Arc::clone(config), name).ok());
        match tls {
            Some(tls) => (self.tls, self.upgrade) = (Some(tls), Some(upgrade)),
            None => smtp.tls_failed(),
        }
    }

    /// What to write to the transport now. No more is encrypted before that is gone.
    pub fn output<'a>(&'a mut self, smtp: &'a mut Connection) -> &'a [u8] {
        let Some(tls) = &mut self.tls else { return smtp.output() };
        if self.pending.is_empty() {
            let taken = tls.writer().write(smtp.output()).unwrap_or(0);
            // Not more than was on offer; and a connection that has failed offers nothing.
            let _ = smtp.advance_output(taken);
            while tls.wants_write() && tls.write_tls(&mut self.pending).is_ok() {}
        }
        &self.pending
    }

    /// Reports that the transport took so much of that.
    pub fn advance(&mut self, smtp: &mut Connection, n: usize) {
        if self.tls.is_some() {
            self.pending.drain(..n);
        } else {
            let _ = smtp.advance_output(n);
        }
    }

    /// Hands in what was read from the transport.
    pub fn receive(&mut self, smtp: &mut Connection, mut octets: &[u8]) {
        let Some(tls) = &mut self.tls else { return smtp.receive(octets) };
        while !octets.is_empty() {
            let state = match tls.read_tls(&mut octets).map(|_| tls.process_new_packets()) {
                Ok(Ok(state)) => state,
                _ if self.upgrade.is_some() => return smtp.tls_failed(),
                _ => return smtp.receive_eof(),
            };
            if !tls.is_handshaking() {
                if let Some(upgrade) = self.upgrade.take() {
                    // That one is due is certain: it was asked for.
                    let _ = smtp.tls_established(upgrade);
                }
            }
            let mut clear = vec![0; state.plaintext_bytes_to_read()];
            match tls.reader().read_exact(&mut clear) {
                Ok(()) => smtp.receive(&clear),
                Err(_) => smtp.receive_eof(),
            }
            if state.peer_has_closed() {
                return smtp.receive_eof();
            }
        }
    }
}
