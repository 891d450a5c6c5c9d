//! Which server, and how to log in there: every way to say so becomes one URL, which `ServerUrl` reads.

use std::path::PathBuf;

use smtp_blocking::ClientBuilder;
use smtp_proto::connection::Config;
use smtp_proto::sasl::{Credentials, Secret};
use smtp_proto::url::{ServerUrl, UrlErrorKind};

use crate::arguments::{Arguments, Tls};
use crate::status::Failure;
use crate::trust;

/// A server, and what there is to log in with.
pub struct Server {
    pub config: Config,
    pub port: u16,
    /// In place of host and port.
    pub socket: Option<PathBuf>,
    /// It does not log in by itself.
    pub builder: ClientBuilder,
    pub tls: Option<trust::Settings>,
    pub credentials: Option<Credentials>,
}

impl Server {
    /// What the arguments name.
    pub fn of(arguments: &Arguments) -> Result<Self, Failure> {
        if arguments.unix.is_some() && cfg!(not(unix)) {
            return Err(Failure::usage("--unix: this system has no Unix sockets", "--server HOST"));
        }
        let written = arguments.server.as_deref().unwrap_or("localhost");
        let url = url(written, arguments)?;
        let mut no_password = None;
        let ask = |user: &str| password(user).map_err(|failure| no_password = Some(failure)).ok();
        let url = ServerUrl::parse_with(&url, ask).map_err(|error| {
            no_password.take().unwrap_or_else(|| {
                // The place is told where the text is the user's own.
                let what = match url == written {
                    true => format!("--server: {error}"),
                    false => format!("{}: {}", option_of(error.kind()), error.kind()),
                };
                Failure::usage(what, advice(error.kind()))
            })
        })?;
        let (mut config, port, credentials) = url.into_parts();
        config = config.timeouts(arguments.timeouts());
        if let Some(name) = &arguments.name {
            config = config.client_name(name.clone());
        }
        let tls = trust::settings(arguments)?;
        let mut server = Self::new(config, port, tls, credentials);
        server.socket = arguments.unix.clone();
        if let Some(address) = arguments.local_address {
            server.builder = server.builder.local_address(address);
        }
        Ok(server)
    }

    /// A server at this port, or at the one where such servers are to be expected.
    pub fn new(
        config: Config,
        port: Option<u16>,
        tls: Option<trust::Settings>,
        credentials: Option<Credentials>,
    ) -> Self {
        let mut builder = ClientBuilder::from(config.clone());
        if let Some(port) = port {
            builder = builder.port(port);
        }
        if let Some(tls) = &tls {
            builder = builder.tls_config(tls.clone());
        }
        Self { port: port.unwrap_or(config.default_port()), config, socket: None, builder, tls, credentials }
    }

    /// Where it is, for a message.
    pub fn place(&self) -> String {
        match &self.socket {
            Some(path) => path.display().to_string(),
            None if self.config.host().contains(':') => format!("[{}]:{}", self.config.host(), self.port),
            None => format!("{}:{}", self.config.host(), self.port),
        }
    }
}

/// The server as a URL, with what the other options say put in.
fn url(written: &str, arguments: &Arguments) -> Result<String, Failure> {
    let tls = match (arguments.tls, &arguments.unix) {
        (None, Some(_)) => Some(Tls::None),
        (tls, _) => tls,
    };
    let (mut url, given) = match (written.contains("://"), tls == Some(Tls::Implicit), arguments.lmtp) {
        (true, ..) => (written.to_owned(), true),
        (false, true, true) => {
            return Err(Failure::usage(
                "--lmtp and --tls implicit: no LMTP server speaks TLS from the first octet",
                "--tls required, which is STARTTLS",
            ));
        }
        (false, true, false) => (format!("smtps://{written}"), false),
        (false, false, true) => (format!("lmtp://{written}"), false),
        (false, false, false) => (format!("smtp://{written}"), false),
    };
    let scheme = url.split("://").next().unwrap_or_default().to_ascii_lowercase();
    if given && arguments.lmtp && scheme != "lmtp" {
        return Err(Failure::usage(
            "--lmtp, and a URL that is for SMTP",
            "lmtp://HOST as the URL, without --lmtp",
        ));
    }
    if given && tls == Some(Tls::Implicit) && scheme != "smtps" {
        return Err(Failure::usage(
            "--tls implicit, and a URL that is not for TLS from the first octet",
            "smtps://HOST as the URL, without --tls",
        ));
    }
    if let Some(user) = &arguments.user {
        if url.contains('@') {
            return Err(Failure::usage("--user, and a URL with a user in it", "one of the two"));
        }
        let user: String = user.bytes().map(encoded).collect();
        url = url.replacen("://", &format!("://{user}@"), 1);
    }
    let options = [("tls", tls.and_then(Tls::in_url)), ("auth", arguments.auth.as_deref())];
    for (name, value) in options {
        if let Some(value) = value {
            let mark = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{mark}{name}={value}");
        }
    }
    Ok(url)
}

/// An octet as a URL has it.
fn encoded(octet: u8) -> String {
    match octet.is_ascii_alphanumeric() {
        true => char::from(octet).to_string(),
        false => format!("%{octet:02X}"),
    }
}

/// The option at fault, where the URL was put together from several.
fn option_of(kind: &UrlErrorKind) -> &'static str {
    match kind {
        UrlErrorKind::EmptyUser | UrlErrorKind::UserNotUtf8 => "--user",
        UrlErrorKind::UnknownMechanism | UrlErrorKind::MechanismNotBuilt(_) | UrlErrorKind::MissingUser => {
            "--auth"
        }
        UrlErrorKind::TlsContradiction | UrlErrorKind::RepeatedOption("tls") => "--tls, or the URL",
        _ => "--server",
    }
}

/// What to try; the error itself has said what would be accepted.
fn advice(kind: &UrlErrorKind) -> &'static str {
    match kind {
        UrlErrorKind::PortOfImplicitTls => "smtps://HOST, or --tls implicit",
        UrlErrorKind::MissingUser => "--user NAME, or a URL with `user@` before the host",
        UrlErrorKind::UnknownMechanism | UrlErrorKind::MechanismNotBuilt(_) => {
            "--check, which tells what the server offers and what of it can be used"
        }
        UrlErrorKind::RepeatedOption(_) | UrlErrorKind::TlsContradiction => {
            "either the URL's or that of the command line"
        }
        UrlErrorKind::Unencoded | UrlErrorKind::PercentEncoding => {
            "--user NAME with the password in SMTP_PASSWORD; neither is encoded there"
        }
        _ => {
            "--server mail.example.org, mail.example.org:2525, [2001:db8::25] or smtps://alice@mail.example.org"
        }
    }
}

/// The password, from where others do not see it.
fn password(user: &str) -> Result<Secret, Failure> {
    let password = match std::env::var("SMTP_PASSWORD") {
        Ok(password) => Ok(password),
        Err(std::env::VarError::NotPresent) => {
            rpassword::prompt_password(format!("Password of {}: ", user.escape_debug()))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(std::io::Error::other("SMTP_PASSWORD is not UTF-8")),
    };
    match password {
        Ok(password) if !password.is_empty() => Ok(Secret::from(password.as_str())),
        Ok(_) => {
            Err(Failure::usage("an empty password", "a password in the environment variable SMTP_PASSWORD"))
        }
        Err(error) => Err(Failure::usage(
            format!("no password could be read: {error}"),
            "put it in the environment variable SMTP_PASSWORD; there is no terminal to ask at",
        )),
    }
}
