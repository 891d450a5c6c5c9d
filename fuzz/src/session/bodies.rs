//! The bodies that the caller supplied, and what a naive encoder makes of them.

use smtp_proto::connection::CommandId;

/// One body, from its first octet to its end.
#[derive(Debug)]
pub(super) struct Supplied {
    /// Of its end; `None` if a flow gave and ended it by itself.
    id: Option<CommandId>,
    pub(super) octets: Vec<u8>,
    /// The caller has said that there is no more, or supplied all that was declared.
    pub(super) ended: bool,
    /// What ends it is a dot, and not a chunk.
    dot: bool,
}

/// In the order in which they were begun, which is that of the wire.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    bodies: Vec<Supplied>,
}

impl Bodies {
    pub(super) fn supply(&mut self, id: CommandId, octets: &[u8]) {
        self.of(id).octets.extend_from_slice(octets);
    }

    /// There is no more of it; `output` is what then waits to leave.
    pub(super) fn end(&mut self, id: CommandId, output: &[u8]) {
        let body = self.of(id);
        body.ended = true;
        body.dot = output.ends_with(b".\r\n");
    }

    fn of(&mut self, id: CommandId) -> &mut Supplied {
        let id = Some(id);
        if self.bodies.last().is_none_or(|last| last.id != id) {
            assert!(self.bodies.iter().all(|body| body.id != id), "one body is not begun twice");
            self.bodies.push(Supplied { id, octets: Vec::new(), ended: false, dot: false });
        }
        self.bodies.last_mut().expect("just pushed")
    }

    /// `None` if nothing was supplied of the `nth`: a flow may be about to take it back.
    pub(super) fn begun(&self, nth: usize) -> Option<&Supplied> {
        self.bodies.get(nth)
    }

    pub(super) fn get(&self, nth: usize) -> &Supplied {
        self.begun(nth).expect("no octet of a body leaves that was not supplied")
    }

    /// A lone dot has left as the `nth`: the caller gave nothing, or a flow took the message back by itself.
    /// Returns whether it was a flow.
    pub(super) fn lone_dot(&mut self, nth: usize) -> bool {
        let given = self.bodies.get(nth).is_some_and(|body| body.dot && body.octets.is_empty());
        if !given {
            self.bodies.insert(nth, Supplied { id: None, octets: Vec::new(), ended: true, dot: true });
        }
        !given
    }
}

/// Every line end as CRLF; `complete` ends the last line too.
pub(super) fn repaired(message: &[u8], complete: bool) -> Vec<u8> {
    let mut repaired = Vec::with_capacity(message.len() + 2);
    let mut rest = message;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'\r' => {
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
                repaired.extend_from_slice(b"\r\n");
            }
            b'\n' => repaired.extend_from_slice(b"\r\n"),
            octet => repaired.push(octet),
        }
    }
    if complete && !repaired.is_empty() && !repaired.ends_with(b"\r\n") {
        repaired.extend_from_slice(b"\r\n");
    }
    repaired
}

/// What a server makes of the octets after DATA, the end included (RFC 5321 §4.5.2).
pub(super) fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(wire.len());
    for line in wire.split_inclusive(|&octet| octet == b'\n') {
        if line == b".\r\n" {
            break;
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    message
}
