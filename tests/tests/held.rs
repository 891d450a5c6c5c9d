//! R07, INV8: what a connection holds, whatever the server says: a gibibyte of each hostile shape in each state, a
//! session that never ends, and outcomes whose texts the server chooses.
//!
//! Memory is counted by a counting allocator, never guessed. The bound is the one that `Connection` documents.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use allocation_counter::measure;
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{AuthCommand, Command, DataCommand};
use smtp_proto::connection::{Config, Connection, Peer, Protocol, TlsPolicy};
use smtp_proto::params::{MailParameters, RcptParameters};

/// What a connection holds at most with the default settings, as `Connection` and the README say.
const HELD: u64 = 1024 * 1024;

/// What it holds once it has failed: the error with the server's last reply, and which commands had no reply.
const HELD_AFTER_FAILURE: i64 = 128 * 1024;

/// By then each of 100 commands in flight could have been answered with as much as a reply may be.
const EARLY: usize = 16 << 20;

const GIBIBYTE: usize = 1 << 30;

/// What is fed at once: as much as an adapter reads.
const PIECE: usize = 16 * 1024;

type State = (&'static str, fn(&Arc<Config>) -> Connection);

/// A session that waits for a reply to each kind of command, or for nothing.
const STATES: [State; 16] = [
    ("greeting", |config| Connection::new(config.clone(), Peer::Remote)),
    ("EHLO", |config| {
        let mut connection = greeted(config);
        connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
        written(connection)
    }),
    ("STARTTLS", |config| said(config, Command::StartTls)),
    ("TLS handshake", |config| heard(said(config, Command::StartTls), "220 go\r\n")),
    ("AUTH", |config| said(config, AUTH)),
    ("AUTH response", |config| {
        let mut connection = heard(said(config, AUTH), "334 \r\n");
        connection.auth_respond(b"secret").unwrap();
        written(connection)
    }),
    ("idle", ready),
    ("MAIL", |config| {
        let mut connection = ready(config);
        mail(&mut connection);
        written(connection)
    }),
    ("RCPT", |config| {
        let mut connection = ready(config);
        mail(&mut connection);
        (0..100).for_each(|_| rcpt(&mut connection));
        heard(written(connection), "250 ok\r\n")
    }),
    ("DATA", |config| transaction(config, true)),
    ("body", |config| {
        let mut connection = heard(transaction(config, true), "354 go\r\n");
        let part = connection.body(b"a line\r\n").unwrap().len();
        connection.advance_output(part).unwrap();
        connection
    }),
    ("end of data", |config| finished(heard(transaction(config, true), "354 go\r\n"))),
    ("BDAT", |config| {
        let mut connection = transaction(config, false);
        connection.begin_chunks(DataCommand { rules: RULES, size: None }).unwrap();
        let part = connection.body(b"a line\r\n").unwrap().len();
        connection.advance_output(part).unwrap();
        connection
    }),
    ("BDAT LAST", |config| {
        let mut connection = transaction(config, false);
        connection.begin_chunks(DataCommand { rules: RULES, size: None }).unwrap();
        finished(connection)
    }),
    ("LMTP", |config| {
        let config = Arc::new((**config).clone().protocol(Protocol::Lmtp));
        finished(heard(transaction(&config, true), "354 go\r\n"))
    }),
    ("QUIT", |config| said(config, Command::Quit)),
];

const RULES: BodyRules = BodyRules::new(BodyKind::SevenBit);
const AUTH: Command<'static> = Command::Auth(AuthCommand { mechanism: "X", initial_response: None });

/// What a parser might be made to collect, or to look at again and again.
fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let fill = |piece: &[u8]| piece.repeat(PIECE.div_ceil(piece.len()));
    let long = |start: &str, octets| [start.as_bytes(), &vec![b'x'; octets][..], b"\r\n"].concat();
    let largest = [long("250-", 2044).repeat(31), long("250 ", 1000)].concat();
    vec![
        ("no line end", fill(b"2")),
        ("no line end in a text", fill(b"250 ")),
        ("no line end in a continuation", fill(b"250-")),
        ("NUL", fill(b"\0")),
        ("continuations without text", fill(b"250-\r\n")),
        ("short continuations", fill(b"250-a\n")),
        ("long continuations", fill(&long("250-", 2044))),
        ("continuations too long", fill(&long("250-", 3000))),
        ("keywords", fill(b"250-X-KEYWORD with parameters\r\n")),
        ("mechanisms", fill(&long("250-AUTH ", 2000))),
        ("challenges", fill(b"334 VXNlcm5hbWU6\r\n")),
        ("long challenges", fill(&long("334 ", 2040))),
        ("blank lines", fill(b"\r\n")),
        ("LF", fill(b"\n")),
        ("CR", fill(b"\r")),
        ("replies", fill(b"250 ok\r\n")),
        ("354", fill(b"354 go\r\n")),
        ("refusals", fill(b"550 no\r\n")),
        ("421", fill(&long("421 ", 2040))),
        ("replies as long as they may be", fill(&largest)),
    ]
}

