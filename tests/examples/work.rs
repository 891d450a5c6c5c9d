//! One hostile input of a given size, and what the core does about it: `work SHAPE N`. `tests/work/run` counts the
//! instructions of each for *n* and for *2n*.
//!
//! The limits are lifted, so that a shape can be as long as it takes to tell linear from quadratic; what the server
//! says is as short as it may be, so that the cost of bookkeeping is not hidden behind that of octets.

use std::hint::black_box;

use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Peer, Protocol, TlsPolicy, Window};
use smtp_proto::flow::{Batch, Body, Envelope, Flow, Hello, Open, SendOptions, Step, Transfer};
use smtp_proto::params::{MailParameters, RcptParameters};
use smtp_proto::reply::ReplyLimits;

/// A shape of input, how large it is at the least, and what is done with it.
pub struct Shape {
    /// As it is called on the command line.
    pub name: &'static str,
    /// The smaller of the two sizes that are compared.
    pub size: usize,
    /// Does it.
    pub run: fn(usize),
}

const fn shape(name: &'static str, size: usize, run: fn(usize)) -> Shape {
    Shape { name, size, run }
}

/// All of them.
pub const SHAPES: [Shape; 31] = [
    // ---- what the server says ----
    shape("reply-of-many-lines", 40_000, |n| reply(&b"250-\r\n".repeat(n), usize::MAX)),
    shape("reply-of-many-lines-octet-by-octet", 10_000, |n| reply(&b"250-\r\n".repeat(n), 1)),
    shape("reply-of-many-lines-in-threes", 10_000, |n| reply(&b"250-a\r\n".repeat(n), 3)),
    shape("long-line-octet-by-octet", 50_000, |n| reply(&[b"250 ", &vec![b'x'; n][..]].concat(), 1)),
    shape("line-of-returns-octet-by-octet", 50_000, |n| reply(&[b"250 ", &vec![b'\r'; n][..]].concat(), 1)),
    shape("many-replies", 20_000, |n| replies(n, usize::MAX)),
    shape("many-replies-octet-by-octet", 10_000, |n| replies(n, 1)),
    shape("reply-shown", 40_000, |n| {
        let mut connection = said();
        connection.receive(&[&b"550-\x1b\r\n".repeat(n)[..], b"550 \r\n"].concat());
        black_box(format!("{:?}", connection.poll_event()));
    }),
    shape("keywords", 10_000, |n| drop(hello(&config(), &"250-X\r\n".repeat(n)))),
    shape("keywords-octet-by-octet", 5_000, |n| {
        drop(hello_in_pieces(&config(), &"250-X\r\n".repeat(n), 1));
    }),
    shape("auth-lines", 10_000, |n| {
        let connection = hello(&config(), &"250-AUTH X\r\n".repeat(n));
        black_box(connection.server_info().mechanisms.contains("PLAIN"));
    }),
    shape("mechanisms", 20_000, |n| {
        let connection = hello(&config(), &format!("250-AUTH{}\r\n", " X".repeat(n)));
        black_box(connection.server_info().mechanisms.contains("PLAIN"));
    }),
    shape("ehlo-again", 100, |n| {
        let mut connection = hello(&config(), "");
        for _ in 0..n {
            let _ = Hello::new().poll(&mut connection);
            written(&mut connection);
            connection.receive(format!("{}250 PIPELINING\r\n", "250-X\r\n".repeat(100)).as_bytes());
            while let Ok(Some(_)) = connection.poll_event() {}
        }
    }),
    shape("mail-after-many-keywords", 2_000, |n| {
        let mut connection = hello(&config(), &format!("250-SIZE 9\r\n{}", "250-X\r\n".repeat(n)));
        for _ in 0..n {
            mail(&mut connection);
            connection.command(Command::Rset).unwrap_or_else(|error| unreachable!("{error}"));
            written(&mut connection);
            connection.receive(b"250\r\n250\r\n");
            while let Ok(Some(_)) = connection.poll_event() {}
        }
    }),
    shape("rcpt-with-long-limits", 2_000, |n| {
        let mut connection = hello(&config(), &format!("250-LIMITS{}\r\n", " X=1".repeat(n)));
        mail(&mut connection);
        (0..n).for_each(|_| rcpt(&mut connection));
    }),
    // ---- what the client says ----
    shape("queue-written-octet-by-octet", 4_000, |n| {
        let mut connection = hello(&config(), "");
        mail(&mut connection);
        (0..n).for_each(|_| rcpt(&mut connection));
        while !connection.output().is_empty() && connection.advance_output(1).is_ok() {}
    }),
    shape("queue-answered-as-it-is-written", 4_000, |n| {
        let mut connection = hello(&config(), "");
        mail(&mut connection);
        (0..n).for_each(|_| rcpt(&mut connection));
        written(&mut connection);
        for _ in 0..n {
            connection.receive(b"250\r\n");
            black_box(connection.poll_event().is_ok());
            rcpt(&mut connection);
            written(&mut connection);
        }
    }),
    shape("body-of-dots", 100_000, |n| body(&b"\r\n.".repeat(n), usize::MAX, false)),
    shape("body-of-dots-octet-by-octet", 20_000, |n| body(&b"\r\n.".repeat(n), 1, false)),
    shape("body-of-stray-ends", 100_000, |n| body(&b"\n\r.".repeat(n), usize::MAX, false)),
    shape("counted-body-of-stray-ends", 100_000, |n| body(&b"\n\r.".repeat(n), usize::MAX, true)),
    shape("body-in-one-line", 500_000, |n| body(&vec![b'x'; n], 1000, false)),
    // ---- flows ----
    shape("recipients", 5_000, |n| transaction(n, config(), "", "250\r\n")),
    shape("recipients-refused", 5_000, |n| transaction(n, config(), "", "550\r\n")),
    shape("recipients-refused-in-a-small-window", 5_000, |n| {
        transaction(n, narrow(), "", "550\r\n");
    }),
    shape("recipients-of-lmtp", 5_000, |n| transaction(n, config().protocol(Protocol::Lmtp), "", "250\r\n")),
    shape("recipients-one-by-one", 1_000, |n| {
        transaction(n, config(), "250-LIMITS RCPTMAX=1\r\n", "250\r\n");
    }),
    shape("messages", 2_000, |n| batch(n, config(), "", Transfer::Data)),
    shape("messages-in-chunks", 2_000, |n| batch(n, config(), "250-CHUNKING\r\n", Transfer::Chunks)),
    shape("messages-in-chunks-in-a-small-window", 2_000, |n| {
        batch(n, narrow(), "250-CHUNKING\r\n", Transfer::Chunks);
    }),
    shape("messages-not-sent", 2_000, |n| {
        let envelope = envelope(1);
        let mut batch = Batch::new();
        let mut connection = hello(&config(), "");
        (0..n).for_each(|_| batch.push(&envelope, Body::Whole(MESSAGE), SendOptions::default()));
        let _ = batch.poll(&mut connection);
        connection.receive_eof();
        let _ = batch.poll(&mut connection);
        while batch.next_outcome().is_some() {}
    }),
];

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        SHAPES.iter().for_each(|shape| println!("{} {}", shape.name, shape.size));
        return Ok(());
    };
    let shape = SHAPES.iter().find(|shape| shape.name == name).ok_or(format!("no shape is called {name}"))?;
    let size = arguments.next().ok_or("usage: work SHAPE N")?;
    (shape.run)(size.parse().map_err(|_| format!("{size} is no number"))?);
    Ok(())
}

