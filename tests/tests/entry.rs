//! The way in: a session from a builder or a URL, in both adapters, and what is told when there is none.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_os = "linux")]
#[path = "common/black_hole.rs"]
mod black_hole;

use std::future::Future;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use black_hole::black_hole;
use smtp_proto::connection::{Config, Protocol, Quirks, Timeouts, TlsPolicy, Window};
use smtp_proto::error::{AuthenticationFailure, Error};
use smtp_proto::flow::{Delivery, Envelope};
use smtp_proto::reply::ReplyLimits;
use smtp_proto::sasl::{Credentials, MechanismError};
use smtp_tests::script::envelope;
use smtp_tests::sink::{Sink, TlsMode};

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nhi\r\n";

fn to_bob() -> Envelope {
    envelope("alice@example.org", &["bob@example.net"])
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What became of a try, in either adapter.
#[derive(Debug)]
struct Failed {
    kind: Error,
    shown: String,
    earlier: Vec<SocketAddr>,
}

macro_rules! failed {
    ($error:expr) => {{
        let error = $error;
        let earlier = error.earlier().iter().map(|attempt| attempt.address).collect();
        Failed { shown: error.to_string(), earlier, kind: error.into_kind() }
    }};
}

type Trust = Arc<rustls::ClientConfig>;

/// One message through the server of the URL: blocking, then with tokio.
fn send_by_url(url: &str, trust: Option<Trust>) -> [Result<Delivery, Failed>; 2] {
    let builder = smtp_blocking::ClientBuilder::from_url(url).unwrap();
    let builder = trust.iter().fold(builder, |builder, trust| builder.tls_config(trust.clone()));
    let blocking = match builder.connect() {
        Ok(mut client) => {
            let delivery = client.send(&to_bob(), MESSAGE).unwrap();
            client.quit().unwrap();
            Ok(delivery)
        }
        Err(error) => Err(failed!(error)),
    };
    let builder = smtp_tokio::ClientBuilder::from_url(url).unwrap();
    let builder = trust.iter().fold(builder, |builder, trust| builder.tls_config(trust.clone()));
    let tokio = run(async {
        match builder.connect().await {
            Ok(mut client) => {
                let delivery = client.send(&to_bob(), MESSAGE).await.unwrap();
                client.quit().await.unwrap();
                Ok(delivery)
            }
            Err(error) => Err(failed!(error)),
        }
    });
    [blocking, tokio]
}

fn trust(sink: &Sink) -> Option<Trust> {
    Some(sink.certificate_authority().client_config().unwrap())
}

/// Both messages have come, over TLS or not, from this user.
#[track_caller]
fn assert_received(sink: &Sink, tls: bool, user: Option<&str>) {
    let messages = sink.messages();
    assert_eq!(messages.len(), 2);
    for message in messages {
        assert_eq!((message.tls, message.authenticated_as.as_deref()), (tls, user));
        assert_eq!(message.data, MESSAGE);
    }
    assert_eq!(sink.client_errors(), []);
}

#[test]
fn a_url_leads_through_starttls_and_auth() {
    let sink = Sink::builder().user("alice", "p@ss word").require_tls().require_auth().start().unwrap();
    let port = sink.address().port();
    // The name has two addresses, or one: the sink is at 127.0.0.1 alone.
    let url = format!("smtp://alice:p%40ss%20word@localhost:{port}");
    assert!(send_by_url(&url, trust(&sink)).iter().all(Result::is_ok));
    assert_received(&sink, true, Some("alice"));
}

#[test]
fn a_url_leads_through_implicit_tls() {
    let sink = Sink::builder().tls(TlsMode::Implicit).token("alice", "ya29").require_auth().start().unwrap();
    let url = format!("smtps://alice:ya29@{}?auth=XOAUTH2", sink.address());
    assert!(send_by_url(&url, trust(&sink)).iter().all(Result::is_ok));
    assert_received(&sink, true, Some("alice"));
}

#[test]
fn a_url_leads_to_lmtp() {
    let sink = Sink::builder().lmtp().start().unwrap();
    let url = format!("lmtp://{}?tls=none", sink.address());
    for delivery in send_by_url(&url, None) {
        assert!(delivery.unwrap().recipients[0].is_accepted());
    }
    assert_received(&sink, false, None);
}

/// A transcript that is set beforehand has the greeting, each address's; and the offers on both sides of STARTTLS.
#[test]
fn a_prepared_client_has_a_transcript_from_the_greeting_on() {
    let sink = Sink::builder().user("alice", "secret").start().unwrap();
    let url = format!("smtp://localhost:{}", sink.address().port());
    for is_tokio in [false, true] {
        let (tell, seen) = channel();
        let hook = || {
            let tell = tell.clone();
            move |entry: smtp_proto::connection::TranscriptEntry<'_>| {
                let offers_auth = entry.capabilities().map(|offered| offered.get("AUTH").is_some());
                tell.send((entry.to_string(), offers_auth)).unwrap();
            }
        };
        let trust = trust(&sink).unwrap();
        match is_tokio {
            false => {
                let builder = smtp_blocking::ClientBuilder::from_url(&url).unwrap().tls_config(trust);
                drop(builder.connect_prepared(|client| client.set_transcript(hook())).unwrap());
            }
            true => {
                let builder = smtp_tokio::ClientBuilder::from_url(&url).unwrap().tls_config(trust);
                drop(run(builder.connect_prepared(|client| client.set_transcript(hook()))).unwrap());
            }
        }
        let seen: Vec<_> = seen.try_iter().collect();
        assert_eq!(seen[0].0, "S: 220 localhost ESMTP sink");
        let offers: Vec<_> = seen.iter().filter_map(|(_, offers_auth)| *offers_auth).collect();
        assert_eq!(offers, [false, true]);
    }
}

