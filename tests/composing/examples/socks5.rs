//! A message through a SOCKS5 proxy, with `tokio-socks` and `smtp-tokio`.
//!
//! Whatever connects the stream, [`Client::new`] takes it from there: STARTTLS, the certificate and the credentials are
//! the server's affair, and the proxy sees TLS records. [`Remote`] says that the server is somewhere else, even where the
//! proxy is on this machine: no password leaves in clear because of a loopback address.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use smtp_composing::proxy::{Proxy, Rule};
use smtp_composing::{Account, Arguments, Failure};
use smtp_tokio::smtp_proto::flow::{Delivery, Envelope};
use smtp_tokio::{Client, Config, Remote};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

/// Sends a message through a SOCKS5 proxy.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    arguments: Arguments,

    /// The proxy; without it, one that the example brings along
    #[arg(long, value_name = "HOST:PORT")]
    proxy: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    smtp_composing::exit(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<(), Failure> {
    let account = options.arguments.account()?;
    let proxy = match options.proxy {
        Some(proxy) => proxy,
        None => Proxy::start(Rule::Allow)?.address.to_string(),
    };
    account.show(&send(&account, Config::new(&account.host), &proxy).await?);
    Ok(())
}

pub async fn send(account: &Account, config: Config, proxy: &str) -> Result<Delivery, Failure> {
    let envelope = Envelope::from_strs(&account.from, &account.to)?;
    let message = format!(
        "From: {}\r\nTo: {}\r\nSubject: Through a proxy\r\n\r\nIt knows where this goes, and no more.\r\n",
        account.from,
        account.to.join(", "),
    );

    let stream = connect(proxy, account, config.get_timeouts().connect).await?;
    let mut client = Client::new(Remote(stream), config);
    client.set_tls_config(account.tls.clone());
    client.login(&account.credentials).await?;
    let delivery = client.send(&envelope, message.as_bytes()).await?;
    // The message is the server's now; how the session ends changes nothing.
    let _ = client.quit().await;
    Ok(delivery)
}

/// Has the proxy connect to the server, within `budget`. The proxy looks the server's name up, nobody here does.
async fn connect(
    proxy: &str,
    account: &Account,
    budget: Duration,
) -> Result<Socks5Stream<TcpStream>, String> {
    let (host, port) = (account.host.as_str(), account.port);
    let unreachable =
        |error| format!("cannot reach the proxy {proxy}: {error}; --proxy takes HOST:PORT of a SOCKS5 proxy");
    let connecting = async {
        let socket = TcpStream::connect(proxy).await.map_err(unreachable)?;
        socket.set_nodelay(true).map_err(unreachable)?;
        let connected = Socks5Stream::connect_with_socket(socket, (host, port)).await;
        connected.map_err(|error| format!("the proxy {proxy} does not connect to {host}:{port}: {error}"))
    };
    let silent = |_| format!("the proxy {proxy} gave no connection to {host}:{port} within {budget:?}");
    tokio::time::timeout(budget, connecting).await.map_err(silent)?
}