const MESSAGE: &[u8] = b"x\r\n";

fn config() -> Config {
    let limits = ReplyLimits::default().with_line(1 << 30).with_lines(1 << 30).with_reply(1 << 30);
    let mut window = Window::default();
    (window.commands, window.octets, window.chunks) = (1 << 30, 1 << 30, 1 << 30);
    let config = Config::new("mail.example").tls(TlsPolicy::None).eager_chunks(true);
    config.limits(limits.with_unread(1 << 30)).window(window)
}

fn narrow() -> Config {
    let mut window = Window::default();
    (window.commands, window.octets, window.chunks) = (2, 100, 1);
    config().window(window)
}

fn hello(config: &Config, keywords: &str) -> Connection {
    hello_in_pieces(config, keywords, usize::MAX)
}

/// A session in which the server offers these keywords.
fn hello_in_pieces(config: &Config, keywords: &str, piece: usize) -> Connection {
    let mut connection = Connection::new(config.clone(), Peer::Remote);
    connection.receive(b"220\r\n");
    let mut open = Open::new();
    let _ = open.poll(&mut connection);
    written(&mut connection);
    let reply = format!("250-x\r\n{keywords}250 PIPELINING\r\n");
    for piece in reply.as_bytes().chunks(piece) {
        connection.receive(piece);
        let _ = open.poll(&mut connection);
    }
    assert!(connection.is_ready());
    connection
}

fn written(connection: &mut Connection) {
    let all = connection.output().len();
    assert!(connection.advance_output(all).is_ok());
}

/// A session that waits for a reply.
fn said() -> Connection {
    let mut connection = hello(&config(), "");
    assert!(connection.command(Command::Noop).is_ok());
    written(&mut connection);
    connection
}

fn reply(octets: &[u8], piece: usize) {
    let mut connection = said();
    for piece in octets.chunks(piece) {
        connection.receive(piece);
        assert!(matches!(connection.poll_event(), Ok(None)));
        black_box((connection.output(), connection.timeout(), connection.is_idle()));
    }
}

fn replies(n: usize, piece: usize) {
    let mut connection = hello(&config(), "");
    mail(&mut connection);
    (0..n).for_each(|_| rcpt(&mut connection));
    written(&mut connection);
    let mut answered = 0;
    for piece in b"250\r\n".repeat(n + 1).chunks(piece) {
        connection.receive(piece);
        while let Ok(Some(_)) = connection.poll_event() {
            answered += 1;
        }
        black_box((connection.output(), connection.timeout(), connection.is_idle()));
    }
    assert_eq!(answered, n + 1);
}

