//! The transcript of a session, with every secret already redacted (and body octets only counted).

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use super::Connection;
use crate::capabilities::Capabilities;
use crate::escape::Escaped;
use crate::reply::Reply;
use crate::stage::Stage;

/// One entry of a transcript: what was said, by whom, and when, as far as the caller
/// [told the time](Connection::set_time).
///
/// `Display` renders it, a line for each line of a reply, server text escaped and cut short, without the time.
///
/// ```
/// # use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
/// use std::time::Duration;
///
/// # let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
/// connection.set_transcript(|entry| {
///     let time = entry.time().unwrap_or_default();
///     println!("{:8.3} {entry}", time.as_secs_f64());
/// #   assert_eq!(format!("{:.3} {entry}", time.as_secs_f64()), "0.250 S: 220 mail.example ESMTP");
/// });
/// connection.set_time(Duration::from_millis(250));
/// connection.receive(b"220 mail.example ESMTP\r\n");
/// connection.poll_event()?; //    0.250 S: 220 mail.example ESMTP
/// # Ok::<(), smtp_proto::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct TranscriptEntry<'a> {
    line: TranscriptLine<'a>,
    stage: Option<Stage>,
    time: Option<Duration>,
}

/// What was said. `Debug` shows what `Display` of the entry shows, and no more. User names are shown where they are not
/// part of an AUTH exchange: as the parameter AUTH of MAIL, as the attribute LOGIN of XCLIENT.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum TranscriptLine<'a> {
    /// A command line the client queued, without its CRLF.
    Client(&'a [u8]),
    /// `AUTH` with its mechanism; the initial response, if any, is shown by its length alone.
    ClientAuth {
        /// The mechanism's name.
        mechanism: &'a str,
        /// Octets of the initial response as sent, in base64.
        response: Option<usize>,
    },
    /// A later line of an AUTH exchange, by the length of its base64.
    ClientResponse(usize),
    /// A part of a message body: octets as encoded for the wire.
    Body(usize),
    /// The end of a message body.
    EndOfData,
    /// A reply. The text of a 334 challenge is not shown, but it is here.
    Server(&'a Reply),
    /// The TLS handshake ended well.
    Tls,
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The client.
    Sent,
    /// The server.
    Received,
    /// Neither: both sides did the TLS handshake.
    Both,
}

impl<'a> TranscriptEntry<'a> {
    /// What was said.
    #[must_use]
    pub fn line(&self) -> TranscriptLine<'a> {
        self.line
    }

    /// Who said it.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self.line {
            TranscriptLine::Client(_)
            | TranscriptLine::ClientAuth { .. }
            | TranscriptLine::ClientResponse(_)
            | TranscriptLine::Body(_)
            | TranscriptLine::EndOfData => Direction::Sent,
            TranscriptLine::Server(_) => Direction::Received,
            TranscriptLine::Tls => Direction::Both,
        }
    }

    /// What a reply answers; `None` for a reply that nobody asked for, and for all that is no reply.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// What the server offers, if the entry is its reply to EHLO or LHLO and a success. After STARTTLS the connection
    /// forgets what was offered in clear; who wants to compare the two takes it from here.
    ///
    /// ```
    /// # use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
    /// # use smtp_proto::flow::{Flow as _, Open};
    /// # let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
    /// connection.set_transcript(|entry| {
    ///     if let Some(offered) = entry.capabilities() {
    ///         println!("{:?}", offered.iter().map(|(keyword, _)| keyword).collect::<Vec<_>>());
    /// #       assert!(offered.get("SIZE").is_some());
    ///     }
    /// });
    /// # connection.receive(b"220 hi\r\n");
    /// # let mut open = Open::new();
    /// # let _ = open.poll(&mut connection)?;
    /// # connection.advance_output(connection.output().len())?;
    /// # connection.receive(b"250-hi\r\n250 SIZE\r\n");
    /// # let _ = open.poll(&mut connection)?;
    /// # Ok::<(), smtp_proto::Error>(())
    /// ```
    #[must_use]
    pub fn capabilities(&self) -> Option<Capabilities> {
        match (self.line, self.stage) {
            (TranscriptLine::Server(reply), Some(Stage::Ehlo | Stage::Lhlo))
                if reply.is_positive_completion() =>
            {
                Some(Capabilities::parse(reply.lines()))
            }
            _ => None,
        }
    }

    /// The time that [`Connection::set_time`] told last before it; `None` if it has told none. A line of the client has
    /// the time when it was queued, a reply that when it was taken up.
    #[must_use]
    pub fn time(&self) -> Option<Duration> {
        self.time
    }
}