/// A15: nor does the builder try another mechanism, or the password again.
#[test]
fn a15_a_wrong_password_is_refused_and_nothing_else_is_tried() {
    for n in 0..2 {
        let (address, heard) = speak(&["220 hi", "250-hi\r\n250 AUTH PLAIN LOGIN", "535 no", "235 ok"]);
        let error = fail_in(n, &format!("smtp://alice:wrong-one@{address}?tls=none"));
        let Error::AuthenticationFailed(failed) = &error.kind else { panic!("{error:?}") };
        assert_eq!(failed.reason, AuthenticationFailure::Credentials);
        assert!(!format!("{error:?}").contains("wrong-one"));
        let said = ["EHLO [127.0.0.1]", "AUTH PLAIN AGFsaWNlAHdyb25nLW9uZQ=="];
        assert_eq!(heard.iter().collect::<Vec<_>>(), said);
    }
}

#[test]
fn a_mechanism_that_is_not_offered_is_not_replaced() {
    let sink = Sink::builder().user("alice", "right").mechanisms(&["PLAIN", "LOGIN"]).start().unwrap();
    let url = format!("smtp://alice:right@{}?auth=CRAM-MD5", sink.address());
    for error in send_by_url(&url, trust(&sink)).map(Result::unwrap_err) {
        assert_eq!(error.kind, Error::NoMechanism);
    }
}

/// T09: neither the password nor anything else leaves where TLS is required and not to be had.
#[test]
fn t09_a_url_that_requires_tls_gets_nothing_without() {
    for n in 0..2 {
        let (address, heard) = speak(&["220 hi", "250-hi\r\n250 AUTH PLAIN", "235 ok"]);
        let error = fail_in(n, &format!("smtp://alice:secret@{address}"));
        assert_eq!(error.kind, Error::TlsRequired);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["EHLO [127.0.0.1]"]);
    }
}

/// A01: a URL does not change that a password is for a local or a protected connection.
#[test]
fn a01_a_url_without_tls_is_no_leave_to_log_in_in_clear() {
    let config = "smtp://alice:secret@mail.example?tls=none&auth=PLAIN";
    for is_tokio in [false, true] {
        let (address, heard) = speak(&["220 hi", "250-hi\r\n250 AUTH PLAIN", "235 ok"]);
        let stream = std::net::TcpStream::connect(address).unwrap();
        let kind = if is_tokio {
            let builder = smtp_tokio::ClientBuilder::from_url(config).unwrap();
            run(async {
                stream.set_nonblocking(true).unwrap();
                let stream = Distant(tokio::net::TcpStream::from_std(stream).unwrap());
                builder.connect_over(stream).await.err().unwrap().into_kind()
            })
        } else {
            let builder = smtp_blocking::ClientBuilder::from_url(config).unwrap();
            builder.connect_over(Distant(stream)).err().unwrap().into_kind()
        };
        assert_eq!(kind, Error::Mechanism(MechanismError::NotEncrypted));
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["EHLO [127.0.0.1]"]);
    }
}

