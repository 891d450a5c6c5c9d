//! A session for one message, from the greeting to QUIT.

use core::{fmt, mem};

use super::outcome::{Delivery, SendError};
use super::{Body, Envelope, Flow, LogIn, Open, Quit, Send, SendOptions, Step};
use crate::connection::Connection;
use crate::error::Error;

/// Opens the session, authenticates if it is told to, sends one message, and says QUIT: [`Open`], [`LogIn`], [`Send`] and
/// [`Quit`] as one flow, for a loop that holds one flow for each of its connections.
///
/// What became of the message is told after QUIT, which waits for the server at most
/// [`Timeouts::quit`](crate::connection::Timeouts::quit), and changes nothing about it. QUIT is also said after a refusal.
///
/// ```
/// use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
/// use smtp_proto::flow::{Body, Envelope, Flow, SendOptions, Step, Submit};
///
/// let message = b"Subject: hi\r\n\r\n.\r\n";
/// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
/// let mut submit = Submit::new(&envelope, Body::Whole(message), SendOptions::default());
/// let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
///
/// let (mut at, mut sent) = (0, Vec::new());
/// let mut replies = ["220 hi", "250 hi", "250 ok", "250 ok", "354 go on", "250 ok: queued as 7", "221 bye"].into_iter();
/// let delivery = loop {
///     match submit.poll(&mut connection)? {
///         Step::Done(delivery) => break delivery,
///         Step::UpgradeTls(_) => unreachable!("the policy is to have none"),
///         Step::SupplyBody { .. } => connection.supply_body(message, &mut at),
///         Step::Continue if !connection.output().is_empty() => {
///             sent.extend_from_slice(connection.output());
///             connection.advance_output(connection.output().len())?;
///         }
///         Step::Continue => connection.receive(format!("{}\r\n", replies.next().unwrap()).as_bytes()),
///     }
/// };
/// assert_eq!(delivery.queue_id(), Some("7"));
/// assert!(sent.ends_with(b"DATA\r\nSubject: hi\r\n\r\n..\r\n.\r\nQUIT\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Submit<'a> {
    state: State<'a>,
    log_in: Option<LogIn<'a>>,
    send: Send<'a>,
}

enum State<'a> {
    Opening(Open),
    LoggingIn(LogIn<'a>),
    Sending,
    /// With what became of the message.
    Quitting(Quit, Result<Delivery, SendError>),
    Over,
}

impl<'a> Submit<'a> {
    /// The flow for one message, without AUTH; otherwise as [`Send::new`].
    #[must_use]
    pub fn new(envelope: &'a Envelope, body: Body<'_>, options: SendOptions) -> Self {
        let send = Send::new(envelope, body, options);
        Self { state: State::Opening(Open::new()), log_in: None, send }
    }

    /// Authenticates before the message. That this fails is a [`SendError::NotSent`].
    #[must_use]
    pub fn log_in(mut self, log_in: LogIn<'a>) -> Self {
        self.log_in = Some(log_in);
        self
    }
}

impl Flow for Submit<'_> {
    type Output = Delivery;
    type Error = SendError;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Delivery>, SendError> {
        loop {
            let step = match &mut self.state {
                State::Opening(open) => open.poll(connection).map(|step| step.map(|()| None)),
                State::LoggingIn(log_in) => log_in.poll(connection).map(|step| step.map(|_| None)),
                State::Sending => match self.send.poll(connection) {
                    Ok(step) => Ok(step.map(Some)),
                    Err(error) => {
                        self.state = State::Quitting(Quit::new(), Err(error));
                        continue;
                    }
                },
                State::Quitting(quit, _) => match quit.poll(connection) {
                    Ok(Step::Continue) => return Ok(Step::Continue),
                    // However it ended.
                    _ => break,
                },
                State::Over => break,
            };
            self.state = match step {
                Ok(Step::Continue) => return Ok(Step::Continue),
                Ok(Step::UpgradeTls(upgrade)) => return Ok(Step::UpgradeTls(upgrade)),
                Ok(Step::SupplyBody { message }) => return Ok(Step::SupplyBody { message }),
                Ok(Step::Done(Some(delivery))) => State::Quitting(Quit::new(), Ok(delivery)),
                Ok(Step::Done(None)) => self.log_in.take().map_or(State::Sending, State::LoggingIn),
                Err(error) => State::Quitting(Quit::new(), Err(error.into())),
            };
        }
        match mem::replace(&mut self.state, State::Over) {
            State::Quitting(_, outcome) => outcome.map(Step::Done),
            _ => Err(Error::Abandoned.into()),
        }
    }
}

impl fmt::Debug for Submit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = match self.state {
            State::Opening(_) => "opening",
            State::LoggingIn(_) => "logging in",
            State::Sending => "sending",
            State::Quitting(..) => "quitting",
            State::Over => "over",
        };
        f.debug_struct("Submit").field("doing", &doing).finish_non_exhaustive()
    }
}