fn mail(connection: &mut Connection) {
    let Ok(path) = "a@x".parse() else { return };
    assert!(connection.command(Command::Mail(&path, &MailParameters::new())).is_ok());
}

fn rcpt(connection: &mut Connection) {
    let Ok(path) = "b@x".parse() else { return };
    assert!(connection.command(Command::Rcpt(&path, &RcptParameters::new())).is_ok());
}

fn body(octets: &[u8], piece: usize, counted: bool) {
    let rules = BodyRules::new(BodyKind::SevenBit);
    let mut encoder = if counted { BodyEncoder::counted(rules) } else { BodyEncoder::new(rules) };
    for piece in octets.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            let Ok(part) = encoder.encode(rest) else { return };
            part.slices().for_each(|slice| {
                black_box(slice);
            });
            rest = &rest[part.consumed()..];
        }
    }
}

fn envelope(n: usize) -> Envelope {
    let to: Vec<_> = (0..n).filter_map(|_| "b@x".parse().ok()).collect();
    assert_eq!(to.len(), n);
    match "a@x".parse() {
        Ok(from) => Envelope::new(from, to),
        Err(error) => unreachable!("{error}"),
    }
}

/// One message to `n` recipients, of whom the server says this.
fn transaction(n: usize, config: Config, keywords: &str, rcpt: &'static str) {
    let envelope = envelope(n);
    let mut connection = if config.is_lmtp() { lhlo(&config) } else { hello(&config, keywords) };
    let mut batch = Batch::new();
    let options = SendOptions::default().transfer(Transfer::Data).split(true);
    batch.push(&envelope, Body::Whole(MESSAGE), options);
    batch.finish();
    let finals = if config.is_lmtp() { n } else { 1 };
    drive(&mut batch, &mut connection, rcpt, finals, |_| {});
    let told = batch.next_outcome().map(|outcome| match outcome {
        Ok(delivery) => delivery.recipients.len(),
        Err(error) => error.recipients().len(),
    });
    assert_eq!(told, Some(n));
}

fn lhlo(config: &Config) -> Connection {
    let mut connection = Connection::new(config.clone(), Peer::Remote);
    connection.receive(b"220\r\n");
    let mut open = Open::new();
    let _ = open.poll(&mut connection);
    written(&mut connection);
    connection.receive(b"250-x\r\n250 PIPELINING\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    connection
}

/// `n` messages, each handed in when it is asked for, and no outcome taken before the end.
fn batch(n: usize, config: Config, keywords: &str, transfer: Transfer) {
    let envelope = envelope(1);
    let mut connection = hello(&config, keywords);
    let mut batch = Batch::new();
    let mut left = n;
    drive(&mut batch, &mut connection, "250\r\n", 1, |batch| {
        if left == 0 {
            return batch.finish();
        }
        left -= 1;
        batch.push(&envelope, Body::Whole(MESSAGE), SendOptions::default().transfer(transfer));
    });
    assert_eq!(batch.outcomes(), n);
    while let Some(outcome) = batch.next_outcome() {
        assert!(outcome.is_ok());
    }
}

/// Sends what the batch has. The server hears all that there is to hear, and answers it together.
fn drive<'e>(
    batch: &mut Batch<&'e Envelope>,
    connection: &mut Connection,
    rcpt: &str,
    finals: usize,
    mut more: impl FnMut(&mut Batch<&'e Envelope>),
) {
    let mut said = Vec::new();
    loop {
        while batch.wants_message() {
            more(batch);
        }
        match batch.poll(connection) {
            Err(error) => unreachable!("{error}"),
            Ok(Step::Done(())) => return,
            Ok(Step::SupplyBody { .. }) => {
                let Ok(part) = connection.body(MESSAGE) else { unreachable!() };
                part.slices().for_each(|slice| said.extend_from_slice(slice));
                assert!(connection.advance_output(part.len()).is_ok());
                assert!(connection.finish_body().is_ok());
            }
            Ok(_) if batch.wants_message() => {}
            Ok(_) if !connection.output().is_empty() => {
                said.extend_from_slice(connection.output());
                written(connection);
            }
            Ok(_) => {
                assert!(!said.is_empty());
                let heard = std::mem::take(&mut said);
                for line in heard.split(|&octet| octet == b'\n').filter_map(|line| line.strip_suffix(b"\r")) {
                    let (reply, times) = match line {
                        b"x" => continue,
                        b"." => ("250\r\n", finals),
                        b"DATA" => ("354\r\n", 1),
                        [b'R', b'C', ..] => (rcpt, 1),
                        _ => ("250\r\n", 1),
                    };
                    (0..times).for_each(|_| connection.receive(reply.as_bytes()));
                }
            }
        }
    }
}