/// A stream that does not know where its peer is.
struct Distant<S>(S);

impl std::io::Read for Distant<std::net::TcpStream> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Distant<std::net::TcpStream> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl smtp_blocking::Stream for Distant<std::net::TcpStream> {}

mod distant {
    use super::Distant;
    use std::io::Result;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::net::TcpStream;

    impl AsyncRead for Distant<TcpStream> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Distant<TcpStream> {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, octets)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    impl smtp_tokio::Stream for Distant<TcpStream> {}
}

/// How one of the two adapters fails.
fn fail_in(n: usize, url: &str) -> Failed {
    match n {
        0 => failed!(smtp_blocking::ClientBuilder::from_url(url).unwrap().connect().err().unwrap()),
        _ => {
            let builder = smtp_tokio::ClientBuilder::from_url(url).unwrap();
            run(async { failed!(builder.connect().await.err().unwrap()) })
        }
    }
}

/// A server for one connection, that says its lines, one for each line it hears after the greeting; and what it hears.
fn speak(lines: &'static [&'static str]) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut input = BufReader::new(stream.try_clone().unwrap()).lines();
        for line in lines {
            (&stream).write_all(format!("{line}\r\n").as_bytes()).unwrap();
            match input.next() {
                Some(Ok(line)) => tell.send(line).unwrap(),
                _ => return,
            }
        }
    });
    (address, heard)
}

fn refused() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn clear() -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None)
}

fn connect(is_tokio: bool, addresses: &[SocketAddr], config: Config) -> Failed {
    match is_tokio {
        true => run(async { failed!(smtp_tokio::Client::connect(addresses, config).await.err().unwrap()) }),
        false => failed!(smtp_blocking::Client::connect(addresses, config).err().unwrap()),
    }
}

#[test]
fn each_address_and_its_failure_are_told() {
    for is_tokio in [false, true] {
        let no_one = refused();
        let (busy, _heard) = speak(&["421 4.3.2 busy \x1b[2J"]);
        let last = refused();
        let error = connect(is_tokio, &[no_one, busy, last], clear());
        assert_eq!(error.kind, Error::NotConnected);
        assert_eq!(error.earlier, [no_one, busy]);
        let why = std::net::TcpStream::connect(no_one).unwrap_err();
        let refusal = format!("could not connect to the server: {why}");
        let busy_words = r"the server closed the session in answer to the greeting: 421 4.3.2 busy \x1b[2J; nothing more was sent";
        let words = format!("{no_one}: {refusal}; {busy}: {busy_words}; {last}: {refusal}");
        assert_eq!(error.shown, words, "tokio {is_tokio}");
        // One address is named as well.
        let error = connect(is_tokio, &[last], clear());
        assert_eq!((error.shown, error.earlier), (format!("{last}: {refusal}"), vec![]));
        let error = connect(is_tokio, &[], clear());
        assert_eq!(error.shown, "could not connect to the server: the name has no address");
    }
}

#[test]
fn an_address_of_another_family_that_fails_is_no_obstacle() {
    for is_tokio in [false, true] {
        let (good, _heard) = speak(&["220 hi"]);
        let other = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, good.port()));
        let addresses = &[other, good][..];
        match is_tokio {
            true => drop(run(async { smtp_tokio::Client::connect(addresses, clear()).await.unwrap() })),
            false => drop(smtp_blocking::Client::connect(addresses, clear()).unwrap()),
        }
    }
}

#[test]
fn of_many_addresses_the_first_and_the_last_are_told() {
    let no_one = refused();
    for is_tokio in [false, true] {
        let error = connect(is_tokio, &[no_one; 40], clear());
        assert_eq!(error.earlier.len(), 15);
        assert!(error.shown.contains("; 24 more; "), "{}", error.shown);
        assert_eq!(error.shown.matches(&no_one.to_string()).count(), 16);
    }
}

