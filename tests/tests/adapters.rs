//! The adapters against scripted servers: the same transcripts as the core, with the same octets on the wire,
//! over streams that move one octet at a time, are interrupted, give up, or take nothing (X-cases).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{IoSlice, Read, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use smtp_proto::connection::{Config, Peer, TlsPolicy};
use smtp_proto::flow::{Envelope, SendOptions};
use smtp_proto::params::XClient;
use smtp_proto::sasl::{CramMd5, Plain};
use smtp_proto::{Error, SendError};
use smtp_tests::script::{PeerHandle, Scenario, Session, Stream};

/// A script's stream, as either adapter wants it.
struct Scripted(Stream);

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.write(octets)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl smtp_blocking::Stream for Scripted {
    fn peer(&self) -> Peer {
        Peer::Local
    }

    fn local_ip(&self) -> Option<IpAddr> {
        None
    }
}

/// What a client is asked to do, in order.
#[derive(Clone, Copy)]
enum Op {
    Plain,
    Cram,
    Send(&'static [&'static str], &'static [u8]),
    SendToAll(&'static [&'static str], &'static [u8]),
    ByHand(&'static [u8]),
    Noop,
    Verify(&'static str),
    Reset,
    Etrn(&'static str),
    XClient(&'static str),
    Hello,
    Custom(&'static str),
    Quit,
}

struct Case {
    name: &'static str,
    script: &'static str,
    ops: &'static [Op],
}

/// One line an operation: enough of the result to tell any two apart.
type Results = Vec<String>;

fn config() -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None)
}

fn envelope(to: &[&str]) -> Envelope {
    Envelope::from_strs("alice@example.org", to).unwrap()
}

fn plain() -> Plain {
    Plain::new("", "alice", "secret", "mail.example")
}

fn xclient(name: &str) -> XClient {
    XClient::new().name(name).unwrap()
}

fn told<T: std::fmt::Debug, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    format!("{result:?}")
}

fn not_sent(error: Error) -> String {
    told::<(), _>(Err(SendError::from(error)))
}

fn through_the_core(case: &Case) -> Results {
    Scenario::new(config()).local().script(case.script).run(|session: &mut Session| {
        let mut results = Results::new();
        for op in case.ops {
            let open = session.open();
            results.push(match *op {
                Op::Quit => told(session.quit()),
                _ if open.is_err() => match op {
                    Op::Send(..) | Op::SendToAll(..) => told(open.map_err(SendError::from)),
                    _ => told(open),
                },
                Op::Plain => told(session.auth(&mut plain())),
                Op::Cram => told(session.auth(&mut CramMd5::new("alice", "secret"))),
                Op::Send(to, message) => told(session.send(&envelope(to), message)),
                Op::SendToAll(to, message) => {
                    let body = smtp_proto::flow::Body::Whole(message);
                    told(session.send_with(&envelope(to), body, SendOptions::all_or_nothing(), &[message]))
                }
                Op::ByHand(message) => {
                    let by_hand = |session: &mut Session| -> Result<_, SendError> {
                        let path = "alice@example.org".parse().unwrap();
                        let parameters = session.connection().default_mail_parameters(&path);
                        session.command(smtp_proto::command::Command::Mail(&path, &parameters))?;
                        let to = "bob@example.org".parse().unwrap();
                        session.command(smtp_proto::command::Command::Rcpt(&to, &Default::default()))?;
                        let data = session.connection().default_data();
                        session.begin_data(data)?;
                        session.write_body(message)?;
                        session.finish_data()
                    };
                    told(by_hand(session))
                }
                Op::Noop => told(session.command(smtp_proto::command::Command::Noop)),
                Op::Verify(user) => told(session.command(smtp_proto::command::Command::Vrfy(user))),
                Op::Reset => told(session.command(smtp_proto::command::Command::Rset)),
                Op::Etrn(node) => told(session.command(smtp_proto::command::Command::Etrn(node))),
                Op::XClient(name) => told(session.xclient(&xclient(name))),
                Op::Hello => told(session.hello()),
                Op::Custom(line) => told(session.ask(smtp_proto::command::Command::Custom(line))),
            });
        }
        results
    })
}

/// Both adapters have the same verbs; `$wait` is what one puts behind each call.
macro_rules! perform {
    ($client:ident, $ops:expr $(, $wait:tt $await:ident)?) => {{
        let mut results = Results::new();
        for op in $ops {
            results.push(match *op {
                Op::Plain => told($client.auth(&mut plain())$($wait $await)?.map_err(|e| e.into_kind())),
                Op::Cram => {
                    let mut cram = CramMd5::new("alice", "secret");
                    told($client.auth(&mut cram)$($wait $await)?.map_err(|e| e.into_kind()))
                }
                Op::Send(to, message) => {
                    told($client.send(&envelope(to), message)$($wait $await)?.map_err(|e| e.into_kind()))
                }
                Op::SendToAll(to, message) => {
                    let all = SendOptions::all_or_nothing();
                    told($client.send_with(&envelope(to), message, all)$($wait $await)?.map_err(|e| e.into_kind()))
                }
                Op::ByHand(message) => {
                    let path = "alice@example.org".parse().unwrap();
                    let to = "bob@example.org".parse().unwrap();
                    'by_hand: {
                        if let Err(error) = $client.mail(&path)$($wait $await)? {
                            break 'by_hand not_sent(error.into_kind());
                        }
                        if let Err(error) = $client.rcpt(&to)$($wait $await)? {
                            break 'by_hand not_sent(error.into_kind());
                        }
                        let mut writer = match $client.data()$($wait $await)? {
                            Ok(writer) => writer,
                            Err(error) => break 'by_hand not_sent(error.into_kind()),
                        };
                        // A failure is told once more, with what it means, by `finish`.
                        let _ = writer.write_all(message)$($wait $await)?;
                        told(writer.finish()$($wait $await)?.map_err(|e| e.into_kind()))
                    }
                }
                Op::Noop => told($client.noop()$($wait $await)?.map_err(|e| e.into_kind())),
                Op::Verify(user) => told($client.verify(user)$($wait $await)?.map_err(|e| e.into_kind())),
                Op::Reset => told($client.reset()$($wait $await)?.map_err(|e| e.into_kind())),
                Op::Etrn(node) => told($client.etrn(node)$($wait $await)?.map_err(|e| e.into_kind())),
                Op::XClient(name) => told($client.xclient(&xclient(name))$($wait $await)?.map_err(|e| e.into_kind())),
                Op::Hello => told($client.renew_hello()$($wait $await)?.map_err(|e| e.into_kind())),
                Op::Custom(line) => told($client.command(line)$($wait $await)?.map_err(|e| e.into_kind())),
                Op::Quit => {
                    results.push(told($client.quit()$($wait $await)?.map_err(|e| e.into_kind())));
                    return results;
                }
            });
        }
        results
    }};
}

fn through_blocking(ops: &[Op], stream: Stream) -> Results {
    let mut client = smtp_blocking::Client::new(Scripted(stream), config());
    perform!(client, ops)
}

fn through_tokio(ops: &[Op], stream: Stream) -> Results {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut client = smtp_tokio::Client::new(tokio_stream::Local::new(stream), config());
        perform!(client, ops, . await)
    })
}

