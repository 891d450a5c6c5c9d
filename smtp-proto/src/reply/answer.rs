//! What the replies to VRFY, EXPN, HELP and ETRN say.
//!
//! These replies are made to be read by people, and servers take liberties with them; what is not said in the form
//! of the RFC is still there as text. A reply that refuses is one too: it is in the error that refuses.

use super::Reply;
use crate::path::Mailbox;

/// What a server says to VRFY (RFC 5321 §3.5).
///
/// ```
/// use smtp_proto::reply::{Reply, ReplyCode, VrfyAnswer};
///
/// let reply = Reply::new(ReplyCode::new(250).unwrap(), b"2.1.5 Fred Smith <fred@example.org>");
/// let VrfyAnswer::Confirmed(user) = VrfyAnswer::of(&reply) else { panic!() };
/// assert_eq!(user.mailbox().unwrap().as_str(), "fred@example.org");
/// assert_eq!(user.text(), b"Fred Smith <fred@example.org>");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VrfyAnswer<'r> {
    /// 250: the user or mailbox exists.
    Confirmed(Listed<'r>),
    /// 251: not at this server, which will forward to the mailbox it names (RFC 5321 §3.4).
    WillForward(Listed<'r>),
    /// 252: the server does not tell, but would take a message and try to deliver it. Most servers say so of every
    /// user (RFC 5321 §3.5.3, §7.3).
    CannotVerify,
    /// 551: not at this server, which names the mailbox to try (RFC 5321 §3.4).
    NotLocal(Listed<'r>),
    /// 553: the user is ambiguous, or the mailbox not allowed; the server may list what it could be.
    Ambiguous(Listing<'r>),
    /// Anything else: there is no such user, or the server does not answer such questions.
    Refused,
}

impl<'r> VrfyAnswer<'r> {
    /// Reads a reply to VRFY.
    #[must_use]
    pub fn of(reply: &'r Reply) -> Self {
        match reply.code().get() {
            250 => Self::Confirmed(Listed::first_of(reply)),
            251 => Self::WillForward(Listed::first_of(reply)),
            252 => Self::CannotVerify,
            551 => Self::NotLocal(Listed::first_of(reply)),
            553 => Self::Ambiguous(Listing(reply)),
            _ => Self::Refused,
        }
    }
}

/// What a server says to EXPN (RFC 5321 §3.5).
///
/// ```
/// use smtp_proto::reply::{ExpnAnswer, Reply, ReplyCode};
///
/// let reply = Reply::new(ReplyCode::new(250).unwrap(), b"Ann <ann@example.org>\n<bob@example.net>");
/// let ExpnAnswer::Members(members) = ExpnAnswer::of(&reply) else { panic!() };
/// let mailboxes: Vec<_> = members.iter().filter_map(|member| member.mailbox()).collect();
/// assert_eq!(mailboxes[1].as_str(), "bob@example.net");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpnAnswer<'r> {
    /// 250: the members of the mailing list, one a line.
    Members(Listing<'r>),
    /// 252: the server does not tell whether this is a mailing list.
    CannotExpand,
    /// Anything else: there is no such list, or the server does not answer such questions.
    Refused,
}

impl<'r> ExpnAnswer<'r> {
    /// Reads a reply to EXPN.
    #[must_use]
    pub fn of(reply: &'r Reply) -> Self {
        match reply.code().get() {
            250 => Self::Members(Listing(reply)),
            252 => Self::CannotExpand,
            _ => Self::Refused,
        }
    }
}

/// What a server says to HELP (RFC 5321 §4.1.1.8, §4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HelpAnswer<'r> {
    /// 211: the state of the server.
    Status(Listing<'r>),
    /// 214: how to use it.
    Help(Listing<'r>),
    /// Anything else: no help on this topic, or none at all.
    Refused,
}

impl<'r> HelpAnswer<'r> {
    /// Reads a reply to HELP.
    #[must_use]
    pub fn of(reply: &'r Reply) -> Self {
        match reply.code().get() {
            211 => Self::Status(Listing(reply)),
            214 => Self::Help(Listing(reply)),
            _ => Self::Refused,
        }
    }
}

/// What a server says to ETRN (RFC 1985 §5.2).
///
/// ```
/// use smtp_proto::reply::{EtrnAnswer, Reply, ReplyCode};
///
/// let reply = Reply::new(ReplyCode::new(253).unwrap(), b"OK, 14 pending messages for node example.org started");
/// assert_eq!(EtrnAnswer::of(&reply), EtrnAnswer::Pending(Some(14)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EtrnAnswer {
    /// 250: the queue of the node was started.
    Started,
    /// 251: no message waits for the node.
    NothingWaiting,
    /// 252: messages that waited for the node are on their way.
    PendingStarted,
    /// 253: so many messages that waited for the node are on their way; `None` if the server gives no number.
    Pending(Option<u64>),
    /// 458: the messages for the node cannot be queued now.
    UnableToQueue,
    /// 459: this node is not allowed, for the reason that the server gives.
    NotAllowed,
    /// Anything else: a node that the server cannot make sense of, or it does not do this.
    Refused,
}

impl EtrnAnswer {
    /// Reads a reply to ETRN.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        match reply.code().get() {
            250 => Self::Started,
            251 => Self::NothingWaiting,
            252 => Self::PendingStarted,
            253 => Self::Pending(first_number(reply)),
            458 => Self::UnableToQueue,
            459 => Self::NotAllowed,
            _ => Self::Refused,
        }
    }
}

/// The first word that is a decimal number.
fn first_number(reply: &Reply) -> Option<u64> {
    let text = core::str::from_utf8(reply.message_lines().next()?).ok()?;
    let is_number = |word: &&str| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit());
    text.split([' ', ',']).find(is_number)?.parse().ok()
}