/// As `Display`: what that hides, this hides too.
impl fmt::Debug for TranscriptEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for TranscriptLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f)
    }
}

impl fmt::Display for TranscriptEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line.show(f)
    }
}

impl TranscriptLine<'_> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TranscriptLine::Client(line) => write!(f, "C: {}", Escaped::new(line)),
            TranscriptLine::ClientAuth { mechanism, response: None } => write!(f, "C: AUTH {mechanism}"),
            TranscriptLine::ClientAuth { mechanism, response: Some(octets) } => {
                write!(f, "C: AUTH {mechanism} <redacted {octets} octets>")
            }
            TranscriptLine::ClientResponse(octets) => write!(f, "C: <redacted {octets} octets>"),
            TranscriptLine::Body(octets) => write!(f, "C: <body, {octets} octets>"),
            TranscriptLine::EndOfData => write!(f, "C: ."),
            TranscriptLine::Server(reply) if reply.code().get() == 334 => {
                write!(f, "S: 334 <challenge, {} octets>", reply.text().len())
            }
            TranscriptLine::Server(reply) => {
                let last = reply.lines().count().saturating_sub(1);
                for (i, line) in reply.lines().enumerate() {
                    let (end, mark) = if i == last { ("", ' ') } else { ("\n", '-') };
                    write!(f, "S: {}{mark}{}{end}", reply.code(), Escaped::new(line))?;
                }
                Ok(())
            }
            TranscriptLine::Tls => f.write_str("-- TLS established --"),
        }
    }
}

/// Who listens, and the time told last. In a box, for the sake of the many connections to which nobody listens.
pub(super) struct Transcript {
    hook: Hook,
    time: Option<Duration>,
}

type Hook = Box<dyn FnMut(TranscriptEntry<'_>) + Send + Sync>;

impl Connection {
    /// Calls `hook` for each line of the session from now on, secrets redacted.
    pub fn set_transcript(&mut self, hook: impl FnMut(TranscriptEntry<'_>) + Send + Sync + 'static) {
        let time = self.transcript.as_ref().and_then(|transcript| transcript.time);
        self.transcript = Some(Box::new(Transcript { hook: Box::new(hook), time }));
    }

    /// Whether there is a transcript, so that it is worth while to tell the time.
    #[must_use]
    pub fn has_transcript(&self) -> bool {
        self.transcript.is_some()
    }

    /// Tells the time that the entries of the transcript carry from now on, since a moment of the caller's choice, as
    /// [`tick`](Self::tick) does. Without a transcript it does nothing: no deadline is kept by it.
    pub fn set_time(&mut self, time: Duration) {
        if let Some(transcript) = &mut self.transcript {
            transcript.time = Some(time);
        }
    }

    pub(super) fn trace(&mut self, line: TranscriptLine<'_>) {
        if let Some(transcript) = &mut self.transcript {
            (transcript.hook)(TranscriptEntry { line, stage: None, time: transcript.time });
        }
    }

    pub(super) fn trace_reply(&mut self, reply: &Reply, stage: Option<Stage>) {
        if let Some(transcript) = &mut self.transcript {
            let line = TranscriptLine::Server(reply);
            (transcript.hook)(TranscriptEntry { line, stage, time: transcript.time });
        }
    }
}