#[test]
fn a_name_without_an_address_is_told_with_its_name() {
    for n in 0..2 {
        for (host, begins) in [
            ("no-such-host.invalid", r#"no address of "no-such-host.invalid" was found: "#),
            (
                "mail.example.invalid:587",
                r#"no address of "mail.example.invalid:587" was found (a port is given with `port`): "#,
            ),
        ] {
            let error = match n {
                0 => failed!(smtp_blocking::Client::builder(host).connect().err().unwrap()),
                _ => run(async { failed!(smtp_tokio::Client::builder(host).connect().await.err().unwrap()) }),
            };
            assert_eq!(error.kind, Error::NotConnected);
            assert!(
                error.shown.starts_with(&format!("could not connect to the server: {begins}")),
                "{}",
                error.shown
            );
        }
    }
}

#[test]
fn one_builder_begins_any_number_of_sessions() {
    let sink = Sink::builder().user("alice", "hunter2").require_auth().start().unwrap();
    let trust = sink.certificate_authority().client_config().unwrap();
    let credentials = Credentials::password("alice", "hunter2");
    let host = "127.0.0.1";

    let builder = smtp_blocking::Client::builder(host).port(sink.address().port());
    let builder = builder.tls_config(Arc::clone(&trust)).credentials(credentials.clone());
    assert!(!format!("{builder:?}{builder:#?}").contains("hunter2"));
    let mut first = builder.connect().unwrap();
    let mut second = builder.clone().connect().unwrap();
    for client in [&mut first, &mut second] {
        assert!(client.connection().is_authenticated(), "what connects is ready");
        client.send(&to_bob(), MESSAGE).unwrap();
    }

    let builder = smtp_tokio::Client::builder("[127.0.0.1]").port(sink.address().port());
    let builder = builder.tls_config(trust).credentials(credentials);
    assert!(!format!("{builder:?}{builder:#?}").contains("hunter2"));
    run(async {
        let (first, second) = tokio::join!(builder.connect(), builder.connect());
        for mut client in [first.unwrap(), second.unwrap()] {
            assert!(client.connection().is_authenticated());
            client.send(&to_bob(), MESSAGE).await.unwrap();
        }
    });
    assert_eq!(sink.messages().len(), 4);
}

#[test]
fn without_credentials_what_connects_has_said_hello() {
    let sink = Sink::builder().start().unwrap();
    let url = format!("smtp://{}?tls=opportunistic", sink.address());
    let builder = smtp_blocking::ClientBuilder::from_url(&url).unwrap();
    let client = builder.tls_config(trust(&sink).unwrap()).connect().unwrap();
    assert!(client.connection().is_ready() && client.security().is_tls());
    let builder = smtp_tokio::ClientBuilder::from_url(&url).unwrap().tls_config(trust(&sink).unwrap());
    let client = run(builder.connect()).unwrap();
    assert!(client.connection().is_ready() && client.security().is_tls());
}

/// What is set on a builder, one after the other, in either adapter.
macro_rules! set {
    ($builder:expr) => {
        $builder
            .client_name("client.test".parse().unwrap())
            .tls(TlsPolicy::None)
            .quirks(Quirks::new().force_helo())
            .limits(ReplyLimits::default().with_line(20))
            .window(Window::default())
            .protocol(Protocol::Smtp)
            .timeouts(Timeouts::all(Duration::from_millis(300)))
    };
}

#[test]
fn every_setting_reaches_the_session() {
    for is_tokio in [false, true] {
        let kind = |port| match is_tokio {
            false => set!(smtp_blocking::Client::builder("127.0.0.1").port(port))
                .connect()
                .map_err(|error| error.into_kind())
                .map(drop),
            true => run(set!(smtp_tokio::Client::builder("127.0.0.1").port(port)).connect())
                .map_err(|error| error.into_kind())
                .map(drop),
        };
        let (address, heard) = speak(&["220 hi", "250 hi"]);
        kind(address.port()).unwrap();
        assert_eq!(heard.recv().unwrap(), "HELO client.test");
        let (address, _heard) = speak(&["220 a greeting of more than twenty octets"]);
        assert!(matches!(kind(address.port()), Err(Error::Protocol(_))));
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(matches!(kind(silent.local_addr().unwrap().port()), Err(Error::Timeout(_))));
    }
}

#[cfg(unix)]
#[test]
fn a_builder_goes_over_a_stream_that_is_there() {
    let sink = Sink::builder().lmtp().unix_socket().start().unwrap();
    let stream = std::os::unix::net::UnixStream::connect(sink.unix_path().unwrap()).unwrap();
    let builder = smtp_blocking::Client::builder("localhost");
    let builder = builder.tls(TlsPolicy::None).protocol(Protocol::Lmtp);
    builder.connect_over(stream).unwrap().send(&to_bob(), MESSAGE).unwrap();
    run(async {
        let stream = tokio::net::UnixStream::connect(sink.unix_path().unwrap()).await.unwrap();
        let builder = smtp_tokio::Client::builder("localhost");
        let builder = builder.tls(TlsPolicy::None).protocol(Protocol::Lmtp);
        builder.connect_over(stream).await.unwrap().send(&to_bob(), MESSAGE).await.unwrap();
    });
    assert_received(&sink, false, None);
}

/// Whom a server sees that is connected to from `local`; or why it is not.
fn from(is_tokio: bool, local: &str) -> Result<IpAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let local = local.parse().unwrap();
    let seen = std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        // No greeting is needed to see who it is.
        stream.write_all(b"421 no\r\n").unwrap();
        peer.ip()
    });
    let error = match is_tokio {
        false => {
            let builder = smtp_blocking::Client::builder("127.0.0.1").port(port).tls(TlsPolicy::None);
            failed!(builder.local_address(local).connect().err().unwrap())
        }
        true => {
            let builder = smtp_tokio::Client::builder("127.0.0.1").port(port).tls(TlsPolicy::None);
            run(async { failed!(builder.local_address(local).connect().await.err().unwrap()) })
        }
    };
    match error.kind {
        Error::ServerClosed { .. } => Ok(seen.join().unwrap()),
        _ => Err(error),
    }
}

