//! What the crate `tracing` is told: every span and event of a session, with every field, and no secret among them; by the
//! adapters, and by a loop of one's own. What it costs where nobody listens is in `tracing_off.rs`, in a process without a subscriber.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capture;

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use capture::Capture;
use smtp_proto::connection::{Config, Connection, Peer, Timeouts, TlsPolicy};
use smtp_proto::flow::{Body, Envelope, Flow, Open, Send, SendOptions, Step};
use smtp_proto::sasl::Plain;
use smtp_proto::security::{TlsState, TlsVersion};
use smtp_proto::watch::{Clock, Watch};
use smtp_tests::sink::{RecipientVerdict, Sink, TlsMode};
use tracing::Level;

const USER: &str = "tim-the-user";
const PASSWORD: &str = "tanstaaf-correct-horse";
const MESSAGE: &[u8] = b"Subject: confidential\r\n\r\n.confidential\r\n";

fn sink() -> Sink {
    Sink::builder()
        .tls(TlsMode::StartTls)
        .user(USER, PASSWORD)
        .require_auth()
        .mechanisms(&["PLAIN"])
        .recipients(|path| match path {
            // From here on the server says nothing.
            "third@example.net" => std::panic::resume_unwind(Box::new("cut")),
            path => RecipientVerdict::by_local_part(path),
        })
        .final_replies(|path| match path {
            "spam-trap@example.net" => RecipientVerdict::Refuse,
            _ => RecipientVerdict::Accept,
        })
        .start()
        .unwrap()
}

fn to(recipients: &[&str]) -> Envelope {
    Envelope::from_strs("sender@example.org", recipients).unwrap()
}

fn config() -> Config {
    let mut timeouts = Timeouts::all(Duration::from_secs(60));
    timeouts.mail = Duration::from_secs(2);
    let config = Config::new("localhost").client_name("client.test".parse().unwrap());
    config.tls(TlsPolicy::Required).timeouts(timeouts)
}

fn plain() -> Plain {
    Plain::new("", USER, PASSWORD, "localhost")
}

/// One session of each kind of trouble, blocking.
fn blocking(sink: &Sink) {
    let stream = TcpStream::connect(sink.address()).unwrap();
    let mut client = smtp_blocking::Client::new(stream, config());
    client.set_tls_config(sink.certificate_authority().client_config().unwrap());
    client.auth(&mut plain()).unwrap();
    client.send(&to(&["first@example.net"]), MESSAGE).unwrap();
    client.send(&to(&["second@example.net", "nobody@example.net"]), MESSAGE).unwrap();
    client.send(&to(&["spam-trap@example.net"]), MESSAGE).unwrap_err();
    client.send(&to(&["third@example.net"]), MESSAGE).unwrap_err();
}

