//! The verbs of SMTP one by one, each a flow.

use smtp_proto::capabilities::Capabilities;
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::flow::{self, BeginData, Exchange, Expect, Hello};
use smtp_proto::params::{MailParameters, RcptParameters, XClient};
use smtp_proto::path::{ForwardPath, ReversePath};
use smtp_proto::reply::Reply;

use super::Client;
use crate::data::DataWriter;
use crate::job::Source;
use crate::{Error, Stream};

impl<S: Stream> Client<S> {
    /// What the server advertised.
    ///
    /// # Errors
    /// If the server has to be greeted first and that fails.
    pub fn capabilities(&mut self) -> Result<&Capabilities, Error> {
        self.open()?;
        Ok(self.pump.connection.capabilities())
    }

    /// The parameters of an extension, by its keyword; `None` if the server does not offer it.
    ///
    /// # Errors
    /// As [`capabilities`](Self::capabilities).
    pub fn extension(&mut self, keyword: &str) -> Result<Option<&str>, Error> {
        Ok(self.capabilities()?.get(keyword))
    }

    /// Begins a mail transaction, with the parameters that suit the server.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn mail(&mut self, reverse_path: &ReversePath) -> Result<Reply, Error> {
        self.open()?;
        let parameters = self.pump.connection.default_mail_parameters(reverse_path);
        self.mail_with(reverse_path, &parameters)
    }

    /// Begins a mail transaction with these parameters.
    ///
    /// # Errors
    /// As [`mail`](Self::mail); a parameter whose extension the server does not offer is refused locally.
    pub fn mail_with(&mut self, path: &ReversePath, parameters: &MailParameters) -> Result<Reply, Error> {
        self.exchange(Command::Mail(path, parameters), Expect::Success)
    }

    /// Adds a recipient.
    ///
    /// # Errors
    /// The server's refusal of this recipient, or the connection's failure.
    pub fn rcpt(&mut self, forward_path: &ForwardPath) -> Result<Reply, Error> {
        self.rcpt_with(forward_path, &RcptParameters::new())
    }

    /// Adds a recipient with these parameters.
    ///
    /// # Errors
    /// As [`rcpt`](Self::rcpt).
    pub fn rcpt_with(&mut self, path: &ForwardPath, parameters: &RcptParameters) -> Result<Reply, Error> {
        self.exchange(Command::Rcpt(path, parameters), Expect::Success)
    }

    /// Begins the message. Nothing is committed before [`DataWriter::finish`].
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn data(&mut self) -> Result<DataWriter<'_, S>, Error> {
        let data = self.pump.connection.default_data();
        self.data_with(data)
    }

    /// Begins a message that obeys these rules.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub fn data_with(&mut self, data: DataCommand) -> Result<DataWriter<'_, S>, Error> {
        self.run(&mut BeginData::new(data), Source::None)?;
        Ok(DataWriter::new(&mut self.pump))
    }

    /// Takes the mail transaction back.
    ///
    /// # Errors
    /// The server's refusal, after which the connection cannot be used again, or the connection's failure.
    pub fn reset(&mut self) -> Result<Reply, Error> {
        self.exchange(Command::Rset, Expect::Success)
    }

    /// Asks for nothing but a reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn noop(&mut self) -> Result<Reply, Error> {
        self.exchange(Command::Noop, Expect::Success)
    }

    /// Asks whether a user or mailbox exists. Many servers answer 252, which says nothing either way.
    /// [`VrfyAnswer`](smtp_proto::reply::VrfyAnswer) reads the reply, that of a refusal too.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn verify(&mut self, user: &str) -> Result<Reply, Error> {
        self.exchange(Command::Vrfy(user), Expect::Success)
    }

    /// Asks for the members of a mailing list. [`ExpnAnswer`](smtp_proto::reply::ExpnAnswer) reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn expand(&mut self, list: &str) -> Result<Reply, Error> {
        self.exchange(Command::Expn(list), Expect::Success)
    }

    /// Asks for help, on a topic or, with an empty string, in general. [`HelpAnswer`](smtp_proto::reply::HelpAnswer)
    /// reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn help(&mut self, topic: &str) -> Result<Reply, Error> {
        self.exchange(Command::Help(topic), Expect::Success)
    }

    /// Asks the server to deliver what it holds for a node: a domain, `@` and a domain for all below it too, or `#`
    /// and the name of a queue. [`EtrnAnswer`](smtp_proto::reply::EtrnAnswer) reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure; a node that is none is refused locally.
    pub fn etrn(&mut self, node: &str) -> Result<Reply, Error> {
        self.exchange(Command::Etrn(node), Expect::Success)
    }

    /// Tells a server that trusts this client for whom it speaks, and introduces the client again, as the server
    /// wants it after that. Returns the reply to the former.
    ///
    /// # Errors
    /// The server's refusal, after which the session goes on as it was, or the connection's failure; an attribute
    /// that the server does not offer is refused locally.
    pub fn xclient(&mut self, client: &XClient) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut flow::XClient::new(client), Source::None)
    }

    /// Introduces the client again, to learn what the server offers now. The client does so by itself where TLS makes
    /// it necessary.
    ///
    /// # Errors
    /// [`Misuse`](smtp_proto::Error::Misuse) inside a mail transaction; the server's refusal, after which the
    /// connection cannot be used again, or the connection's failure.
    pub fn renew_hello(&mut self) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut Hello::new(), Source::None)
    }

    /// Sends any other command, given without its CRLF, and returns the reply whatever its code.
    ///
    /// # Errors
    /// The connection's failure, or a line that is none.
    pub fn command(&mut self, line: &str) -> Result<Reply, Error> {
        self.exchange(Command::Custom(line), Expect::Anything)
    }

    fn exchange(&mut self, command: Command<'_>, expect: Expect) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut Exchange::new(command, expect), Source::None)
    }
}