/// The lines of a reply that lists something, enhanced status codes left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing<'r>(&'r Reply);

impl<'r> Listing<'r> {
    /// Each line; there is at least one, which may be empty. A line without a mailbox may be a remark of the server.
    pub fn iter(self) -> impl Iterator<Item = Listed<'r>> + Clone {
        self.0.message_lines().map(Listed)
    }
}

/// A line in which a server names a user: a mailbox, or a name and the mailbox in angle brackets (RFC 5321 §3.5.1).
///
/// The octets are the server's: show them through [`Escaped`](crate::escape::Escaped).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Listed<'r>(&'r [u8]);

impl<'r> Listed<'r> {
    fn first_of(reply: &'r Reply) -> Self {
        Self(reply.message_lines().next().unwrap_or_default())
    }

    /// The line as the server wrote it.
    #[must_use]
    pub fn text(self) -> &'r [u8] {
        self.0
    }

    /// The mailbox in the line: what the last angle brackets hold, or without any, the whole of it. `None` if that is
    /// no mailbox.
    #[must_use]
    pub fn mailbox(self) -> Option<Mailbox> {
        let text = core::str::from_utf8(self.0).ok()?.trim_ascii();
        match text.rsplit_once('<') {
            Some((_, rest)) => rest.split_once('>')?.0.parse().ok(),
            None => text.parse().ok(),
        }
    }
}

