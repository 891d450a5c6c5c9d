//! S14, S16: real sockets with buffers of a few kilobytes, in clear and under TLS, to servers that wait for their
//! replies to be read, or stop reading. The clock is only there so that a deadlock is a failure.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod transcripts;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use smtp_proto::SendError;
use smtp_proto::connection::{Config, Timeouts, TlsPolicy};
use smtp_proto::flow::{Delivery, Envelope};
use smtp_tests::library::Library;
use socket2::{Domain, Socket, Type};
use transcripts::tls;

/// Socket buffers, in octets; the kernel takes it as a hint.
const BUFFER: usize = 4096;

/// Whether it is smtp-tokio, and who does TLS, if there is any.
fn ways() -> impl Iterator<Item = (bool, Option<Library>)> {
    let ways = || [None].into_iter().chain(Library::all().iter().copied().map(Some));
    [false, true].into_iter().flat_map(move |is_tokio| ways().map(move |secure| (is_tokio, secure)))
}

fn socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_send_buffer_size(BUFFER).unwrap();
    socket.set_recv_buffer_size(BUFFER).unwrap();
    socket
}

/// A server with little room, for one connection.
fn serve<T: Send + 'static>(
    secure: bool,
    session: impl FnOnce(Box<dyn Duplex>) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = socket();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(1).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        if secure {
            let server = ServerConnection::new(tls().server.clone()).unwrap();
            session(Box::new(StreamOwned::new(server, stream)))
        } else {
            session(Box::new(stream))
        }
    });
    (address, thread)
}

trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

/// Sends one message through an adapter.
fn send(
    is_tokio: bool,
    secure: Option<Library>,
    address: SocketAddr,
    to: &Envelope,
    message: &[u8],
) -> Result<Delivery, SendError> {
    let policy = if secure.is_some() { TlsPolicy::Implicit } else { TlsPolicy::None };
    let config = Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(policy);
    let config = config.timeouts(Timeouts::all(Duration::from_secs(60)));
    let stream = socket();
    stream.connect(&address.into()).unwrap();
    let stream = TcpStream::from(stream);
    stream.set_nodelay(true).unwrap();
    if !is_tokio {
        let mut client = smtp_blocking::Client::new(stream, config);
        client.set_tls_config(tls().client(secure.unwrap_or_default()));
        return client.send(to, message).map_err(|error| error.into_kind());
    }
    stream.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let mut client = smtp_tokio::Client::new(stream, config);
        client.set_tls_config(tls().client(secure.unwrap_or_default()));
        client.send(to, message).await.map_err(|error| error.into_kind())
    })
}

/// It reads a command, and then writes 512 octets, whether anyone reads them or not.
fn answer_each_command(stream: Box<dyn Duplex>) {
    let mut stream = BufReader::with_capacity(64, stream);
    let say = |stream: &mut BufReader<Box<dyn Duplex>>, code: &str| {
        let reply = format!("{code} {:x<506}\r\n", "");
        let out = stream.get_mut();
        out.write_all(reply.as_bytes()).and_then(|()| out.flush()).is_ok()
    };
    let (mut data, mut line) = (false, String::new());
    let mut alive = say(&mut stream, "220");
    while alive {
        line.clear();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        alive = match line.trim_end() {
            "." => {
                data = false;
                say(&mut stream, "250")
            }
            _ if data => true,
            "DATA" => {
                data = true;
                say(&mut stream, "354")
            }
            hello if hello.starts_with("EHLO") => say(&mut stream, "250-hi\r\n250-PIPELINING\r\n250"),
            _ => say(&mut stream, "250"),
        };
    }
}

#[test]
fn s14_ten_thousand_recipients_over_small_buffers() {
    let to: Vec<String> = (0..10_000).map(|n| format!("recipient{n}@example.net")).collect();
    let to = Envelope::from_strs("alice@example.org", &to.iter().map(String::as_str).collect::<Vec<_>>());
    let to = to.unwrap();
    for (is_tokio, secure) in ways() {
        let (address, thread) = serve(secure.is_some(), answer_each_command);
        let since = std::time::Instant::now();
        let delivery = send(is_tokio, secure, address, &to, b"hi\r\n").unwrap();
        assert_eq!(delivery.recipients.iter().filter(|r| r.is_accepted()).count(), 10_000);
        thread.join().unwrap();
        println!("s14: tokio {is_tokio}, TLS {secure:?}: {:?}", since.elapsed());
    }
}

