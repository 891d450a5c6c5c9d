//! Through a proxy: what it learns, how it fails, and that nobody takes the server behind it for a local one.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use smtp_composing::Account;
use smtp_composing::proxy::{Proxy, Rule};
use smtp_tests::sink::Sink;
use smtp_tokio::smtp_proto::connection::Timeouts;
use smtp_tokio::smtp_proto::sasl::{MechanismError, Plain};
use smtp_tokio::smtp_proto::security::Security;
use smtp_tokio::smtp_proto::{Error, SendError as Outcome};
use smtp_tokio::{Client, Config, Remote, SendError, TlsPolicy};
use tokio_socks::tcp::Socks5Stream;

use super::{block_on, nothing_arrived, only_message};

#[allow(dead_code)]
#[path = "../../examples/socks5.rs"]
mod example;

fn config() -> Config {
    Config::new("localhost")
}

/// What sending through this proxy ends with, which is a failure.
fn failure(account: &Account, config: Config, proxy: &str) -> smtp_composing::Failure {
    let failure = block_on(example::send(account, config, proxy)).unwrap_err();
    nothing_arrived(account.sink.as_ref().unwrap());
    failure
}

#[test]
fn the_proxy_is_asked_for_the_server_by_name_and_the_message_arrives_over_tls() {
    let account = Account::of_a_sink().unwrap();
    let proxy = Proxy::start(Rule::Allow).unwrap();
    block_on(example::send(&account, config(), &proxy.address.to_string())).unwrap();
    let message = only_message(&account);
    assert_eq!(proxy.asked.recv().unwrap(), format!("localhost:{}", account.port));
    // Nor does the server learn an address of ours.
    assert_eq!(message.client_name, "[127.0.0.1]");
}

#[test]
fn a_proxy_that_is_not_there_refuses_or_is_silent_is_named() {
    let account = Account::of_a_sink().unwrap();
    let port = account.port;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let told = failure(&account, config(), &nobody).to_string();
    assert!(told.starts_with(&format!("cannot reach the proxy {nobody}: ")), "{told}");
    assert!(told.ends_with("; --proxy takes HOST:PORT of a SOCKS5 proxy"), "{told}");
    let told = failure(&account, config(), "nonsense").to_string();
    assert!(told.starts_with("cannot reach the proxy nonsense: "), "{told}");

    let refusing = Proxy::start(Rule::Refuse).unwrap().address.to_string();
    let told = failure(&account, config(), &refusing).to_string();
    let expected = format!(
        "the proxy {refusing} does not connect to localhost:{port}: Connection not allowed by ruleset"
    );
    assert_eq!(told, expected);

    // Who is no SOCKS5 proxy says so, too: the sink, for one.
    let other = Sink::builder().start().unwrap();
    let told = failure(&account, config(), &other.address().to_string()).to_string();
    assert!(told.contains("does not connect to localhost"), "{told}");

    let silent = Proxy::start(Rule::Silence).unwrap().address.to_string();
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::from_millis(100);
    let since = Instant::now();
    let told = failure(&account, config().timeouts(timeouts), &silent).to_string();
    assert_eq!(told, format!("the proxy {silent} gave no connection to localhost:{port} within 100ms"));
    assert!(since.elapsed() < Duration::from_secs(10));
}

/// TLS that is required and not to be had ends the session, through a proxy as anywhere.
#[test]
fn nothing_is_sent_in_clear_that_was_to_be_encrypted() {
    let sink = Sink::builder().without_extension("STARTTLS").user("alice", "wonderland").auth_without_tls();
    let mut account = Account::of_a_sink().unwrap();
    let sink = sink.start().unwrap();
    account.port = sink.address().port();
    account.sink = Some(sink);
    let proxy = Proxy::start(Rule::Allow).unwrap().address.to_string();
    let error = failure(&account, config(), &proxy).downcast::<smtp_tokio::Error>().unwrap();
    assert_eq!(error.into_kind(), Error::TlsRequired);

    // A certificate that nobody here vouches for.
    let mut account = Account::of_a_sink().unwrap();
    account.tls = Account::of_a_sink().unwrap().tls;
    let error = failure(&account, config(), &proxy).downcast::<smtp_tokio::Error>().unwrap();
    assert_eq!(error.into_kind(), Error::TlsFailed);
}

/// Proxy and server are on this machine, and so is the other end of the socket: what is behind a proxy is remote.
#[test]
fn no_password_leaves_in_clear_because_the_proxy_is_local() {
    let sink = Sink::builder().user("alice", "wonderland").auth_without_tls().start().unwrap();
    let proxy = Proxy::start(Rule::Allow).unwrap();
    block_on(async {
        let stream = Socks5Stream::connect(proxy.address, sink.address()).await.unwrap();
        let mut client = Client::new(Remote(stream), config().tls(TlsPolicy::None));
        let mut password = Plain::new("", "alice", "wonderland", "localhost");
        let error = client.auth(&mut password).await.unwrap_err();
        assert_eq!(error.into_kind(), Error::Mechanism(MechanismError::NotEncrypted));
        assert_eq!(client.security(), &Security::Plaintext);
        client.quit().await.unwrap();
    });
    nothing_arrived(&sink);
}

/// The proxy goes away in the middle: the message is not sent, and known not to be.
#[test]
fn a_connection_lost_at_the_proxy_is_judged_like_any_other() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut client, _) = listener.accept().unwrap();
        client.read_exact(&mut [0; 3]).unwrap();
        client.write_all(&[5, 0]).unwrap();
        client.read_exact(&mut [0; 10]).unwrap();
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        client.write_all(b"220 hi\r\n").unwrap();
    });
    let error: SendError = block_on(async {
        let stream = Socks5Stream::connect(address, "192.0.2.1:25").await.unwrap();
        let mut client = Client::new(Remote(stream), config().tls(TlsPolicy::None));
        let envelope = smtp_tests::script::envelope("a@example.org", &["b@example.org"]);
        client.send(&envelope, b"x\r\n").await.unwrap_err()
    });
    assert!(matches!(error.kind(), Outcome::NotSent { cause: Error::Disconnected { .. }, .. }), "{error:?}");
    assert!(error.is_safe_to_retry());
}