mod tokio_stream {
    //! A script's stream as a local one.
    use super::{Arc, AtomicUsize, Ordering, Stream};
    use std::io::IoSlice;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    pub(super) struct Local {
        stream: Stream,
        writes: Arc<AtomicUsize>,
    }

    impl Local {
        pub(super) fn new(stream: Stream) -> Self {
            Self::counting(stream, Arc::default())
        }

        pub(super) fn counting(stream: Stream, writes: Arc<AtomicUsize>) -> Self {
            Self { stream, writes }
        }
    }

    impl smtp_tokio::Stream for Local {
        fn peer(&self) -> smtp_proto::connection::Peer {
            smtp_proto::connection::Peer::Local
        }
    }

    impl AsyncRead for Local {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Local {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            let written = Pin::new(&mut self.stream).poll_write(cx, octets);
            if written.is_ready() {
                self.writes.fetch_add(1, Ordering::Relaxed);
            }
            written
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<std::io::Result<usize>> {
            let whole: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.poll_write(cx, &whole)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}

const CASES: &[Case] = &[
    Case {
        name: "one message in groups",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250-mail.example
            S: 250-PIPELINING
            S: 250 8BITMIME
            C: MAIL FROM:<alice@example.org>
            C: RCPT TO:<bob@example.org>
            C: RCPT TO:<carol@example.org>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 550 5.1.1 no such user
            S: 354 go
            C: Subject: x
            C:
            C: ..dot
            C: last
            C: .
            S: 250 2.0.0 Ok: queued as A1
            C: QUIT
            S: 221 bye
            ",
        ops: &[Op::Send(&["bob@example.org", "carol@example.org"], b"Subject: x\n\n.dot\rlast"), Op::Quit],
    },
    Case {
        name: "one command at a time, every recipient refused",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250 mail.example
            C: MAIL FROM:<alice@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.org>
            S: 450 later
            C: RSET
            S: 250 ok
            C: NOOP
            S: 250 ok
            C: QUIT
            close
            ",
        ops: &[Op::Send(&["bob@example.org"], b"x\r\n"), Op::Noop, Op::Quit],
    },
    Case {
        name: "all or nothing",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250-mail.example
            S: 250 PIPELINING
            C: MAIL FROM:<alice@example.org>
            C: RCPT TO:<bob@example.org>
            C: RCPT TO:<carol@example.org>
            S: 250 ok
            S: 250 ok
            S: 550 no
            C: RSET
            S: 250 ok
            ",
        ops: &[Op::SendToAll(&["bob@example.org", "carol@example.org"], b"x\r\n")],
    },
    Case {
        name: "authentication and the verbs",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250-mail.example
            S: 250 AUTH PLAIN CRAM-MD5
            C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
            S: 535 5.7.8 no
            C: AUTH CRAM-MD5
            S: 334 PDFAYT4=
            C: YWxpY2UgMmFiNGE2NjVmMTI5ZWE5MWIwY2ZhY2U4MGMxNDQ3OWI=
            S: 235 welcome
            C: VRFY bob
            S: 252 maybe
            C: RSET
            S: 250 ok
            C: XYZZY plugh
            S: 500 nothing happens
            C: QUIT
            S: 221 bye
            ",
        ops: &[Op::Plain, Op::Cram, Op::Verify("bob"), Op::Reset, Op::Custom("XYZZY plugh"), Op::Quit],
    },
    Case {
        name: "the rarer verbs",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250-mail.example
            S: 250-ETRN
            S: 250 XCLIENT NAME
            C: ETRN @example.org
            S: 253 14 pending messages
            C: ETRN #7
            S: 459 no such queue
            C: XCLIENT NAME=spike.example
            S: 220 hi spike
            C: EHLO client.test
            S: 250-mail.example
            S: 250 XCLIENT NAME
            C: XCLIENT NAME=spike.example
            S: 550 not again
            C: EHLO client.test
            S: 250 mail.example
            C: QUIT
            S: 221 bye
            ",
        ops: &[
            Op::Etrn("@example.org"),
            Op::Etrn("#7"),
            Op::XClient("spike.example"),
            Op::Etrn("example.org"),
            Op::XClient("spike.example"),
            Op::Hello,
            Op::XClient("spike.example"),
            Op::Quit,
        ],
    },
    Case {
        name: "verb by verb",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250-mail.example
            S: 250 8BITMIME
            C: MAIL FROM:<alice@example.org> BODY=8BITMIME
            S: 250 ok
            C: RCPT TO:<bob@example.org>
            S: 250 ok
            C: DATA
            S: 354 go
            C: ..
            C: .
            S: 554 no thanks
            C: NOOP
            S: 250 ok
            ",
        ops: &[Op::ByHand(b"."), Op::Noop],
    },
    Case {
        name: "the server goes away after the dot",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250-mail.example
            S: 250 PIPELINING
            C: MAIL FROM:<alice@example.org>
            C: RCPT TO:<bob@example.org>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            C: x
            C: .
            S| 250 que
            close
            ",
        ops: &[Op::Send(&["bob@example.org"], b"x\r\n"), Op::Noop],
    },
    Case {
        name: "a reply too many",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250 mail.example
            C: NOOP
            S: 250 ok
            S: 250 stale
            ",
        ops: &[Op::Noop, Op::Noop, Op::Quit],
    },
    Case { name: "a greeting that is none", script: "S: SSH-2.0-x", ops: &[Op::Noop, Op::Quit] },
    Case {
        name: "the server refuses to serve",
        script: "S: 554 no",
        ops: &[Op::Send(&["b@example.org"], b"x")],
    },
    Case {
        name: "no reply in time",
        script: "
            S: 220 hi
            C: EHLO client.test
            pause
            ",
        ops: &[Op::Noop, Op::Noop],
    },
];

/// What every way through a case must show: its results, and what the server heard.
fn expect(case: &Case, way: &str, results: &Results, expected: &Results, peer: &PeerHandle) {
    assert_eq!(results, expected, "{}: {way}", case.name);
    if let Some(fault) = peer.with(|peer| peer.fault().map(str::to_owned)) {
        panic!("{}: {way}: {fault}", case.name);
    }
}

#[test]
fn x13_core_blocking_and_tokio_say_and_find_the_same() {
    for case in CASES {
        let expected = through_the_core(case);
        for (way, shape) in [
            ("whole", (|stream| stream) as fn(Stream) -> Stream),
            ("x01_x02 one octet at a time", Stream::one_octet),
            ("x01_x02 interrupted", Stream::interrupted),
            ("x01_x02 one octet at a time, interrupted", |stream| stream.one_octet().interrupted()),
        ] {
            // S02: what arrives only after the next command has left cannot be told from its reply.
            if case.name == "a reply too many" && way.contains("octet") {
                continue;
            }
            let stream = shape(Stream::new(case.script));
            let peer = stream.peer();
            let results = through_blocking(case.ops, stream);
            expect(case, &format!("blocking, {way}"), &results, &expected, &peer);

            let stream = shape(Stream::new(case.script));
            let peer = stream.peer();
            let results = through_tokio(case.ops, stream);
            expect(case, &format!("tokio, {way}"), &results, &expected, &peer);
        }
    }
}

#[test]
fn x01_x02_a_call_that_moves_nothing_ends_the_connection_and_never_the_truth() {
    for case in CASES {
        for call in 0.. {
            let stream = Stream::new(case.script).zero_at(call);
            let peer = stream.peer();
            let results = through_blocking(case.ops, stream);
            check_truth(case, call, &results, &peer);

            let stream = Stream::new(case.script).would_block_at(call);
            let peer = stream.peer();
            let blocked = through_blocking(case.ops, stream);
            check_truth(case, call, &blocked, &peer);

            let stream = Stream::new(case.script).zero_at(call);
            let peer = stream.peer();
            let through_tokio = through_tokio(case.ops, stream);
            check_truth(case, call, &through_tokio, &peer);

            if results == through_the_core(case) {
                assert!(call > 0, "{}: the fault was never met", case.name);
                break;
            }
            assert!(call < 200, "{}: does not come to an end", case.name);
        }
    }
}

/// Whatever the fault: nothing is said out of turn, nothing is called delivered that the server did not
/// accept, and nothing is called safe to retry that the server has got whole.
fn check_truth(case: &Case, call: usize, results: &Results, peer: &PeerHandle) {
    let (fault, heard_all) = peer.with(|peer| {
        let whole = peer.wire().windows(5).any(|window| window == b"\r\n.\r\n");
        (peer.fault().map(str::to_owned), whole)
    });
    assert_eq!(fault, None, "{}, call {call}", case.name);
    for (op, result) in case.ops.iter().zip(results) {
        if let Op::Send(..) | Op::ByHand(..) = op {
            let accepted_by_script = case.script.contains("queued as");
            assert!(
                !result.starts_with("Ok") || (accepted_by_script && heard_all),
                "{}: {result}",
                case.name
            );
            assert!(!result.contains("NotSent") || !heard_all, "{}, call {call}: {result}", case.name);
        }
    }
}

/// A stream that counts its calls, and flushes, and says what was unflushed when it was read.
struct Counting {
    stream: Scripted,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default, Clone, Debug, PartialEq)]
struct Counts {
    writes: usize,
    reads: usize,
    unflushed: bool,
    read_unflushed: bool,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut counts = self.counts.lock().unwrap();
        counts.reads += 1;
        counts.read_unflushed |= counts.unflushed;
        self.stream.read(buffer)
    }
}

impl Write for Counting {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        let mut counts = self.counts.lock().unwrap();
        counts.writes += 1;
        counts.unflushed = true;
        drop(counts);
        let whole: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.stream.write_all(&whole).map(|()| whole.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.counts.lock().unwrap().unflushed = false;
        self.stream.flush()
    }
}

impl smtp_blocking::Stream for Counting {}

/// A script in which `recipients` are accepted in one group.
fn pipelined(recipients: usize) -> (String, Vec<String>) {
    let to: Vec<String> = (0..recipients).map(|i| format!("user{i}@example.org")).collect();
    let mut script = String::from("S: 220 hi\nC: EHLO client.test\nS: 250-mail.example\nS: 250 PIPELINING\n");
    script.push_str("C: MAIL FROM:<alice@example.org>\n");
    script.extend(to.iter().map(|to| format!("C: RCPT TO:<{to}>\n")));
    script.push_str("C: DATA\n");
    script.push_str(&"S: 250 ok\n".repeat(recipients + 1));
    script.push_str("S: 354 go\nC: Subject: x\nC:\nC: body\nC: .\nS: 250 ok\n");
    (script, to)
}

#[test]
fn x03_x04_a_message_takes_two_writes_and_two_round_trips_however_many_recipients() {
    for recipients in [1, 100] {
        let (script, to) = pipelined(recipients);
        let counts = Arc::new(Mutex::new(Counts::default()));
        let stream = Counting { stream: Scripted(Stream::new(&*script)), counts: Arc::clone(&counts) };
        let mut client = smtp_blocking::Client::new(stream, config());
        client.capabilities().unwrap();
        let before = counts.lock().unwrap().clone();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let delivery = client.send(&envelope(&to), b"Subject: x\r\n\r\nbody\r\n").unwrap();
        assert_eq!(delivery.recipients.iter().filter(|r| r.is_accepted()).count(), recipients);
        let after = counts.lock().unwrap().clone();
        assert_eq!(after.writes - before.writes, 2, "{recipients} recipients");
        assert_eq!(after.reads - before.reads, 2, "{recipients} recipients");
        assert!(!after.read_unflushed, "x03: a reply was awaited before the command was flushed");
    }
}

#[test]
fn x08_dropping_a_client_says_nothing() {
    let script = "S: 220 hi\nC: EHLO client.test\nS: 250 mail.example\n";
    let stream = Stream::new(script);
    let peer = stream.peer();
    let mut client = smtp_blocking::Client::new(Scripted(stream), config());
    client.capabilities().unwrap();
    drop(client);
    peer.verify(false);
    let stream = Stream::new(script);
    let peer = stream.peer();
    drop(smtp_tokio::Client::new(tokio_stream::Local::new(stream), config()));
    peer.with(|peer| assert_eq!(peer.wire(), b""));
}

#[test]
fn d18_dropping_the_writer_never_commits() {
    let script = "
        S: 220 hi
        C: EHLO client.test
        S: 250 mail.example
        C: MAIL FROM:<alice@example.org>
        S: 250 ok
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        C: DATA
        S: 354 go
        C: half a message
        close
        ";
    let stream = Stream::new(script);
    let peer = stream.peer();
    let mut client = smtp_blocking::Client::new(Scripted(stream), config());
    client.mail(&"alice@example.org".parse().unwrap()).unwrap();
    client.rcpt(&"bob@example.org".parse().unwrap()).unwrap();
    let mut writer = client.data().unwrap();
    writer.write_all(b"half a message\r\n").unwrap();
    drop(writer);
    assert_eq!(client.noop().unwrap_err().into_kind(), Error::Poisoned);
    peer.verify(true);
}

#[test]
fn x09_x11_clients_are_send_sync_and_static_where_their_streams_are() {
    fn all<T: Send + Sync + 'static>() {}
    all::<smtp_blocking::Client<std::net::TcpStream>>();
    all::<smtp_tokio::Client<tokio::net::TcpStream>>();
    all::<smtp_tokio::Client<tokio::net::UnixStream>>();
    all::<smtp_tokio::Client<tokio::io::DuplexStream>>();
    all::<smtp_proto::Connection>();
    all::<smtp_blocking::SendError>();
    all::<smtp_tokio::SendError>();
}

#[test]
fn x04_tokio_takes_two_writes_a_message_too() {
    for recipients in [1, 100] {
        let (script, to) = pipelined(recipients);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let writes = Arc::new(AtomicUsize::new(0));
            let stream = tokio_stream::Local::counting(Stream::new(&*script), Arc::clone(&writes));
            let mut client = smtp_tokio::Client::new(stream, config());
            client.capabilities().await.unwrap();
            let before = writes.load(Ordering::Relaxed);
            let to: Vec<&str> = to.iter().map(String::as_str).collect();
            client.send(&envelope(&to), b"Subject: x\r\n\r\nbody\r\n").await.unwrap();
            assert_eq!(writes.load(Ordering::Relaxed) - before, 2, "{recipients} recipients");
        });
    }
}