#[test]
fn r07_a_gibibyte_of_anything_in_any_state_is_not_held() {
    let config = config();
    let mut most = (0, String::new());
    for (state, begin) in STATES {
        for (shape, piece) in shapes() {
            for taking in [true, false] {
                let held = feed(|| begin(&config), &piece, GIBIBYTE, taking);
                let what = format!("{state}, {shape}, events taken: {taking}");
                assert!(held.over, "{what}: it goes on");
                assert!(held.most <= HELD, "{what}: {} octets", held.most);
                assert!(held.end <= HELD_AFTER_FAILURE, "{what}: {} octets in the end", held.end);
                assert_eq!(held.late, 0, "{what}: allocations when it is over");
                most = most.max((held.most, what));
            }
        }
    }
    println!("at most {} octets: {}", most.0, most.1);
}

#[test]
fn r07_octet_by_octet_it_is_the_same() {
    let config = config();
    for (state, begin) in STATES {
        for (shape, piece) in shapes() {
            for octets in [1, 3] {
                let piece = &piece[..octets.min(piece.len())];
                let held = feed(|| begin(&config), piece, 1 << 17, true);
                assert!(held.most <= HELD, "{state}, {shape} in pieces of {octets}: {} octets", held.most);
            }
        }
    }
}

/// All that a connection can hold, it holds: capabilities, the domains that it counts, a window full of commands, and
/// input that nobody takes.
#[test]
fn inv8_all_of_it_at_once_is_within_the_bound() {
    let config = config();
    let bob = |i| format!("bob@d{i}.{}.{}example.net", "x".repeat(63), "x.".repeat(80));
    let counted = measure(|| {
        let mut connection = greeted(&config);
        connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
        let keyword = format!("250-X-{}\r\n", "x".repeat(2000));
        let ehlo = format!("{}250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1000\r\n", keyword.repeat(32));
        let mut connection = heard(written(connection), &ehlo);
        mail(&mut connection);
        let parameters = RcptParameters::new();
        for i in 0..1000 {
            let path = bob(i).parse().unwrap();
            connection.command(Command::Rcpt(&path, &parameters)).unwrap();
            // Most of them have been answered before.
            if i < 800 {
                connection = heard(written(connection), &"250 ok\r\n".repeat(if i == 0 { 2 } else { 1 }));
            }
        }
        while connection.has_room() {
            rcpt_to(&mut connection, &bob(0));
        }
        connection.receive(b"250 ok\r\n");
        (0..1000).for_each(|_| connection.receive(&[b'2'; 1000]));
    });
    println!("all at once: {} octets", counted.bytes_max);
    assert!(counted.bytes_max + size_of::<Connection>() as u64 <= HELD, "{} octets", counted.bytes_max);
    assert!(counted.bytes_max > HELD / 2, "the bound is far off: {} octets", counted.bytes_max);
}

