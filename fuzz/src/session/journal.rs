//! What came of a run, to be compared with another (INV1, INV5).

use smtp_proto::connection::{Event, Stage};
use smtp_proto::error::{Error, ProtocolError};
use smtp_proto::flow::{Delivery, SendError};
use smtp_proto::reply::Reply;

/// One thing that can be seen from outside.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// An operation of the script begins.
    Operation(usize),
    Wrote(Vec<u8>),
    Heard(Reply),
    Event(Event),
    /// The connection has broken.
    Broke(Error),
    Refused(Error),
    Upgraded,
    Ended(Ended),
}

/// What a flow came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ended {
    Nothing(Result<(), Error>),
    Reply(Result<Reply, Error>),
    Delivery(Result<Delivery, SendError>),
    Batch(Result<(), Error>, Vec<Result<Delivery, SendError>>),
}

/// INV5: how the octets were split makes no difference.
pub(super) fn same(whole: &[Entry], split: &[Entry]) {
    let (whole, split) = (settled(whole), settled(split));
    let differs = whole.iter().zip(&split).position(|(whole, split)| whole != split);
    let at = differs.unwrap_or(whole.len().min(split.len()));
    assert!(
        at == whole.len() && at == split.len(),
        "INV5 at entry {at}:\nwhole {:#?}\nsplit {:#?}",
        &whole[at.saturating_sub(3)..whole.len().min(at + 2)],
        &split[at.saturating_sub(3)..split.len().min(at + 2)],
    );
}

/// In one piece with octets behind it the 220 to STARTTLS is not told of, because the session ends with it; octet
/// by octet it is told before the octets that end the session have come.
fn settled(journal: &[Entry]) -> Vec<&Entry> {
    let mut settled: Vec<&Entry> = Vec::with_capacity(journal.len());
    for entry in journal {
        let residue = matches!(entry, Entry::Broke(Error::Protocol(ProtocolError::StartTlsResidue)));
        if residue
            && matches!(settled.last(), Some(Entry::Event(Event::Reply { stage: Stage::StartTls, .. })))
        {
            settled.pop();
        }
        settled.push(entry);
    }
    settled
}

/// Whether there was a STARTTLS.
pub(super) fn upgraded(journal: &[Entry]) -> bool {
    journal.contains(&Entry::Upgraded)
}

/// INV1: after the handshake it makes no difference what the server offered before it.
pub(super) fn same_under_tls(whole: &[Entry], elsewhere: &[Entry]) {
    let start = |journal: &[Entry]| journal.iter().position(|entry| *entry == Entry::Upgraded);
    let operation = |journal: &[Entry], at: usize| {
        journal[..at].iter().rev().find(|entry| matches!(entry, Entry::Operation(_))).cloned()
    };
    let (Some(a), Some(b)) = (start(whole), start(elsewhere)) else { return };
    if operation(whole, a) != operation(elsewhere, b) {
        return;
    }
    let nameless = |entry: &Entry| match entry {
        // Ids are counted through the whole session.
        Entry::Event(Event::Reply { stage, reply, .. }) => (Some((*stage, reply.clone())), None),
        entry => (None, Some(entry.clone())),
    };
    let (whole, elsewhere) = (&whole[a..], &elsewhere[b..]);
    for (nth, (entry, other)) in whole.iter().zip(elsewhere).enumerate() {
        assert_eq!(nameless(entry), nameless(other), "INV1 at entry {nth} after the handshake");
    }
    assert_eq!(whole.len(), elsewhere.len(), "INV1");
}