/// Shows the line escaped, in quotes.
impl core::fmt::Debug for Listed<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&crate::escape::Escaped::new(self.0), f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;
    use crate::reply::ReplyCode;

    fn reply(code: u16, text: &str) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), text.as_bytes())
    }

    fn mailbox(text: &str) -> Option<String> {
        Listed(text.as_bytes()).mailbox().map(|mailbox| String::from(mailbox.as_str()))
    }

    #[test]
    fn what_vrfy_says() {
        let text = "2.1.5 Fred Smith <fred@example.org>";
        for (code, expected) in [
            (250, VrfyAnswer::Confirmed(Listed(b"Fred Smith <fred@example.org>"))),
            (251, VrfyAnswer::WillForward(Listed(b"Fred Smith <fred@example.org>"))),
            (252, VrfyAnswer::CannotVerify),
        ] {
            assert_eq!(VrfyAnswer::of(&reply(code, text)), expected);
        }
        let not_local = reply(551, "User not local; please try <fred@example.net>");
        let VrfyAnswer::NotLocal(user) = VrfyAnswer::of(&not_local) else { panic!() };
        assert_eq!(user.mailbox().unwrap().as_str(), "fred@example.net");
        let ambiguous = reply(553, "5.1.4 Ambiguous; could be\n5.1.4 A <a@b.example>\n5.1.4 C <c@d.example>");
        let VrfyAnswer::Ambiguous(listing) = VrfyAnswer::of(&ambiguous) else { panic!() };
        let mailboxes: Vec<_> = listing.iter().filter_map(Listed::mailbox).collect();
        assert_eq!(mailboxes.iter().map(Mailbox::as_str).collect::<Vec<_>>(), ["a@b.example", "c@d.example"]);
        for code in [200, 211, 450, 500, 502, 504, 550, 554] {
            assert_eq!(VrfyAnswer::of(&reply(code, text)), VrfyAnswer::Refused);
        }
    }

    #[test]
    fn what_expn_and_help_say() {
        let members = reply(250, "Ann <ann@example.org>\nbob@example.net\n\nsee also: other-list");
        let ExpnAnswer::Members(listing) = ExpnAnswer::of(&members) else { panic!() };
        let mailboxes: Vec<_> = listing.iter().map(|line| line.mailbox().is_some()).collect();
        assert_eq!(mailboxes, [true, true, false, false]);
        assert_eq!(ExpnAnswer::of(&reply(252, "")), ExpnAnswer::CannotExpand);
        for code in [251, 500, 502, 504, 550] {
            assert_eq!(ExpnAnswer::of(&reply(code, "x")), ExpnAnswer::Refused);
        }
        let help = reply(214, "2.0.0 Commands:\n2.0.0  HELO EHLO\n2.0.0 End");
        let HelpAnswer::Help(listing) = HelpAnswer::of(&help) else { panic!() };
        assert!(listing.iter().map(Listed::text).eq([&b"Commands:"[..], b" HELO EHLO", b"End"]));
        assert!(matches!(HelpAnswer::of(&reply(211, "up")), HelpAnswer::Status(_)));
        for code in [250, 500, 502, 504] {
            assert_eq!(HelpAnswer::of(&reply(code, "x")), HelpAnswer::Refused);
        }
    }

    #[test]
    fn what_etrn_says() {
        for (code, text, expected) in [
            (250, "OK, queuing for node x started", EtrnAnswer::Started),
            (251, "OK, no messages waiting for node x", EtrnAnswer::NothingWaiting),
            (252, "OK, pending messages for node x started", EtrnAnswer::PendingStarted),
            (253, "OK, 14 pending messages for node x started", EtrnAnswer::Pending(Some(14))),
            (253, "2.0.0 0 pending", EtrnAnswer::Pending(Some(0))),
            (253, "some pending messages for node x1 started", EtrnAnswer::Pending(None)),
            (253, "99999999999999999999 pending", EtrnAnswer::Pending(None)),
            (253, "-5 pending", EtrnAnswer::Pending(None)),
            (253, "", EtrnAnswer::Pending(None)),
            (458, "Unable to queue messages for node x", EtrnAnswer::UnableToQueue),
            (459, "Node x not allowed: reason", EtrnAnswer::NotAllowed),
            (450, "later", EtrnAnswer::Refused),
            (500, "what?", EtrnAnswer::Refused),
            (501, "what?", EtrnAnswer::Refused),
        ] {
            assert_eq!(EtrnAnswer::of(&reply(code, text)), expected, "{code} {text}");
        }
        assert_eq!(
            EtrnAnswer::of(&Reply::new(ReplyCode::new(253).unwrap(), b"\xff 5")),
            EtrnAnswer::Pending(None)
        );
    }

    #[test]
    fn mailboxes_in_a_line() {
        assert_eq!(mailbox("fred@example.org").as_deref(), Some("fred@example.org"));
        assert_eq!(mailbox(" <fred@example.org> ").as_deref(), Some("fred@example.org"));
        assert_eq!(mailbox("a <b> <fred@example.org>, local").as_deref(), Some("fred@example.org"));
        for none in
            ["", "<", ">", "<>", "fred", "<fred", "fred@example.org>", "Fred fred@example.org", "<a@b\0>"]
        {
            assert_eq!(mailbox(none), None, "{none:?}");
        }
        assert!(Listed(b"<\xff@b>").mailbox().is_none());
        assert_eq!(format!("{:?}", Listed(b"a\nb\x1b")), r#""a\nb\x1b""#);
    }
}
