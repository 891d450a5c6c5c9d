//! Whole messages: one, one that is read as it is sent, many, and one with a connection of its own.

use smtp_proto::connection::{Config, TlsPolicy};
use smtp_proto::flow::{Body, Delivery, Envelope, Send, SendOptions};
use smtp_proto::sasl::Mechanism;
use tokio::io::AsyncBufRead;

use super::Client;
use crate::batch::{Ready, SendAll};
use crate::job::{Single, Source};
use crate::{Message, SendError, Stream};

impl<S: Stream> Client<S> {
    /// Sends a message known whole to every recipient the server accepts.
    ///
    /// # Errors
    /// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection; [`may_have_been_delivered`](Self::may_have_been_delivered)
    /// then tells of the message.
    pub async fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Delivery, SendError> {
        self.send_with(envelope, message, SendOptions::default()).await
    }

    /// Sends a message known whole, with options.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection; [`may_have_been_delivered`](Self::may_have_been_delivered)
    /// then tells of the message.
    pub async fn send_with(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        let body = Body::Whole(message);
        self.deliver(envelope, body, options, Source::Whole(message, 0)).await
    }

    /// Sends a message as it is read from `reader`; `body` says what is known of it beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send); a failing reader leaves the message not sent, and after DATA the
    /// connection closed.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection; [`may_have_been_delivered`](Self::may_have_been_delivered)
    /// then tells of the message.
    pub async fn send_stream(
        &mut self,
        envelope: &Envelope,
        reader: &mut (dyn AsyncBufRead + Unpin + std::marker::Send),
        body: Body<'_>,
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        self.deliver(envelope, body, options, Source::Reader(Box::new(reader))).await
    }

    /// Sends any number of messages, each behind the one before it: the server's answer to one is awaited while
    /// the next are already under way, as far as its extensions and the window allow. With PIPELINING that is at
    /// most one round trip a message, with CHUNKING one for each window of them.
    ///
    /// What it returns gives one outcome a message, in order, and it is what moves the batch on: a message is
    /// taken from `messages` when it can be begun. After the connection has broken every further message is not
    /// sent; stop asking to keep them ([`SendAll::connection`] tells).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # use smtp_tokio::{Client, Config};
    /// # use smtp_tokio::smtp_proto::flow::Envelope;
    /// # let mut client = Client::connect("mail.example.org:587", Config::new("mail.example.org")).await?;
    /// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    /// let messages = (1..=100).map(|n| (&envelope, format!("Subject: {n}\r\n\r\n").into_bytes()));
    /// let mut batch = client.send_all(messages).then_quit();
    /// while let Some(outcome) = batch.next().await {
    ///     match outcome {
    ///         Ok(delivery) => println!("accepted: {}", delivery.reply),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all<'m, I>(&mut self, messages: I) -> SendAll<'_, 'm, S>
    where
        I: IntoIterator<Item: Into<Message<'m>>, IntoIter: std::marker::Send + 'm>,
    {
        SendAll::new(self, Ready(messages.into_iter()))
    }

    /// As [`send_all`](Self::send_all), with messages that come one by one out of a [`futures_core::Stream`]: a queue,
    /// or a tokio channel, which the `ReceiverStream` of the crate `tokio-stream` makes one. While no message is there
    /// the outcomes of those before it are told as they come.
    pub fn send_each<'m, M>(&mut self, messages: M) -> SendAll<'_, 'm, S>
    where
        M: futures_core::Stream<Item: Into<Message<'m>>> + std::marker::Send + 'm,
    {
        SendAll::new(self, messages)
    }

    /// Sends one message.
    async fn deliver(
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
        let outcome = match self.open().await {
            Ok(()) => self.run_job(&mut job).await,
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
/// ```no_run
/// # async fn example() -> Result<(), smtp_tokio::SendError> {
/// use smtp_proto::sasl::Plain;
///
/// let mut auth = Plain::new("", "user@example.com", "password", "mail.example.com");
/// smtp_tokio::send_mail(
///     "mail.example.com:25",
///     Some(&mut auth),
///     "sender@example.org",
///     &["recipient@example.net"],
///     b"To: recipient@example.net\r\nSubject: discount Gophers!\r\n\r\nThis is the email body.\r\n",
/// )
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the future closes the connection, and it cannot be told whether the message was delivered.
pub async fn send_mail(
    address: &str,
    mechanism: Option<&mut dyn Mechanism>,
    from: &str,
    to: &[&str],
    message: &[u8],
) -> Result<Delivery, SendError> {
    let envelope = Envelope::from_strs(from, to)?;
    let host = smtp_proto::path::host_of(address);
    let mut client = Client::connect(address, Config::new(host).tls(TlsPolicy::Opportunistic)).await?;
    if let Some(mechanism) = mechanism {
        client.auth(mechanism).await?;
    }
    let message = Message::new(&envelope, message).options(SendOptions::all_or_nothing());
    let mut batch = client.send_all([message]).then_quit();
    let outcome = batch.next().await;
    // How the session ends changes nothing any more.
    let _ = batch.next().await;
    outcome.unwrap_or_else(|| Err(smtp_proto::Error::Abandoned.into()))
}
