//! What came of a run, to be compared with another (INV1, INV5).

use smtp_proto::connection::Event;
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
    /// STARTTLS has been followed by a handshake. What the caller brings along: how far the operation has got, its name,
    /// and whether it has kept a token of an earlier handshake.
    Upgraded {
        answers: usize,
        name: Option<String>,
        spare: bool,
    },
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
    let (whole, split) = match residue(whole) {
        Some(at) => {
            let same = split.iter().position(|entry| *entry == whole[at]).expect("the same script");
            let broke = |entry: &Entry| matches!(entry, Entry::Broke(_));
            assert!(split[same..].iter().any(broke), "T01: octets behind the 220 to STARTTLS");
            (&whole[..at], &split[..same])
        }
        None => (whole, split),
    };
    let differs =
        |nth: &usize| whole[*nth] != split[*nth] && !refused_before_the_end(&whole[*nth..], &split[*nth..]);
    let differs = (0..whole.len().min(split.len())).find(differs);
    let at = differs.unwrap_or(whole.len().min(split.len()));
    assert!(
        at == whole.len() && at == split.len(),
        "INV5 at entry {at}:\nwhole {:#?}\nsplit {:#?}",
        &whole[at.saturating_sub(3)..whole.len().min(at + 3)],
        &split[at.saturating_sub(3)..split.len().min(at + 3)],
    );
}

/// Between two steps of `Submit`, what the server says unasked may come before this side refuses to go on, or after:
/// nothing was sent, and the session ends with the same fault.
fn refused_before_the_end(whole: &[Entry], split: &[Entry]) -> bool {
    let not_sent = |entry: &Entry| match entry {
        Entry::Ended(Ended::Delivery(Err(SendError::NotSent { cause, recipients }))) => {
            recipients.iter().all(|recipient| recipient.reply.is_none()).then(|| cause.clone())
        }
        _ => None,
    };
    match (whole, split) {
        ([whole, Entry::Broke(fault), ..], [split, Entry::Broke(same), ..]) => {
            fault == same && not_sent(whole).as_ref() == Some(fault) && not_sent(split).is_some()
        }
        _ => false,
    }
}

/// Where the operation begins that brought octets behind the 220 to STARTTLS. In one piece with them the 220 is not told
/// of, because the session ends with it; octet by octet it is, before the octets that end the session have come, and
/// a flow that knows nothing of STARTTLS may end it sooner.
fn residue(journal: &[Entry]) -> Option<usize> {
    let residue = Entry::Broke(Error::Protocol(ProtocolError::StartTlsResidue));
    let at = journal.iter().position(|entry| *entry == residue)?;
    journal[..at].iter().rposition(|entry| matches!(entry, Entry::Operation(_)))
}

/// Whether there was a STARTTLS.
pub(super) fn upgraded(journal: &[Entry]) -> bool {
    start(journal).is_some()
}

/// INV1: after the handshake it makes no difference what the server offered before it.
pub(super) fn same_under_tls(whole: &[Entry], elsewhere: &[Entry]) {
    let (Some(a), Some(b)) = (start(whole), start(elsewhere)) else { return };
    // What the caller did, and how it went, is nothing that the server said.
    if whole[a] != elsewhere[b] || !shapes(&whole[..a]).eq(shapes(&elsewhere[..b])) {
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

fn start(journal: &[Entry]) -> Option<usize> {
    journal.iter().position(|entry| matches!(entry, Entry::Upgraded { .. }))
}

/// What happened, but not in which words.
fn shapes(journal: &[Entry]) -> impl Iterator<Item = (u8, usize)> {
    journal.iter().map(|entry| match entry {
        Entry::Operation(nth) => (0, *nth),
        Entry::Wrote(_) => (1, 0),
        Entry::Heard(_) => (2, 0),
        Entry::Event(_) => (3, 0),
        Entry::Broke(_) => (4, 0),
        Entry::Refused(_) => (5, 0),
        Entry::Upgraded { .. } => (6, 0),
        Entry::Ended(Ended::Nothing(result)) => (7, usize::from(result.is_ok())),
        Entry::Ended(Ended::Reply(result)) => (8, usize::from(result.is_ok())),
        Entry::Ended(Ended::Delivery(result)) => (9, usize::from(result.is_ok())),
        Entry::Ended(Ended::Batch(result, _)) => (10, usize::from(result.is_ok())),
    })
}
