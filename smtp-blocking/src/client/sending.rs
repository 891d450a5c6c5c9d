//! Whole messages: one, one that is read as it is sent, many, and one with a connection of its own.

use std::io::BufRead;

use smtp_proto::connection::{Config, TlsPolicy};
use smtp_proto::flow::{Body, Delivery, Envelope, Send, SendOptions};
use smtp_proto::sasl::Mechanism;

use super::Client;
use crate::batch::SendAll;
use crate::job::{Single, Source};
use crate::{Message, SendError, Stream};

impl<S: Stream> Client<S> {
    /// Sends a message known whole to every recipient the server accepts.
    ///
    /// # Errors
    /// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
    pub fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Delivery, SendError> {
        self.send_with(envelope, message, SendOptions::default())
    }

    /// Sends a message known whole, with options.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        let body = Body::Whole(message);
        self.deliver(envelope, body, options, Source::Whole(message, 0))
    }

    /// Sends a message as it is read from `reader`; `body` says what is known of it beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send); a failing reader leaves the message not sent, and after DATA the
    /// connection closed.
    pub fn send_stream(
        &mut self,
        envelope: &Envelope,
        reader: &mut dyn BufRead,
        body: Body<'_>,
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        self.deliver(envelope, body, options, Source::Reader(Box::new(reader)))
    }

    /// Sends any number of messages, each behind the one before it: the server's answer to one is awaited while
    /// the next are already under way, as far as its extensions and the window allow. With PIPELINING that is at
    /// most one round trip a message, with CHUNKING one for each window of them.
    ///
    /// The returned iterator gives one outcome a message, in order, and it is what moves the batch on: a message
    /// is taken from `messages` when it can be begun, and what it begins with leaves in the same write as the end of
    /// the one before. So a source that blocks holds back the end of the message before it, and all outcomes: give it
    /// messages that are at hand, or use `smtp-tokio`, whose `send_each` waits for both. After the connection has
    /// broken every further message is not sent; stop asking to keep them ([`SendAll::connection`] tells).
    ///
    /// ```no_run
    /// # use smtp_blocking::{Client, Config};
    /// # use smtp_blocking::smtp_proto::flow::Envelope;
    /// # let mut client = Client::connect("mail.example.org:587", Config::new("mail.example.org"))?;
    /// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    /// let messages = (1..=100).map(|n| (&envelope, format!("Subject: {n}\r\n\r\n").into_bytes()));
    /// for (n, outcome) in client.send_all(messages).then_quit().enumerate() {
    ///     match outcome {
    ///         Ok(delivery) => println!("{n}: accepted: {}", delivery.reply),
    ///         Err(error) => println!("{n}: {error}"),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_all<'m, I>(&mut self, messages: I) -> SendAll<'_, 'm, S, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Into<Message<'m>>,
    {
        SendAll::new(self, messages.into_iter())
    }

    /// Sends one message.
    fn deliver(
        &mut self,
        envelope: &Envelope,
        body: Body<'_>,
        options: SendOptions,
        source: Source<'_>,
    ) -> Result<Delivery, SendError> {
        let track = self.pump.watch.tracker().begin(0, Some(envelope.recipients.len()), body.size());
        let mut flow = Send::new(envelope, body, options);
        let mut job = Single::new(&mut flow, source);
        job.track = Some(track);
        let outcome = match self.open() {
            Ok(()) => self.run_job(&mut job),
            Err(error) => Err(error.into()),
        };
        if let Some(track) = job.track {
            track.over(outcome.as_ref().map_err(SendError::kind));
        }
        outcome
    }
}

/// Sends one message over a connection of its own, as Go's `net/smtp.SendMail` does: STARTTLS if the server
/// offers it, authentication if a mechanism is given, all recipients or none, QUIT.
///
/// `address` is `host:port`; the certificate has to be valid for the host. Without TLS, which
/// anyone on the path can take away, no mechanism is used, unless the server is on this machine.
///
/// # Errors
/// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
///
/// For roots of your own use [`Client::connect_with_tls`] and
/// [`SendOptions::all_or_nothing`](smtp_proto::flow::SendOptions::all_or_nothing), of which this is made.
///
/// ```no_run
/// use smtp_proto::sasl::Plain;
///
/// let mut auth = Plain::new("", "user@example.com", "password", "mail.example.com");
/// smtp_blocking::send_mail(
///     "mail.example.com:25",
///     Some(&mut auth),
///     "sender@example.org",
///     &["recipient@example.net"],
///     b"To: recipient@example.net\r\nSubject: discount Gophers!\r\n\r\nThis is the email body.\r\n",
/// )?;
/// # Ok::<(), smtp_blocking::SendError>(())
/// ```
pub fn send_mail(
    address: &str,
    mechanism: Option<&mut dyn Mechanism>,
    from: &str,
    to: &[&str],
    message: &[u8],
) -> Result<Delivery, SendError> {
    let envelope = Envelope::from_strs(from, to)?;
    let host = smtp_proto::path::host_of(address);
    let mut client = Client::connect(address, Config::new(host).tls(TlsPolicy::Opportunistic))?;
    if let Some(mechanism) = mechanism {
        client.auth(mechanism)?;
    }
    let message = Message::new(&envelope, message).options(SendOptions::all_or_nothing());
    let mut batch = client.send_all([message]).then_quit();
    let outcome = batch.next();
    // How the session ends changes nothing any more.
    let _ = batch.next();
    outcome.unwrap_or_else(|| Err(smtp_proto::Error::Abandoned.into()))
}
