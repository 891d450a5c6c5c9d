//! How a message would go to a server, without sending anything.

use super::plan::{self, Described, Plan};
use super::{Body, Envelope, SendOptions};
use crate::command::Command;
use crate::connection::Connection;
use crate::error::Error;
use crate::params::MailParameters;

/// What [`Send`](super::Send) would make of a message on this connection as it is: the parameters of its MAIL, its
/// framing, and how often it waits for the server.
///
/// ```
/// use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
/// use smtp_proto::flow::{Body, Envelope, Flow as _, Open, Preview, SendOptions};
///
/// let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
/// let mut open = Open::new();
/// connection.receive(b"220 hi\r\n");
/// let _ = open.poll(&mut connection)?;
/// connection.advance_output(connection.output().len())?;
/// connection.receive(b"250-hi\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n");
/// let _ = open.poll(&mut connection)?;
///
/// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net", "carol@example.net"])?;
/// let message = "Subject: \u{e4}\r\n".as_bytes();
/// let preview = Preview::new(&connection, &envelope, Body::Whole(message), &SendOptions::default())?;
/// assert_eq!(preview.parameters.to_string(), "SIZE=13 BODY=8BITMIME");
/// assert_eq!((preview.chunks, preview.transactions, preview.round_trips), (false, 1, 2));
/// assert!(connection.output().is_empty());
/// # Ok::<(), smtp_proto::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// The parameters of MAIL: those of the envelope, and those that message and server need; of the first mail
    /// transaction, if there are several.
    pub parameters: MailParameters,
    /// Whether the message goes in chunks (BDAT, RFC 3030), and not behind DATA.
    pub chunks: bool,
    /// How many mail transactions it takes ([`SendOptions::split`]).
    pub transactions: usize,
    /// How often it waits for the server before the reply to its end has come, that included, where every recipient is
    /// accepted, nothing is sent before or after it, and the window holds nothing up. Of a stream that goes in chunks
    /// it is the least.
    pub round_trips: usize,
}

impl Preview {
    /// Looks how the message would go.
    ///
    /// # Errors
    /// What [`Send`](super::Send) would find before anything is sent: an extension that is missing, a message that is
    /// too large or breaks its rules, a limit.
    pub fn new(
        connection: &Connection,
        envelope: &Envelope,
        body: Body<'_>,
        options: &SendOptions,
    ) -> Result<Self, Error> {
        let body = Described::new(body);
        let ranges = plan::split(connection, envelope, &body, options)?;
        let (mut parameters, mut chunks, mut round_trips) = (None, false, 0_usize);
        // What the first message of a session waits for: see `Connection::wants_body`.
        let mut is_welcome = connection.takes_mail() || connection.config().eager_chunks;
        for range in &ranges {
            let plan = Plan::new(connection, envelope, range, &body, options)?;
            connection.check(&Command::Mail(&envelope.reverse_path, &plan.mail))?;
            let recipients = range.len();
            let waits = match connection.is_pipelining() {
                // MAIL, each RCPT, the end, and DATA where there is one.
                false => recipients.saturating_add(if plan.chunks { 2 } else { 3 }),
                // MAIL, RCPT and DATA are one group; a chunk may be in it, too.
                true if plan.chunks && plan.eager && is_welcome => 1,
                true if plan.chunks => 2,
                true if plan.eager => 2,
                true => 3,
            };
            is_welcome = true;
            // The next transaction begins in one flight with the end of the one before.
            let shared = usize::from(connection.is_pipelining() && parameters.is_some());
            round_trips = round_trips.saturating_add(waits.saturating_sub(shared));
            chunks = plan.chunks;
            parameters.get_or_insert(plan.mail);
        }
        let parameters = parameters.unwrap_or_default();
        Ok(Self { parameters, chunks, transactions: ranges.len(), round_trips })
    }
}