/// A server that answers every EHLO with as much as it may say.
#[test]
fn inv8_what_an_ehlo_reply_said_goes_with_the_next() {
    let config = config();
    let ehlo = format!("{}250 PIPELINING\r\n", format!("250-AUTH {}\r\n", "x ".repeat(1000)).repeat(32));
    let counted = measure(|| {
        let mut connection = greeted(&config);
        let name = "client.test".parse().unwrap();
        for _ in 0..100 {
            connection.command(Command::Ehlo(&name)).unwrap();
            connection = heard(written(connection), &ehlo);
        }
        assert_eq!(connection.server_info().mechanisms.iter().count(), 31_000, "but for the first line");
    });
    println!("100 EHLO replies of {} octets: {} octets", ehlo.len(), counted.bytes_max);
    assert!(counted.bytes_max <= HELD, "{} octets", counted.bytes_max);
}

struct Held {
    /// The connection has failed or is closed.
    over: bool,
    most: u64,
    end: i64,
    /// Allocations after [`EARLY`] octets.
    late: u64,
}

fn feed(begin: impl FnOnce() -> Connection, piece: &[u8], octets: usize, taking: bool) -> Held {
    let mut connection = None;
    let mut late = 0;
    let mut begin = Some(begin);
    let counted = measure(|| {
        let mut subject = begin.take().unwrap()();
        let early = octets.min(EARLY) / piece.len();
        let all = octets / piece.len();
        (0..early).for_each(|_| give(&mut subject, piece, taking));
        if !taking {
            // What has been said is a function of the octets, and so is the end of it.
            while let Ok(Some(_)) = subject.poll_event() {}
        }
        late = measure(|| (early..all).for_each(|_| give(&mut subject, piece, false))).count_total;
        connection = Some(subject);
    });
    let connection = connection.unwrap();
    let over = connection.failure().is_some() || connection.is_closed();
    Held { over, most: counted.bytes_max, end: counted.bytes_current, late }
}

fn give(connection: &mut Connection, piece: &[u8], taking: bool) {
    connection.receive(piece);
    while taking && matches!(connection.poll_event(), Ok(Some(_))) {}
}

fn config() -> Arc<Config> {
    let config = Config::new("mail.example").client_name("client.test".parse().unwrap());
    Arc::new(config.tls(TlsPolicy::None).eager_chunks(true))
}

fn greeted(config: &Arc<Config>) -> Connection {
    heard(Connection::new(config.clone(), Peer::Local), "220 hi\r\n")
}

/// After EHLO.
fn ready(config: &Arc<Config>) -> Connection {
    let mut connection = greeted(config);
    let name = "client.test".parse().unwrap();
    connection.command(if config.is_lmtp() { Command::Lhlo(&name) } else { Command::Ehlo(&name) }).unwrap();
    let keywords = "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n250 AUTH X\r\n";
    heard(written(connection), keywords)
}

fn said(config: &Arc<Config>, command: Command<'_>) -> Connection {
    let mut connection = ready(config);
    connection.command(command).unwrap();
    written(connection)
}

fn mail(connection: &mut Connection) {
    let parameters = MailParameters::new();
    connection.command(Command::Mail(&"alice@example.org".parse().unwrap(), &parameters)).unwrap();
}

fn rcpt(connection: &mut Connection) {
    rcpt_to(connection, "bob@example.net");
}

fn rcpt_to(connection: &mut Connection, path: &str) {
    let parameters = RcptParameters::new();
    connection.command(Command::Rcpt(&path.parse().unwrap(), &parameters)).unwrap();
}

/// A transaction with 100 recipients, up to DATA if that is said.
fn transaction(config: &Arc<Config>, data: bool) -> Connection {
    let mut connection = ready(config);
    mail(&mut connection);
    (0..100).for_each(|_| rcpt(&mut connection));
    if data {
        connection.command(Command::Data(DataCommand { rules: RULES, size: None })).unwrap();
    }
    heard(written(connection), &"250 ok\r\n".repeat(101))
}

fn finished(mut connection: Connection) -> Connection {
    connection.finish_body().unwrap();
    written(connection)
}

fn heard(mut connection: Connection, replies: &str) -> Connection {
    connection.receive(replies.as_bytes());
    while connection.poll_event().unwrap().is_some() {}
    connection
}

fn written(mut connection: Connection) -> Connection {
    connection.advance_output(connection.output().len()).unwrap();
    connection
}
