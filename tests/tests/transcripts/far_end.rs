//! The server's end of a line: the script, and from its `tls` on a rustls server in between.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};
use smtp_tests::script::{Heard, Peer, Script, Taken};

pub struct FarEnd {
    peer: Peer,
    config: Option<Arc<ServerConfig>>,
    tls: Option<ServerConnection>,
    /// Records that wait to be read.
    outbox: VecDeque<u8>,
    /// What the client said and the script has not taken yet.
    inbox: VecDeque<u8>,
    moved_in_clear: Option<(usize, usize)>,
    /// What the client wrote since TLS began, as it wrote it.
    records: Vec<u8>,
    truncates: bool,
    closed: bool,
    /// The client broke TLS.
    broken: bool,
}

impl FarEnd {
    pub fn new(script: impl Into<Script>, config: Option<Arc<ServerConfig>>) -> Self {
        Self {
            peer: Peer::new(script),
            config,
            tls: None,
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            moved_in_clear: None,
            records: Vec::new(),
            truncates: false,
            closed: false,
            broken: false,
        }
    }

    pub fn truncate(&mut self) {
        self.truncates = true;
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    pub fn moved_in_clear(&self) -> Option<(usize, usize)> {
        self.moved_in_clear
    }

    /// Whether everything the client wrote since TLS began is TLS records, of which the last may be cut short.
    pub fn is_all_records(&self) -> bool {
        let mut rest = &self.records[..];
        while let [kind, major, _, high, low, fragment @ ..] = rest {
            if !(20..=23).contains(kind) || *major != 3 {
                return false;
            }
            rest = fragment.get(usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default();
        }
        true
    }

    /// Begins TLS where the script does; `moved` is how many octets have gone over the wire by then.
    fn upgrade(&mut self, moved: (usize, usize)) {
        if !self.peer.awaits_handshake() {
            return;
        }
        if let Some(config) = &self.config {
            assert_eq!(self.peer.handshake(), Ok(true));
            self.tls = Some(ServerConnection::new(Arc::clone(config)).unwrap());
            self.moved_in_clear.get_or_insert(moved);
        }
    }

    pub fn is_readable(&self) -> bool {
        match &self.tls {
            None => self.peer.is_readable(),
            Some(tls) => {
                !self.outbox.is_empty() || self.closed || (!tls.is_handshaking() && self.peer.is_readable())
            }
        }
    }

    pub fn read(&mut self, most: usize, moved: (usize, usize)) -> Heard {
        self.upgrade(moved);
        if self.tls.is_none() {
            return self.peer.read(most);
        }
        if self.outbox.is_empty() && !self.closed {
            if let Some(instead) = self.speak() {
                return instead;
            }
        }
        let n = most.min(self.outbox.len());
        if n == 0 && self.closed {
            return Heard::Eof;
        }
        Heard::Octets(self.outbox.drain(..n).collect())
    }

    /// Puts what the script says next into the outbox; or else what is read in its stead.
    fn speak(&mut self) -> Option<Heard> {
        let tls = self.tls.as_mut()?;
        if !tls.is_handshaking() && !self.broken {
            match self.peer.read(usize::MAX) {
                Heard::Octets(octets) => tls.writer().write_all(&octets).unwrap(),
                Heard::Eof => {
                    if !self.truncates {
                        tls.send_close_notify();
                    }
                    self.closed = true;
                }
                other => return Some(other),
            }
        }
        self.closed |= self.broken;
        self.encrypt();
        (self.outbox.is_empty() && !self.closed).then_some(Heard::Nothing)
    }

    fn encrypt(&mut self) {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                let mut records = Vec::new();
                tls.write_tls(&mut records).unwrap();
                self.outbox.extend(records);
            }
        }
    }

    pub fn write(&mut self, octets: &[u8], moved: (usize, usize)) -> Taken {
        self.upgrade(moved);
        let Some(tls) = &mut self.tls else {
            return self.peer.write(octets);
        };
        self.records.extend(octets);
        if !tls.is_handshaking() {
            match self.peer.write(&[]) {
                Taken::Octets(_) => {}
                refused => return refused,
            }
        }
        let mut rest = octets;
        while !rest.is_empty() && !self.broken {
            tls.read_tls(&mut rest).unwrap();
            match tls.process_new_packets() {
                Ok(_) => {
                    let mut words = Vec::new();
                    // An end without close_notify is one as well.
                    let _ = tls.reader().read_to_end(&mut words);
                    self.inbox.extend(words);
                }
                Err(_) => self.broken = true,
            }
        }
        self.encrypt();
        self.take_words();
        Taken::Octets(octets.len())
    }

    fn take_words(&mut self) {
        while !self.inbox.is_empty() {
            match self.peer.write(self.inbox.make_contiguous()) {
                Taken::Octets(n) => drop(self.inbox.drain(..n)),
                Taken::Blocked | Taken::Reset => return,
            }
        }
    }
}