/// The same in tokio.
fn tokio(sink: &Sink) {
    runtime().block_on(async {
        let stream = TcpStream::connect(sink.address()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let mut client = smtp_tokio::Client::new(stream, config());
        client.set_tls_config(sink.certificate_authority().client_config().unwrap());
        client.auth(&mut plain()).await.unwrap();
        client.send(&to(&["first@example.net"]), MESSAGE).await.unwrap();
        client.send(&to(&["second@example.net", "nobody@example.net"]), MESSAGE).await.unwrap();
        client.send(&to(&["spam-trap@example.net"]), MESSAGE).await.unwrap_err();
        client.send(&to(&["third@example.net"]), MESSAGE).await.unwrap_err();
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

type Run = fn(&Sink);

const ADAPTERS: [(&str, Run); 2] = [("blocking", blocking), ("tokio", tokio)];

/// What that session tells, at this level.
fn captured(level: Level, session: Run) -> (Sink, Capture) {
    let (sink, capture) = (sink(), Capture::new(level));
    tracing::subscriber::with_default(capture.clone(), || session(&sink));
    (sink, capture)
}

/// Times, and what depends on the length of port numbers and on where TLS met the end of the socket.
fn is_certain(field: &str) -> bool {
    !matches!(field, "duration_us" | "elapsed_us" | "peer" | "io")
}

#[test]
fn every_span_and_field_of_a_session() {
    for (name, session) in ADAPTERS {
        let (sink, capture) = captured(Level::INFO, session);
        let lines = capture.lines(is_certain);
        println!("{name}\n{}\n", capture.lines(|_| true).join("\n"));
        assert_eq!(
            lines,
            [
                "smtp.session (INFO, in nothing) auth.mechanism=PLAIN extensions=PIPELINING SIZE 8BITMIME SMTPUTF8 \
                 ENHANCEDSTATUSCODES CHUNKING BINARYMIME DSN REQUIRETLS AUTH host=localhost octets_in=671 \
                 octets_out=640 protocol=smtp tls.cipher=TLS_AES_256_GCM_SHA384 tls.version=TLS 1.3",
                "smtp.message (INFO, in smtp.session) code=250 enhanced=2.0.0 number=0 octets=40 outcome=accepted \
                 queue_id=SINK000001 recipients=1 recipients_accepted=1 recipients_refused=0 size=40",
                "smtp.message (INFO, in smtp.session) code=250 enhanced=2.0.0 number=0 octets=40 outcome=accepted \
                 queue_id=SINK000002 recipients=2 recipients_accepted=1 recipients_refused=1 size=40",
                "smtp.message (INFO, in smtp.session) code=552 enhanced=5.2.2 number=0 octets=40 outcome=rejected \
                 recipients=1 recipients_accepted=0 recipients_refused=1 size=40 stage=the end of the message",
                "  WARN in smtp.message: the message was not accepted code=552 enhanced=5.2.2 outcome=rejected \
                 stage=the end of the message",
                "smtp.message (INFO, in smtp.session) cause=timeout number=0 octets=40 outcome=unknown \
                 recipients=1 recipients_accepted=0 recipients_refused=0 size=40 stage=MAIL",
                "  WARN in smtp.session: the connection is lost cause=timeout stage=MAIL",
                "  WARN in smtp.message: the message was not accepted cause=timeout outcome=unknown stage=MAIL",
            ]
        );
        assert_eq!(capture.values("peer"), [sink.address().to_string()]);
        assert_eq!(capture.values("duration_us").len(), 5, "a session and four messages");
        assert_eq!(capture.open(), 0);
    }
}

fn any(_: &str) -> bool {
    true
}

#[test]
fn a_reply_is_an_event_and_its_words_are_for_trace_alone() {
    for (name, session) in ADAPTERS {
        let (_sink, capture) = captured(Level::DEBUG, session);
        let lines = capture.lines(is_certain);
        let replies: Vec<&str> =
            lines.iter().filter_map(|line| line.strip_prefix("  DEBUG in smtp.session: reply ")).collect();
        assert_eq!(
            replies[..8],
            [
                "code=220 stage=the greeting",
                "code=250 stage=EHLO",
                "code=220 enhanced=2.0.0 stage=STARTTLS",
                "code=250 stage=EHLO",
                "code=235 enhanced=2.7.0 stage=AUTH",
                "code=250 enhanced=2.1.0 stage=MAIL",
                "code=250 enhanced=2.1.5 stage=RCPT",
                "code=250 enhanced=2.0.0 stage=the end of the message",
            ],
            "{name}"
        );
        assert!(lines.iter().any(|line| line == "  DEBUG in smtp.session: TLS is established"), "{name}");
        let steps = capture.lines(any).iter().filter(|line| line.contains(" elapsed_us=")).count();
        assert_eq!(steps, replies.len() + 1, "{name}: the time of each reply, and of the handshake");
        let all = lines.join("\n");
        for personal in ["@", "sender", "first", "nobody", "spam-trap", USER, PASSWORD, "confidential"] {
            assert!(!all.contains(personal), "{name}: {personal} is in {all}");
        }

        let (_sink, capture) = captured(Level::TRACE, session);
        let all = capture.lines(any).join("\n");
        let words = "  TRACE in smtp.session: the server's words code=250 stage=the end of the message text=";
        assert!(
            all.contains(&format!("{words}Ok: queued as SINK000001")) || all.contains(words),
            "{name}: {all}"
        );
        for secret in [USER, PASSWORD, "confidential"] {
            assert!(!all.contains(secret), "{name}: {secret} is in {all}");
        }
    }
}

#[test]
fn the_guide_lists_all_of_it() {
    let page = include_str!("../../../smtp-proto/src/guide/watching.md");
    for (_, session) in ADAPTERS {
        let (_sink, capture) = captured(Level::TRACE, session);
        let vocabulary = capture.vocabulary();
        assert!(vocabulary.len() > 20, "{vocabulary:?}");
        for word in vocabulary {
            let listed = page.contains(&format!("`{word}`")) || page.contains(&format!("| {word} |"));
            assert!(listed, "{word} is not in the guide");
        }
    }
}

/// An attempt that finds nobody has no session, and is told all the same.
#[test]
fn a_server_that_is_not_reached_is_a_warning() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = |connect: &dyn Fn()| {
        let capture = Capture::new(Level::WARN);
        tracing::subscriber::with_default(capture.clone(), connect);
        capture.lines(is_certain)
    };
    let expected = ["  WARN in nothing: no connection host=127.0.0.1"];
    let by_name =
        || drop(smtp_blocking::Client::builder("127.0.0.1").port(nobody.port()).connect().unwrap_err());
    assert_eq!(told(&by_name), expected);
    let by_address =
        || drop(smtp_blocking::Client::connect(nobody, Config::new("127.0.0.1")).map(drop).unwrap_err());
    assert_eq!(told(&by_address), expected);
    let in_tokio = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let builder = smtp_tokio::Client::builder("127.0.0.1").port(nobody.port());
        drop(runtime.block_on(builder.connect()).map(drop).unwrap_err());
    };
    assert_eq!(told(&in_tokio), expected);
}

#[test]
fn a_refused_authentication_is_a_warning_and_says_nothing_of_it() {
    let capture = Capture::new(Level::TRACE);
    let sink = sink();
    tracing::subscriber::with_default(capture.clone(), || {
        let stream = TcpStream::connect(sink.address()).unwrap();
        let mut client = smtp_blocking::Client::new(stream, config());
        client.set_tls_config(sink.certificate_authority().client_config().unwrap());
        client.auth(&mut Plain::new("", USER, "wrong-horse", "localhost")).unwrap_err();
    });
    let lines = capture.lines(any);
    let warning = "  WARN in smtp.session: authentication refused code=535 enhanced=5.7.8 mechanism=PLAIN";
    assert!(lines.iter().any(|line| line == warning), "{lines:#?}");
    assert_eq!(capture.values("auth.mechanism"), [""; 0]);
    assert!(!lines.iter().any(|line| line.contains("wrong-horse") || line.contains("words code=535")));
}

#[test]
fn messages_in_flight_together_have_a_span_each() {
    const TO: [&str; 4] =
        ["first@example.net", "spam-trap@example.net", "second@example.net", "nobody@example.net"];
    let each = |field| {
        let values = |capture: &Capture| capture.values(field);
        let capture = Capture::new(Level::INFO);
        let sink = sink();
        tracing::subscriber::with_default(capture.clone(), || {
            let stream = TcpStream::connect(sink.address()).unwrap();
            let mut client = smtp_blocking::Client::new(stream, config());
            client.set_tls_config(sink.certificate_authority().client_config().unwrap());
            client.auth(&mut plain()).unwrap();
            assert_eq!(client.send_all(TO.map(|path| (to(&[path]), MESSAGE))).count(), 4);
        });
        let blocking = values(&capture);
        let capture = Capture::new(Level::INFO);
        let sink = self::sink();
        tracing::subscriber::with_default(capture.clone(), || {
            runtime().block_on(async {
                let stream = tokio::net::TcpStream::connect(sink.address()).await.unwrap();
                let mut client = smtp_tokio::Client::new(stream, config());
                client.set_tls_config(sink.certificate_authority().client_config().unwrap());
                client.auth(&mut plain()).await.unwrap();
                let mut batch = client.send_all(TO.map(|path| (to(&[path]), MESSAGE)));
                while batch.next().await.is_some() {}
            });
        });
        assert_eq!(values(&capture), blocking);
        assert_eq!(capture.open(), 0);
        blocking
    };
    assert_eq!(each("number"), ["0", "1", "2", "3"]);
    assert_eq!(each("outcome"), ["accepted", "rejected", "accepted", "rejected"]);
    assert_eq!(each("queue_id"), ["SINK000001", "SINK000002"]);
}

#[test]
fn a_message_that_is_given_up_is_abandoned() {
    let capture = Capture::new(Level::WARN);
    let all = Capture::new(Level::INFO);
    let sink = sink();
    tracing::subscriber::with_default(all.clone(), || {
        let stream = TcpStream::connect(sink.address()).unwrap();
        let mut client = smtp_blocking::Client::new(stream, config());
        client.set_tls_config(sink.certificate_authority().client_config().unwrap());
        client.auth(&mut plain()).unwrap();
        client.mail(&"sender@example.org".parse().unwrap()).unwrap();
        client.rcpt(&"first@example.net".parse().unwrap()).unwrap();
        drop(client.data().unwrap());
    });
    assert_eq!(all.values("outcome"), ["abandoned"]);
    let all = Capture::new(Level::INFO);
    tracing::subscriber::with_default(all.clone(), || {
        runtime().block_on(async {
            let stream = tokio::net::TcpStream::connect(sink.address()).await.unwrap();
            let mut client = smtp_tokio::Client::new(stream, config());
            client.set_tls_config(sink.certificate_authority().client_config().unwrap());
            let (envelope, waiting) = (to(&["first@example.net"]), Duration::ZERO);
            tokio::time::timeout(waiting, client.send(&envelope, MESSAGE)).await.unwrap_err();
        });
    });
    assert_eq!(all.values("outcome"), ["abandoned"]);
    // Without the level of the spans there is no session to speak of, and nothing is heard of replies.
    tracing::subscriber::with_default(capture.clone(), || {
        let client = smtp_blocking::Client::new(TcpStream::connect(sink.address()).unwrap(), config());
        assert!(!client.connection().has_transcript());
    });
    assert_eq!(capture.lines(any), [""; 0]);
}

#[test]
fn a_message_written_by_hand_has_a_span_without_recipients() {
    let capture = Capture::new(Level::INFO);
    let sink = Sink::builder().start().unwrap();
    tracing::subscriber::with_default(capture.clone(), || {
        let stream = TcpStream::connect(sink.address()).unwrap();
        let mut client = smtp_blocking::Client::new(stream, config().tls(TlsPolicy::None));
        client.mail(&"sender@example.org".parse().unwrap()).unwrap();
        client.rcpt(&"first@example.net".parse().unwrap()).unwrap();
        let mut data = client.data().unwrap();
        data.write_all(MESSAGE).unwrap();
        data.finish().unwrap();
    });
    assert_eq!(
        capture.lines(is_certain)[1..],
        ["smtp.message (INFO, in smtp.session) code=250 enhanced=2.0.0 number=0 octets=40 outcome=accepted \
          queue_id=SINK000001"]
    );
    assert_eq!(capture.values("tls.version"), [""; 0]);
}

#[test]
fn a_transcript_of_the_callers_is_heard_beside_it() {
    let capture = Capture::new(Level::DEBUG);
    let sink = sink();
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook = heard.clone();
    tracing::subscriber::with_default(capture.clone(), || {
        let mut client = smtp_blocking::Client::new(TcpStream::connect(sink.address()).unwrap(), config());
        client.set_transcript(move |entry| hook.lock().unwrap().push((entry.to_string(), entry.time())));
        client.set_tls_config(sink.certificate_authority().client_config().unwrap());
        client.auth(&mut plain()).unwrap();
    });
    let heard = heard.lock().unwrap();
    assert!(heard[0].0.starts_with("S: 220 "), "{heard:?}");
    assert!(heard.iter().all(|(_, time)| time.is_some()));
    assert!(heard.is_sorted_by_key(|(_, time)| *time));
    let replies = capture.lines(any).iter().filter(|line| line.contains(": reply")).count();
    assert_eq!(replies, heard.iter().filter(|(line, _)| line.starts_with("S: ")).count());
}

/// Runs a flow with a server that says each of these when it is its turn, a quarter of a second later.
fn run<F: Flow, C: Clock>(
    flow: &mut F,
    connection: &mut Connection,
    watch: &mut Watch<C>,
    (time, message): (&AtomicU64, &[u8]),
    server: &[&str],
) -> Result<F::Output, F::Error> {
    let (mut server, mut at) = (server.iter(), 0);
    let result = loop {
        watch.tell_time(connection);
        match flow.poll(connection) {
            Ok(Step::Done(output)) => break Ok(output),
            Ok(Step::UpgradeTls(_)) => unreachable!("under TlsPolicy::None"),
            Ok(Step::SupplyBody { .. }) => connection.supply_body(message, &mut at),
            Ok(Step::Continue) => {
                connection.advance_output(connection.output().len()).unwrap();
                time.fetch_add(250, Ordering::SeqCst);
                match server.next() {
                    Some(said) => connection.receive(said.as_bytes()),
                    None => connection.receive_eof(),
                }
            }
            Err(error) => break Err(error),
        }
    };
    watch.tell(connection, Some(&"broken\npipe"));
    result
}

#[test]
fn a_loop_of_ones_own_has_the_same_spans_by_its_own_clock() {
    let time = Arc::new(AtomicU64::new(1000));
    let now = time.clone();
    let clock = move || Duration::from_millis(now.load(Ordering::SeqCst));
    let capture = Capture::new(Level::INFO);
    tracing::subscriber::with_default(capture.clone(), || {
        let mut connection = Connection::new(config().tls(TlsPolicy::None), Peer::Remote);
        let peer = SocketAddr::from(([192, 0, 2, 1], 587));
        let mut watch = Watch::begin(&mut connection, Some(peer), clock);
        let tracker = watch.tracker();
        let given_up = tracker.begin(7, None, None);
        let server = ["220 hi\r\n", "250-hi\r\n250 SIZE 1000\r\n"];
        run(&mut Open::new(), &mut connection, &mut watch, (&time, b""), &server).unwrap();
        // What no loop of this test does.
        watch.tell_tls(|| {
            let mut state = TlsState::default();
            state.version = Some(TlsVersion::Tls12);
            Some(state)
        });
        drop(given_up);
        for (number, last) in ["250 2.0.0 queued as 4XyZ1w2abcz9\r\n", "421 bye\r\n"].into_iter().enumerate()
        {
            let mut track = tracker.begin(number, Some(1), Some(MESSAGE.len() as u64));
            let envelope = to(&["first@example.net"]);
            let mut send = Send::new(&envelope, Body::Whole(MESSAGE), SendOptions::default());
            let server = ["250 ok\r\n", "250 ok\r\n", "354 go\r\n", last];
            let outcome = run(&mut send, &mut connection, &mut watch, (&time, MESSAGE), &server);
            track.passed(MESSAGE.len());
            track.over(outcome.as_ref());
        }
    });
    assert_eq!(
        capture.lines(any),
        [
            "smtp.session (INFO, in nothing) duration_us=2500000 extensions=SIZE host=localhost octets_in=122 octets_out=256 \
             peer=192.0.2.1:587 protocol=smtp tls.version=TLS 1.2",
            "smtp.message (INFO, in smtp.session) duration_us=500000 number=7 outcome=abandoned",
            "smtp.message (INFO, in smtp.session) code=250 duration_us=1000000 enhanced=2.0.0 number=0 octets=40 \
             outcome=accepted queue_id=4XyZ1w2abcz9 recipients=1 recipients_accepted=1 recipients_refused=0 size=40",
            "smtp.message (INFO, in smtp.session) cause=server_closed code=421 duration_us=1000000 number=1 octets=40 \
             outcome=not_sent recipients=1 recipients_accepted=0 recipients_refused=0 size=40 \
             stage=the end of the message",
            "  WARN in smtp.session: the connection is lost cause=server_closed code=421 io=broken\\npipe \
             stage=the end of the message",
            "  WARN in smtp.message: the message was not accepted cause=server_closed code=421 outcome=not_sent \
             stage=the end of the message",
        ]
    );
    assert_eq!(capture.open(), 0);
}
