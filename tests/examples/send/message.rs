//! What is sent, and to whom: envelope, options, and the octets.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use smtp_proto::body::{BodyKind, LineEndings};
use smtp_proto::error::Error;
use smtp_proto::flow::{Body, Envelope, SendOptions, Transfer};
use smtp_proto::params::{Hold, MailParameters, Notify, NotifyOn, ParameterError, RcptParameters, Ret};

use crate::arguments::{self, Arguments};
use crate::status::Failure;

/// Where the octets of a message are.
pub enum Source {
    Whole(Vec<u8>),
    /// They are sent as they come, and never collected.
    StandardInput,
}

impl Source {
    /// Reads the file, unless it is standard input.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            if io::stdin().is_terminal() {
                eprintln!("(the message is read from this terminal; Ctrl-D on a line of its own ends it)");
            }
            return Ok(Self::StandardInput);
        }
        std::fs::read(path).map(Self::Whole).map_err(|error| {
            let what = format!("the message cannot be read from {}: {error}", path.display());
            Failure::usage(what, "a file that holds the message, header and all, or - for standard input")
        })
    }

    /// What is known of the message beforehand. Of one that has not been seen: that it may be any text.
    pub fn body(&self) -> Body<'_> {
        match self {
            Self::Whole(message) => Body::Whole(message),
            Self::StandardInput => Body::Stream { kind: BodyKind::EightBitMime, size: None },
        }
    }
}

/// The envelope that the arguments describe.
pub fn envelope(arguments: &Arguments) -> Result<Envelope, Failure> {
    let Some(from) = &arguments.from else {
        return Err(Failure::usage("no sender", "--from ADDRESS, or --from '' for the null reverse-path"));
    };
    let to = recipients(arguments)?;
    if to.is_empty() {
        return Err(Failure::usage("no recipient", "--to ADDRESS, as often as needed, or --to-file FILE"));
    }
    addressed(arguments, from, &to)
}

/// The same, with an example of whatever address is not there: for a message that is not sent.
pub fn example_envelope(arguments: &Arguments) -> Result<Envelope, Failure> {
    let mut to = recipients(arguments)?;
    if to.is_empty() {
        to.push("recipient@example.net".into());
    }
    addressed(arguments, arguments.from.as_deref().unwrap_or("sender@example.org"), &to)
}

fn recipients(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let mut to = arguments.to.clone();
    if let Some(path) = &arguments.to_file {
        to.extend(listed(path)?);
    }
    Ok(to)
}

fn addressed(arguments: &Arguments, from: &str, to: &[String]) -> Result<Envelope, Failure> {
    let mut envelope = Envelope::from_strs(from, to).map_err(|error| {
        let option = match error {
            Error::Address { recipient: None, .. } => "--from",
            _ => "--to",
        };
        Failure::usage(format!("{option}: {error}"), "local-part@domain, without a display name")
    })?;
    envelope.parameters = mail_parameters(arguments)?;
    let parameters = rcpt_parameters(arguments)?;
    for recipient in &mut envelope.recipients {
        recipient.parameters = parameters.clone();
    }
    Ok(envelope)
}

fn listed(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("--to-file: {} cannot be read: {error}", path.display());
        Failure::usage(what, "a file with one address a line")
    })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn mail_parameters(arguments: &Arguments) -> Result<MailParameters, Failure> {
    let mut parameters = MailParameters::new();
    if let Some(ret) = arguments.ret {
        parameters = parameters.ret(match ret {
            arguments::Ret::Full => Ret::Full,
            arguments::Ret::Headers => Ret::Headers,
        });
    }
    if let Some(id) = &arguments.envid {
        parameters =
            parameters.envid(id).map_err(|error| fault("--envid", &error, "up to 100 printable ASCII"))?;
    }
    if arguments.require_tls {
        parameters = parameters.require_tls();
    }
    if let Some(deliver_by) = arguments.deliver_by {
        parameters = parameters.deliver_by(deliver_by);
    }
    if let Some(priority) = arguments.priority {
        let made = parameters.mt_priority(priority);
        parameters = made.map_err(|error| fault("--priority", &error, "a number from -9 to 9"))?;
    }
    let hold = match (arguments.hold_for, &arguments.hold_until) {
        (Some(seconds), _) => Some(("--hold-for", Hold::For(seconds))),
        (None, Some(moment)) => Some(("--hold-until", Hold::Until(moment.clone()))),
        (None, None) => None,
    };
    if let Some((option, hold)) = hold {
        parameters =
            parameters.hold(hold).map_err(|error| fault(option, &error, "1 to 999999999 seconds"))?;
    }
    Ok(parameters)
}

fn rcpt_parameters(arguments: &Arguments) -> Result<RcptParameters, Failure> {
    let parameters = RcptParameters::new();
    let mut events: Option<NotifyOn> = None;
    for event in &arguments.notify {
        let event = match event {
            arguments::Notify::Never if arguments.notify.len() == 1 => {
                return Ok(parameters.notify(Notify::Never));
            }
            arguments::Notify::Never => {
                return Err(Failure::usage("--notify: `never` and something else", "either of the two"));
            }
            arguments::Notify::Success => NotifyOn::SUCCESS,
            arguments::Notify::Failure => NotifyOn::FAILURE,
            arguments::Notify::Delay => NotifyOn::DELAY,
        };
        events = Some(events.map_or(event, |events| events | event));
    }
    Ok(match events {
        Some(events) => parameters.notify(events),
        None => parameters,
    })
}

fn fault(option: &str, error: &ParameterError, advice: &'static str) -> Failure {
    Failure::usage(format!("{option}: {error}"), advice)
}

/// How it is to be sent.
pub fn options(arguments: &Arguments) -> SendOptions {
    let options = match arguments.all_or_nothing {
        true => SendOptions::all_or_nothing(),
        false => SendOptions::default(),
    };
    options
        .transfer(match arguments.transfer {
            arguments::Transfer::Auto => Transfer::Automatic,
            arguments::Transfer::Data => Transfer::Data,
            arguments::Transfer::Chunks => Transfer::Chunks,
        })
        .line_endings(match arguments.line_endings {
            arguments::LineEndings::Normalize => LineEndings::Normalize,
            arguments::LineEndings::Reject => LineEndings::Reject,
        })
}

/// The files of a directory in the order of their names, but for hidden ones; what is no file is left out.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failure =
        |what: String| Failure::usage(format!("--batch: {what}"), "a directory of messages, one a file");
    let unreadable = |error: io::Error| failure(format!("{} cannot be read: {error}", directory.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(failure(format!("there is no file in {}", directory.display()))),
        false => Ok(files),
    }
}