#[test]
fn the_local_address_is_the_one_that_was_chosen() {
    for is_tokio in [false, true] {
        assert_eq!(from(is_tokio, "127.0.0.1").unwrap(), IpAddr::from([127, 0, 0, 1]));
        // Elsewhere 127.0.0.2 has to be set up first.
        #[cfg(target_os = "linux")]
        assert_eq!(from(is_tokio, "127.0.0.2").unwrap(), IpAddr::from([127, 0, 0, 2]));

        let error = from(is_tokio, "::1").unwrap_err();
        let words = r#"could not connect to the server: from ::1: "127.0.0.1" has no IPv6 address"#;
        assert_eq!((error.kind, error.shown.as_str()), (Error::NotConnected, words));
        let error = from(is_tokio, "192.0.2.7").unwrap_err();
        let why = TcpListener::bind("192.0.2.7:0").unwrap_err();
        let words = format!(": could not connect to the server: from 192.0.2.7: {why}");
        assert!(error.shown.ends_with(&words), "{}", error.shown);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn x14_with_tokio_a_silent_address_keeps_nobody_waiting() {
    let (hole, _kept) = black_hole();
    let (good, _heard) = speak(&["220 hi", "250 hi"]);
    let since = Instant::now();
    run(async {
        let client = smtp_tokio::Client::connect(&[hole, hole, good][..], clear()).await.unwrap();
        let took = since.elapsed();
        assert!(took >= Duration::from_millis(500), "{took:?}");
        assert!(took < Duration::from_secs(25), "the whole budget of an address was spent: {took:?}");
        drop(client);
    });
    // Its time is over before its error comes: each address has its own.
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::from_millis(400);
    let no_one = refused();
    let error = connect(true, &[hole, no_one], clear().timeouts(timeouts));
    assert_eq!(error.earlier, [no_one], "it failed first");
    assert!(error.shown.ends_with("could not connect to the server: timed out"), "{}", error.shown);
}

/// Servers hold their greeting back on purpose; one that does must not see the client go elsewhere meanwhile.
#[test]
fn x15_a_slow_greeting_is_waited_for_alone() {
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [slow.local_addr().unwrap(), other.local_addr().unwrap()];
    let server = std::thread::spawn(move || {
        let (mut stream, _) = slow.accept().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        stream.write_all(b"220 hi\r\n").unwrap();
        stream
    });
    run(async { smtp_tokio::Client::connect(&addresses[..], clear()).await.unwrap() });
    drop(server.join().unwrap());
    other.set_nonblocking(true).unwrap();
    assert_eq!(other.accept().err().unwrap().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_session_can_be_begun_on_any_thread() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let builder = smtp_tokio::Client::builder("127.0.0.1").port(refused().port());
    run(async {
        assert!(tokio::spawn(is_send(async move { builder.connect().await.is_err() })).await.unwrap())
    });
}
