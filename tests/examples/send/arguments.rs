//! The command line: what can be said, and the help that says so.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use smtp_proto::connection::Timeouts;
use smtp_proto::params::DateTime;
use smtp_proto::path::ClientName;

/// Sends a message and shows the session, secrets left out; or checks a server without sending any.
///
/// Without `--server` it sends one to a server of its own, over STARTTLS with AUTH, and shows what arrived; `--check`
/// alone checks that server.
#[derive(Parser)]
#[command(name = "send", after_help = AFTER_HELP, max_term_width = 110)]
#[command(group(ArgGroup::new("target").args(["server", "unix"])))]
#[allow(clippy::struct_excessive_bools)] // each is an option of its own
pub struct Arguments {
    /// The message, header and all; `-` for standard input, which is sent as it comes
    #[arg(value_name = "FILE", requires = "target")]
    pub message: Option<PathBuf>,

    // ---- the server ----
    /// The server by the name in its certificate, or as a URL: smtp://HOST (STARTTLS, port 587), smtps://HOST (TLS
    /// from the first octet, port 465) or lmtp://HOST (port 24), each with `user@` before HOST if there is a login;
    /// a plain HOST is short for smtp://HOST
    #[arg(long, value_name = "HOST[:PORT]|URL", help_heading = "Server")]
    pub server: Option<String>,

    /// A Unix socket, in place of a server on the network; without TLS unless --tls says otherwise
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    pub unix: Option<PathBuf>,

    /// Speak LMTP: each recipient has a verdict of its own
    #[arg(long, requires = "target", help_heading = "Server")]
    pub lmtp: bool,

    /// When to use TLS; `required` unless given
    #[arg(long, value_enum, requires = "target", help_heading = "Server")]
    pub tls: Option<Tls>,

    /// Trust the certificate authorities in this PEM file, and not those of the platform
    #[arg(long, value_name = "FILE", requires = "target", help_heading = "Server")]
    pub ca: Option<PathBuf>,

    /// Show the server the certificate in this PEM file, whose key is in it, too
    #[arg(long, value_name = "FILE", requires = "target", help_heading = "Server")]
    pub client_cert: Option<PathBuf>,

    /// Log in as this user. The password is that of the environment's SMTP_PASSWORD, or asked for; in the URL
    /// (user:password@) others on this machine can see it
    #[arg(long, value_name = "NAME", requires = "target", help_heading = "Server")]
    pub user: Option<String>,

    /// Log in with this mechanism and no other; with XOAUTH2 and OAUTHBEARER the password is the token
    #[arg(long, value_name = "MECHANISM", requires = "target", help_heading = "Server")]
    pub auth: Option<String>,

    /// Introduce this machine so in EHLO; an address literal such as [192.0.2.1], or a domain
    #[arg(long, value_name = "NAME", requires = "target", help_heading = "Server")]
    pub name: Option<ClientName>,

    /// Connect from this address of this machine
    #[arg(long, value_name = "IP", requires = "server", help_heading = "Server")]
    pub local_address: Option<IpAddr>,

    /// How long the server may take for a step, but for the last
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, help_heading = "Server")]
    pub timeout: Duration,

    /// How long it may take for the reply to the end of a message. To give up early is to risk that the message is
    /// delivered, and once more when it is sent again
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds, help_heading = "Server")]
    pub final_timeout: Duration,

    // ---- the envelope ----
    /// The reverse-path, where failures are reported to; empty for none
    #[arg(long, value_name = "ADDRESS", requires = "target", help_heading = "Envelope")]
    pub from: Option<String>,

    /// A recipient; may be repeated
    #[arg(long, value_name = "ADDRESS", requires = "target", help_heading = "Envelope")]
    pub to: Vec<String>,

    /// More recipients, one a line
    #[arg(long, value_name = "FILE", requires = "target", help_heading = "Envelope")]
    pub to_file: Option<PathBuf>,

    /// Send to every recipient or, if one is refused, to none
    #[arg(long, requires = "target", help_heading = "Envelope")]
    pub all_or_nothing: bool,

    /// When the sender wants a delivery status notification (DSN): `never`, or some of the others, as in
    /// `failure,delay`
    #[arg(long, value_enum, value_delimiter = ',', requires = "target", help_heading = "Envelope")]
    pub notify: Vec<Notify>,

    /// How much of the message a failure report is to return (DSN)
    #[arg(long, value_enum, requires = "target", help_heading = "Envelope")]
    pub ret: Option<Ret>,

    /// An id that notifications are to repeat (DSN)
    #[arg(long, value_name = "ID", requires = "target", help_heading = "Envelope")]
    pub envid: Option<String>,

    /// The priority, -9 to 9, the highest first (MT-PRIORITY)
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        requires = "target",
        help_heading = "Envelope"
    )]
    pub priority: Option<i8>,

    /// The message is to travel under verified TLS only, all the way (REQUIRETLS)
    #[arg(long, requires = "target", help_heading = "Envelope")]
    pub require_tls: bool,

    /// Deliver within so many seconds, or return the message (DELIVERBY); with `:notify` behind it, as in
    /// `3600:notify`, tell the sender and go on trying
    #[arg(long, value_name = "SECONDS[:notify]", value_parser = deliver_by, requires = "target", help_heading = "Envelope")]
    pub deliver_by: Option<smtp_proto::params::DeliverBy>,

    /// Hold the message for so many seconds (FUTURERELEASE)
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "target",
        conflicts_with = "hold_until",
        help_heading = "Envelope"
    )]
    pub hold_for: Option<u32>,

    /// Hold the message until then, as in 2026-08-03T12:00:00Z (FUTURERELEASE)
    #[arg(long, value_name = "MOMENT", requires = "target", help_heading = "Envelope")]
    pub hold_until: Option<DateTime>,

    // ---- the message ----
    /// How the message goes: behind DATA, in chunks (BDAT), or whichever saves time
    #[arg(long, value_enum, default_value = "auto", requires = "target", help_heading = "Message")]
    pub transfer: Transfer,

    /// What becomes of a line end that is not CRLF: it is made one, or the message is refused, for it may be signed
    #[arg(long, value_enum, default_value = "normalize", requires = "target", help_heading = "Message")]
    pub line_endings: LineEndings,

    /// Send each file in this directory, in the order of their names, over one connection; files are left as they are
    #[arg(
        long,
        value_name = "DIR",
        requires = "target",
        conflicts_with = "message",
        help_heading = "Message"
    )]
    pub batch: Option<PathBuf>,

    // ---- what is shown ----
    /// Send nothing: tell what the server offers before and after TLS, its certificate, which mechanism a login would
    /// use and why no other, how a message would go, and how long each step took. With a user, log in
    #[arg(long, conflicts_with = "batch", help_heading = "Output")]
    pub check: bool,

    /// Write one JSON document to standard output, in place of the session: see below
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Show neither session nor progress, only the outcome
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

