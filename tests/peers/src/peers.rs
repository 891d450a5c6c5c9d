//! The peers: each opens one connection and sends over it the way its own documentation shows.

use std::borrow::Cow;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use io_smtp::client::{SmtpClient as _, SmtpClientStd};
use io_smtp::rfc5321::{
    SmtpDomain, SmtpEhloDomain, SmtpForwardPath, SmtpLocalPart, SmtpMailbox, SmtpReversePath,
};
use lettre::address::Envelope;
use lettre::transport::smtp::client::{AsyncSmtpConnection, SmtpConnection};
use lettre::transport::smtp::extension::ClientId;
use mail_send::{SmtpClient, SmtpClientBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use wasm_smtp::IoError;

use crate::Result;
use crate::contestant::{Session, runtime};
use crate::job::Job;

const CLIENT: &str = "client.example.org";

struct Lettre<'j> {
    connection: SmtpConnection,
    envelope: Envelope,
    message: &'j [u8],
}

pub(crate) fn lettre(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    let timeout = Some(Duration::from_secs(60));
    let connection = SmtpConnection::connect(server, timeout, &client_id(), None, None)?;
    Ok(Box::new(Lettre { connection, envelope: lettre_envelope(job)?, message: &job.message }))
}

impl Session for Lettre<'_> {
    fn send(&mut self, count: usize) -> Result {
        for _ in 0..count {
            self.connection.send(&self.envelope, self.message)?;
        }
        Ok(())
    }
}

struct LettreTokio<'j> {
    runtime: Runtime,
    connection: AsyncSmtpConnection,
    envelope: Envelope,
    message: &'j [u8],
}

pub(crate) fn lettre_tokio(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    let runtime = runtime()?;
    let timeout = Some(Duration::from_secs(60));
    let client = client_id();
    let connection = AsyncSmtpConnection::connect_tokio1(server, timeout, &client, None, None);
    let connection = runtime.block_on(connection)?;
    Ok(Box::new(LettreTokio { runtime, connection, envelope: lettre_envelope(job)?, message: &job.message }))
}

impl Session for LettreTokio<'_> {
    fn send(&mut self, count: usize) -> Result {
        let Self { runtime, connection, envelope, message } = self;
        runtime.block_on(async {
            for _ in 0..count {
                connection.send(envelope, message).await?;
            }
            Ok(())
        })
    }
}

fn client_id() -> ClientId {
    ClientId::Domain(CLIENT.to_owned())
}

fn lettre_envelope(job: &Job) -> Result<Envelope> {
    let recipients = job.recipients.iter().map(|to| to.parse()).collect::<std::result::Result<_, _>>()?;
    Ok(Envelope::new(Some(job.sender.parse()?), recipients)?)
}

struct MailSend<'j> {
    runtime: Runtime,
    client: SmtpClient<tokio::net::TcpStream>,
    job: &'j Job,
}

pub(crate) fn mail_send(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    let runtime = runtime()?;
    let builder = SmtpClientBuilder::new("127.0.0.1", server.port())?.implicit_tls(false).helo_host(CLIENT);
    let client = runtime.block_on(builder.connect_plain())?;
    Ok(Box::new(MailSend { runtime, client, job }))
}

impl Session for MailSend<'_> {
    fn send(&mut self, count: usize) -> Result {
        let Self { runtime, client, job } = self;
        runtime.block_on(async {
            for _ in 0..count {
                let recipients = job.recipients.iter().map(String::as_str);
                let message =
                    mail_send::smtp::message::Message::new(&*job.sender, recipients, &job.message[..]);
                client.send(message).await?;
            }
            Ok(())
        })
    }
}

struct WasmSmtp<'j> {
    runtime: Runtime,
    client: wasm_smtp::SmtpClient<Transport>,
    sender: &'j str,
    recipients: Vec<&'j str>,
    message: &'j [u8],
}

pub(crate) fn wasm_smtp(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    let runtime = runtime()?;
    let client = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok::<_, Box<dyn std::error::Error>>(wasm_smtp::SmtpClient::connect(Transport(stream), CLIENT).await?)
    })?;
    let recipients = job.recipients.iter().map(String::as_str).collect();
    Ok(Box::new(WasmSmtp { runtime, client, sender: &job.sender, recipients, message: &job.message }))
}

impl Session for WasmSmtp<'_> {
    fn send(&mut self, count: usize) -> Result {
        let Self { runtime, client, sender, recipients, message } = self;
        runtime.block_on(async {
            for _ in 0..count {
                client.send_mail_bytes(sender, recipients, message).await?;
            }
            Ok(())
        })
    }
}

/// It has no transport of its own for tokio in the clear.
struct Transport(tokio::net::TcpStream);

impl wasm_smtp::Transport for Transport {
    async fn read(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, IoError> {
        self.0.read(buffer).await.map_err(transport_failed)
    }

    async fn write_all(&mut self, octets: &[u8]) -> std::result::Result<(), IoError> {
        self.0.write_all(octets).await.map_err(transport_failed)
    }

    async fn close(&mut self) -> std::result::Result<(), IoError> {
        self.0.shutdown().await.map_err(transport_failed)
    }
}

fn transport_failed(error: std::io::Error) -> IoError {
    IoError::new(error.to_string())
}

struct IoSmtp<'j> {
    client: SmtpClientStd,
    sender: SmtpReversePath<'static>,
    recipients: Vec<SmtpForwardPath<'static>>,
    message: &'j [u8],
}

pub(crate) fn io_smtp(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    let mut client = SmtpClientStd::new(stream);
    client.greeting()?;
    client.ehlo(io_smtp_domain(CLIENT))?;
    let sender = SmtpReversePath::SmtpMailbox(mailbox(&job.sender)?);
    let recipients =
        job.recipients.iter().map(|to| Ok(SmtpForwardPath(mailbox(to)?))).collect::<Result<_>>()?;
    Ok(Box::new(IoSmtp { client, sender, recipients, message: &job.message }))
}

impl Session for IoSmtp<'_> {
    fn send(&mut self, count: usize) -> Result {
        for _ in 0..count {
            let (sender, recipients) = (self.sender.clone(), self.recipients.clone());
            self.client.send(sender, recipients, self.message.to_vec(), Default::default())?;
        }
        Ok(())
    }
}

fn io_smtp_domain(domain: &str) -> SmtpEhloDomain<'static> {
    SmtpEhloDomain::SmtpDomain(SmtpDomain(Cow::Owned(domain.to_owned())))
}

fn mailbox(address: &str) -> Result<SmtpMailbox<'static>> {
    let (local_part, domain) = address.split_once('@').ok_or("no address")?;
    let local_part = SmtpLocalPart(Cow::Owned(local_part.to_owned()));
    Ok(SmtpMailbox { local_part, domain: io_smtp_domain(domain) })
}