/// It refuses the message after its first line, and reads no more until the client has closed: what it finds then.
fn refuse_early(stream: Box<dyn Duplex>) -> std::io::Result<u64> {
    let mut stream = BufReader::with_capacity(64, stream);
    let mut line = String::new();
    for reply in ["220 hi", "250 hi", "250 sender ok", "250 bob ok", "354 go", "552 5.3.4 too big"] {
        let out = stream.get_mut();
        out.write_all(format!("{reply}\r\n").as_bytes()).and_then(|()| out.flush()).unwrap();
        if !reply.starts_with("552") {
            stream.read_line(&mut line).unwrap();
        }
    }
    // Long enough for the client to have filled every buffer and to have closed; if it has not, it is slow, and
    // what follows waits for it.
    std::thread::sleep(Duration::from_millis(700));
    std::io::copy(&mut stream, &mut std::io::sink())
}

#[test]
fn s16_a_refusal_by_a_server_that_reads_no_more() {
    let to = Envelope::from_strs("alice@example.org", &["bob@example.org"]).unwrap();
    let message = b"a line of the message\r\n".repeat(100_000);
    for (is_tokio, secure) in ways() {
        let (address, thread) = serve(secure.is_some(), refuse_early);
        let error = send(is_tokio, secure, address, &to, &message).unwrap_err();
        let way = format!("tokio {is_tokio}, TLS {secure:?}: {error:?}");
        assert!(matches!(error, SendError::Rejected { .. }), "{way}");
        assert_eq!(error.reply().map(|reply| reply.code().get()), Some(552), "{way}");
        // The client has gone in the middle of the message: it did not wait for the rest to be read.
        let rest = thread.join().unwrap();
        assert!(!matches!(rest, Ok(octets) if octets > 1_000_000), "{way}: {rest:?}");
    }
}

/// It takes the message in pieces, with pauses that are longer than any one write of the client's lasts.
fn read_haltingly(stream: Box<dyn Duplex>) -> Vec<u8> {
    let mut stream = BufReader::with_capacity(64, stream);
    let mut line = Vec::new();
    for reply in ["220 hi", "250 hi", "250 sender ok", "250 bob ok", "354 go"] {
        let out = stream.get_mut();
        out.write_all(format!("{reply}\r\n").as_bytes()).and_then(|()| out.flush()).unwrap();
        if !reply.starts_with("354") {
            line.clear();
            stream.read_until(b'\n', &mut line).unwrap();
        }
    }
    let mut message = Vec::new();
    for pause in [900, 500, 0] {
        std::thread::sleep(Duration::from_millis(pause));
        for _ in 0..4000 {
            let before = message.len();
            stream.read_until(b'\n', &mut message).unwrap();
            if &message[before..] == b".\r\n" {
                message.truncate(before);
                let out = stream.get_mut();
                out.write_all(b"250 ok\r\n").and_then(|()| out.flush()).unwrap();
                return message;
            }
        }
    }
    panic!("no end in {} octets", message.len());
}

#[test]
fn x01_what_had_to_wait_for_room_leaves_once_and_in_order() {
    let to = Envelope::from_strs("alice@example.org", &["bob@example.org"]).unwrap();
    let message: Vec<u8> =
        (0..10_000).flat_map(|n| format!("line {n:06} of the message\r\n").into_bytes()).collect();
    for (is_tokio, secure) in ways() {
        let (address, thread) = serve(secure.is_some(), read_haltingly);
        let way = format!("tokio {is_tokio}, TLS {secure:?}");
        assert!(send(is_tokio, secure, address, &to, &message).is_ok(), "{way}");
        assert!(thread.join().unwrap() == message, "{way}");
    }
}