const AFTER_HELP: &str = "\
Exit status:
  0  accepted for every recipient; or a check that went well
  1  the server refused the message, or every recipient
  2  an option, an address or a file cannot be used; no server was spoken to
  3  not sent: no connection, no TLS, no login, or a message that this server cannot take
  4  unknown: the whole message left, and no verdict came; it may have been delivered
  5  partly: accepted for some of the recipients, or (--batch) some of the files

JSON (--json), one object; `outcome` and what applies of the others:
  outcome       accepted, partly, rejected, not_sent, unknown, usage, or checked (--check)
  error, try    what went wrong, and what to do about it
  server        at (host and port, or socket), host, protocol (smtp, lmtp), greeting
  security      tls, local (in clear, but on this machine) or clear
  tls           version, cipher, certificates: subject, issuer, names, not_before, not_after,
                days_left
  capabilities  in_clear, under_tls: lists of lines
  login         user_given, logged_in, chosen, mechanisms (name, why), may_send_secret: whether
                the password may be revealed to the server (--check)
  plan          MAIL's parameters, chunks, transactions, round_trips (--check)
  messages      one or, with --batch, one a file: file, outcome, reply (code, enhanced, text),
                queue_id, recipients (address, state, reply), stage, cause, error, try
  steps         step, ms: what was waited for, in order
  transcript    at_ms, line: the session, secrets left out
  counters      octets, commands, replies, recipients and messages, each kind by its name
Fields may be added; those here keep their meaning. No password is in it, nor anything of an AUTH
exchange. What is wrong with the command line itself is told as text.

Try:
  send --check                                what a check looks like
  send --server mail.example.org --check
  SMTP_PASSWORD=... send --server smtps://alice@mail.example.org \\
      --from alice@example.org --to bob@example.net mail.eml";

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Tls {
    /// STARTTLS, or nothing is sent
    Required,
    /// From the first octet, as with smtps://
    Implicit,
    /// STARTTLS if the server offers it
    Opportunistic,
    /// Never
    None,
}

impl Tls {
    /// The value of a URL's option; `None` where it is the scheme that says so.
    pub fn in_url(self) -> Option<&'static str> {
        match self {
            Self::Required => Some("required"),
            Self::Opportunistic => Some("opportunistic"),
            Self::None => Some("none"),
            Self::Implicit => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Notify {
    Never,
    Success,
    Failure,
    Delay,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Ret {
    /// All of it
    Full,
    /// Its header
    Headers,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Transfer {
    Auto,
    Data,
    Chunks,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LineEndings {
    Normalize,
    Reject,
}

impl Arguments {
    /// The budget of each step. What this machine takes to supply the message is no fault of the server's.
    pub fn timeouts(&self) -> Timeouts {
        let mut timeouts = Timeouts::default();
        for budget in [
            &mut timeouts.connect,
            &mut timeouts.greeting,
            &mut timeouts.hello,
            &mut timeouts.tls,
            &mut timeouts.auth,
            &mut timeouts.mail,
            &mut timeouts.rcpt,
            &mut timeouts.data,
            &mut timeouts.data_block,
            &mut timeouts.rset,
            &mut timeouts.other,
        ] {
            *budget = self.timeout;
        }
        timeouts.quit = timeouts.quit.min(self.timeout);
        timeouts.data_termination = self.final_timeout;
        timeouts
    }

    /// Whether the session is shown as it goes.
    pub fn shows_session(&self) -> bool {
        !self.quiet && !self.json
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("it is a number of seconds, 1 to 86400".into()),
    }
}

fn deliver_by(text: &str) -> Result<smtp_proto::params::DeliverBy, String> {
    use smtp_proto::params::DeliverBy;
    let usage = "it is a number of seconds, or that and `:notify`";
    let made = match text.strip_suffix(":notify") {
        Some(seconds) => DeliverBy::or_notify(seconds.parse().map_err(|_| usage)?),
        None => DeliverBy::or_return(text.parse().map_err(|_| usage)?),
    };
    made.map_err(|error| error.to_string())
}
