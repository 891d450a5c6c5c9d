//! What is told of a session besides its results, by the core alone: counters, the transcript, progress, and what the
//! crate `tracing` hears. With sockets, in full and through the adapters: `counters`, `transcript_entries`, `progress`
//! and `tracing`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "tracing/capture.rs"]
#[allow(dead_code)]
mod capture;
mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capture::Capture;
use common::{FROM, config};
use smtp_proto::Error;
use smtp_proto::connection::{
    Connection, Counters, Direction, Peer, Stage, TlsPolicy, TranscriptEntry, TranscriptLine,
};
use smtp_proto::flow::{
    Authenticate, Body, Flow, Meter, Open, Progress, Send, SendError, SendOptions, Step, Summary,
};
use smtp_proto::sasl::{Login, Plain};
use smtp_proto::security::{TlsState, TlsVersion};
use smtp_proto::watch::{Watch, tell_unreachable};
use smtp_tests::script::envelope;
use tracing::Level;

const MESSAGE: &[u8] = b"Subject: confidential\r\n\r\n.confidential\r\n";

/// A session, and the server's end of it, which counts for itself.
struct Session {
    connection: Connection,
    heard: Vec<u8>,
    said: Vec<u8>,
}

impl Session {
    fn new(tls: TlsPolicy) -> Self {
        let connection = Connection::new(config(tls), Peer::Remote);
        Self { connection, heard: Vec::new(), said: Vec::new() }
    }

    /// Runs a flow; whenever it waits, the server says the next of these, and where there is no more, hangs up.
    fn run<F: Flow>(&mut self, mut flow: F, replies: &str) -> Result<F::Output, F::Error> {
        let mut replies = replies.split('|');
        let mut at = 0;
        loop {
            match flow.poll(&mut self.connection)? {
                Step::Done(output) => {
                    assert_eq!(replies.next(), None, "the server would have said more");
                    return Ok(output);
                }
                Step::UpgradeTls(upgrade) => self.connection.tls_established(upgrade).unwrap(),
                Step::SupplyBody { .. } => self.connection.supply_body(MESSAGE, &mut at),
                Step::Continue if !self.connection.output().is_empty() => {
                    self.heard.extend_from_slice(self.connection.output());
                    self.connection.advance_output(self.connection.output().len()).unwrap();
                }
                Step::Continue => match replies.next() {
                    Some(reply) => {
                        let reply = format!("{}\r\n", reply.replace('\n', "\r\n"));
                        self.said.extend_from_slice(reply.as_bytes());
                        self.connection.receive(reply.as_bytes());
                    }
                    None => self.connection.receive_eof(),
                },
            }
        }
    }

    fn open(&mut self) {
        self.run(
            Open::new(),
            "220 hi|250-hi\n250 STARTTLS|220 go|250-hi\n250-PIPELINING\n250 AUTH PLAIN LOGIN",
        )
        .unwrap();
    }

    fn auth(&mut self, replies: &str) -> Result<(), Error> {
        self.run(Authenticate::new(Plain::new("", "tim", "tanstaaf", "mail.example")), replies).map(drop)
    }

    fn send(&mut self, recipients: &[&str], replies: &str) -> Result<(), SendError> {
        let envelope = envelope(FROM, recipients);
        let (body, options) = (Body::Whole(MESSAGE), SendOptions::default());
        self.run(Send::new(&envelope, body, options), replies).map(drop)
    }

    /// Every kind of outcome, one after the other.
    fn through_all(&mut self) {
        self.open();
        self.auth("535 5.7.8 no").unwrap_err();
        self.auth("235 2.7.0 ok").unwrap();
        let (bob, carol, dave) = ("bob@example.net", "carol@example.net", "dave@example.net");
        self.send(&[bob, carol], "250 ok|250 ok\n550 5.1.1 carol?\n354 go|250 2.0.0 Ok: queued as 7F")
            .unwrap();
        self.send(&[bob, carol], "250 ok|250 ok|250 ok|354 go|250 fine").unwrap();
        let error = self.send(&[dave], "250 ok|250 ok|354 go|552 5.2.2 full").unwrap_err();
        assert!(matches!(error, SendError::Rejected { .. }));
        let error = self.send(&["dävid@example.net"], "").unwrap_err();
        assert!(matches!(error, SendError::NotSent { .. }));
        let error = self.send(&[bob, carol, dave], "250 ok|250 ok|450 later|250 ok|354 go").unwrap_err();
        assert!(matches!(error, SendError::Unknown { .. }));
    }
}

fn named(counters: &Counters) -> Vec<(&'static str, u64)> {
    counters.iter().collect()
}

#[test]
fn each_counter_counts_what_its_name_says() {
    let mut session = Session::new(TlsPolicy::Required);
    assert_eq!(session.connection.counters(), Counters::default());
    session.through_all();
    let lines = session.heard.split(|&octet| octet == b'\n').count() - 1;
    // Four messages have left, each of three lines and a dot.
    let commands = (lines - 4 * 4) as u64;
    assert_eq!(
        named(&session.connection.counters()),
        [
            ("sessions", 1),
            ("failures", 1),
            ("tls_handshakes", 1),
            ("authentications", 1),
            ("authentications_refused", 1),
            ("octets_in", session.said.len() as u64),
            ("octets_out", session.heard.len() as u64),
            ("commands", commands),
            ("replies_2yz", 17),
            ("replies_3yz", 4),
            ("replies_4yz", 1),
            ("replies_5yz", 3),
            ("recipients_accepted", 6),
            ("recipients_refused", 2),
            ("messages_accepted", 2),
            ("messages_rejected", 1),
            ("messages_not_sent", 1),
            ("messages_unknown", 1),
        ]
    );
}

#[test]
fn what_comes_after_the_end_is_not_counted() {
    let mut session = Session::new(TlsPolicy::None);
    session.connection.abandon();
    session.connection.receive(b"220 hi\r\n");
    assert_eq!(session.connection.counters().octets_in, 0);
    assert_eq!(session.connection.poll_event(), Err(Error::Abandoned));
}

#[test]
fn counters_are_added_and_taken_apart() {
    let mut session = Session::new(TlsPolicy::Required);
    session.open();
    let earlier = session.connection.counters();
    session.auth("535 5.7.8 no").unwrap_err();
    let later = session.connection.counters();
    let since = later.since(&earlier);
    let changed: Vec<_> = since.iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
    assert_eq!(changed, ["authentications_refused", "octets_in", "octets_out", "commands", "replies_5yz"]);
    assert_eq!(earlier.since(&later), Counters::default(), "nothing is counted below zero");

    let mut sum = earlier;
    sum += since;
    assert_eq!(sum, later);
    assert_eq!([earlier, since].into_iter().sum::<Counters>(), later);
    let twice = [later, later].into_iter().sum::<Counters>();
    assert!(twice.iter().zip(later.iter()).all(|((_, twice), (_, once))| twice == 2 * once));
}

#[test]
fn an_entry_tells_who_said_it_what_it_answers_and_when() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hook = Arc::clone(&told);
    let mut session = Session::new(TlsPolicy::Required);
    assert!(!session.connection.has_transcript());
    session.connection.set_transcript(move |entry: TranscriptEntry<'_>| {
        let mark = match entry.direction() {
            Direction::Sent => '>',
            Direction::Received => '<',
            Direction::Both => '=',
        };
        let (stage, time) = (entry.stage(), entry.time());
        let offered = entry.capabilities().map(|offered| offered.iter().count());
        assert_eq!(format!("{entry:?}"), entry.to_string());
        assert_eq!(format!("{:?}", entry.line()), entry.to_string());
        assert_eq!(
            entry.direction() == Direction::Received,
            matches!(entry.line(), TranscriptLine::Server(_))
        );
        hook.lock().unwrap().push(format!("{mark} {entry} {stage:?} {time:?} {offered:?}"));
    });
    assert!(session.connection.has_transcript());
    session.connection.set_time(Duration::from_secs(7));
    session.open();
    session.connection.set_time(Duration::from_secs(8));
    session
        .run(Authenticate::new(Login::new("tim", "tanstaaf", "mail.example")), "334 VXNl|334 UGFz|235 in")
        .unwrap();
    session.send(&["bob@example.net"], "250 ok|250 ok|354 go|250 fine").unwrap();
    assert_eq!(
        *told.lock().unwrap(),
        [
            "< S: 220 hi Some(Greeting) Some(7s) None",
            "> C: EHLO client.test None Some(7s) None",
            "< S: 250-hi\nS: 250 STARTTLS Some(Ehlo) Some(7s) Some(1)",
            "> C: STARTTLS None Some(7s) None",
            "< S: 220 go Some(StartTls) Some(7s) None",
            "= -- TLS established -- None Some(7s) None",
            "> C: EHLO client.test None Some(7s) None",
            "< S: 250-hi\nS: 250-PIPELINING\nS: 250 AUTH PLAIN LOGIN Some(Ehlo) Some(7s) Some(2)",
            "> C: AUTH LOGIN None Some(8s) None",
            "< S: 334 <challenge, 4 octets> Some(Auth) Some(8s) None",
            "> C: <redacted 4 octets> None Some(8s) None",
            "< S: 334 <challenge, 4 octets> Some(Auth) Some(8s) None",
            "> C: <redacted 12 octets> None Some(8s) None",
            "< S: 235 in Some(Auth) Some(8s) None",
            "> C: MAIL FROM:<alice@example.org> None Some(8s) None",
            "> C: RCPT TO:<bob@example.net> None Some(8s) None",
            "> C: DATA None Some(8s) None",
            "< S: 250 ok Some(Mail) Some(8s) None",
            "< S: 250 ok Some(Rcpt) Some(8s) None",
            "< S: 354 go Some(Data) Some(8s) None",
            "> C: <body, 41 octets> None Some(8s) None",
            "> C: . None Some(8s) None",
            "< S: 250 fine Some(EndOfData) Some(8s) None",
        ]
    );
}

#[test]
fn what_a_server_offers_is_told_by_its_success_alone() {
    let offered: Arc<Mutex<Vec<bool>>> = Arc::default();
    let hook = Arc::clone(&offered);
    let mut session = Session::new(TlsPolicy::None);
    session.connection.set_transcript(move |entry| {
        if entry.stage() == Some(Stage::Ehlo) {
            hook.lock().unwrap().push(entry.capabilities().is_some());
        }
    });
    session.run(Open::new(), "220 hi|502 what?|250 hi").unwrap();
    assert_eq!(*offered.lock().unwrap(), [false]);
}

#[test]
fn progress_goes_on_through_the_pieces_and_is_told_complete_once() {
    let at = |message, accepted, total| Some((message, accepted, total));
    let seen = |progress: Option<Progress>| progress.map(|told| (told.message, told.accepted, told.total));
    let mut meter = Meter::new(3, Some(10));
    assert_eq!(seen(Some(meter.progress())), at(3, 0, Some(10)));
    assert_eq!(seen(meter.written(0)), None, "nothing has been written");
    assert_eq!(seen(meter.written(4)), at(3, 4, Some(10)));
    assert_eq!(seen(meter.written(4)), None, "told already");
    assert!(!meter.progress().is_complete());
    meter.next_piece(6);
    assert_eq!(seen(meter.written(4)), at(3, 10, Some(10)));
    assert!(meter.progress().is_complete());
    assert_eq!(seen(meter.finish()), None, "told already");
    // Asked for again, it is told of only where it comes further.
    assert_eq!(seen(meter.written(10)), None);
    assert_eq!(seen(meter.progress().is_complete().then(|| meter.progress())), at(3, 10, Some(10)));

    let mut unknown = Meter::new(0, None);
    assert_eq!(seen(unknown.written(5)), at(0, 5, None));
    assert!(!unknown.progress().is_complete());
    assert_eq!(seen(unknown.finish()), at(0, 5, Some(5)), "now it is known that this is all");
    assert_eq!(seen(Meter::new(0, Some(0)).finish()), at(0, 0, Some(0)), "an empty message is told of, too");
    assert_eq!(seen(Meter::new(0, Some(9)).finish()), at(0, 0, Some(0)), "what came is what counts");
}

#[test]
fn a_summary_has_the_code_and_how_many_recipients() {
    let mut session = Session::new(TlsPolicy::None);
    session.run(Open::new(), "220 hi|250 hi").unwrap();
    let recipients = envelope(FROM, &["bob@example.net", "carol@example.net", "dave@example.net"]);
    let send = Send::new(&recipients, Body::Whole(MESSAGE), SendOptions::default());
    let delivery =
        session.run(send, "250 ok|250 ok|550 no|250 ok|354 go|250 2.0.0 Ok: queued as 7F").unwrap();
    let summary = Summary::of(Ok(&delivery));
    assert_eq!((summary.outcome, summary.accepted, summary.refused), ("accepted", 2, 1));
    assert_eq!((summary.code.map(|code| code.get()), summary.queue_id), (Some(250), Some("7F")));
}

/// A clock by which each look at it takes a millisecond.
fn clock() -> impl Fn() -> Duration + Clone {
    let looks = Arc::new(AtomicU64::new(0));
    move || Duration::from_millis(looks.fetch_add(1, Ordering::SeqCst))
}

/// What a session tells at this level, and how many octets came and went in it.
fn captured(level: Level) -> (Vec<String>, String) {
    let capture = Capture::new(level);
    let octets = tracing::subscriber::with_default(capture.clone(), || {
        let mut session = Session::new(TlsPolicy::Required);
        let peer = "192.0.2.1:25".parse().unwrap();
        let mut watch = Watch::begin(&mut session.connection, Some(peer), clock());
        watch.tell_time(&mut session.connection);
        session.open();
        watch.tell_tls(|| {
            let mut state = TlsState::default();
            state.version = Some(TlsVersion::Tls13);
            state.cipher_suite = Some("TLS_AES_128_GCM_SHA256".into());
            Some(state)
        });
        watch.tell(&session.connection, None);
        watch.tell_time(&mut session.connection);
        session.auth("535 5.7.8 no").unwrap_err();
        session.auth("235 2.7.0 ok").unwrap();
        watch.tell(&session.connection, None);

        let tracker = watch.tracker();
        let mut track = tracker.begin(0, Some(2), Some(40));
        let envelope = envelope(FROM, &["bob@example.net", "carol@example.net"]);
        let send = Send::new(&envelope, Body::Whole(MESSAGE), SendOptions::default());
        let delivery =
            session.run(send, "250 ok|250 ok|550 5.1.1 no|354 go|250 2.0.0 Ok: queued as 7F").unwrap();
        track.passed(30);
        track.passed(10);
        track.over(Ok(&delivery));
        drop(tracker.begin(1, None, None));
        let track = tracker.begin(2, None, None);
        let error = session.send(&["dave@example.net"], "250 ok").unwrap_err();
        track.over(Err(&error));
        watch.tell(&session.connection, Some(&"reset\nby peer"));
        watch.tell(&session.connection, Some(&"told already"));
        format!("octets_in={} octets_out={}", session.said.len(), session.heard.len())
    });
    assert_eq!(capture.open(), 0);
    (capture.lines(|_| true), octets)
}

#[test]
fn spans_have_their_fields_and_failures_are_warnings() {
    let (lines, octets) = captured(Level::INFO);
    let session = format!(
        "smtp.session (INFO, in nothing) auth.mechanism=PLAIN duration_us=9000 extensions=PIPELINING AUTH \
         host=mail.example {octets} peer=192.0.2.1:25 protocol=smtp tls.cipher=TLS_AES_128_GCM_SHA256 tls.version=TLS 1.3"
    );
    assert_eq!(
        lines,
        [
            session.as_str(),
            "  WARN in smtp.session: authentication refused code=535 enhanced=5.7.8 mechanism=PLAIN",
            "smtp.message (INFO, in smtp.session) code=250 duration_us=1000 enhanced=2.0.0 number=0 octets=40 \
             outcome=accepted queue_id=7F recipients=2 recipients_accepted=1 recipients_refused=1 size=40",
            "smtp.message (INFO, in smtp.session) duration_us=1000 number=1 outcome=abandoned",
            "smtp.message (INFO, in smtp.session) cause=disconnected duration_us=1000 number=2 octets=0 \
             outcome=not_sent stage=RCPT",
            "  WARN in smtp.message: the message was not accepted cause=disconnected outcome=not_sent stage=RCPT",
            "  WARN in smtp.session: the connection is lost cause=disconnected io=reset\\nby peer stage=RCPT",
        ]
    );
}

#[test]
fn replies_are_for_debug_and_words_for_trace() {
    let (lines, _) = captured(Level::DEBUG);
    let replies: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("  DEBUG in smtp.session: ")).collect();
    assert_eq!(
        replies,
        [
            "reply code=220 elapsed_us=1000 stage=the greeting",
            "reply code=250 elapsed_us=0 stage=EHLO",
            "reply code=220 elapsed_us=0 stage=STARTTLS",
            "TLS is established elapsed_us=0",
            "reply code=250 elapsed_us=0 stage=EHLO",
            "reply code=535 elapsed_us=1000 enhanced=5.7.8 stage=AUTH",
            "reply code=235 elapsed_us=0 enhanced=2.7.0 stage=AUTH",
            "reply code=250 elapsed_us=0 stage=MAIL",
            "reply code=250 elapsed_us=0 stage=RCPT",
            "reply code=550 elapsed_us=0 enhanced=5.1.1 stage=RCPT",
            "reply code=354 elapsed_us=0 stage=DATA",
            "reply code=250 elapsed_us=0 enhanced=2.0.0 stage=the end of the message",
            "reply code=250 elapsed_us=0 stage=MAIL",
        ]
    );
    let (lines, _) = captured(Level::TRACE);
    let words =
        lines.iter().filter_map(|line| line.strip_prefix("  TRACE in smtp.session: the server's words "));
    assert_eq!(
        words.collect::<Vec<_>>(),
        [
            "code=220 stage=the greeting text=hi",
            "code=250 stage=EHLO text=hi\\nSTARTTLS",
            "code=220 stage=STARTTLS text=go",
            "code=250 stage=EHLO text=hi\\nPIPELINING\\nAUTH PLAIN LOGIN",
            "code=250 stage=MAIL text=ok",
            "code=250 stage=RCPT text=ok",
            "code=550 stage=RCPT text=5.1.1 no",
            "code=354 stage=DATA text=go",
            "code=250 stage=the end of the message text=2.0.0 Ok: queued as 7F",
            "code=250 stage=MAIL text=ok",
        ],
        "nothing of what is said in AUTH"
    );
}

#[test]
fn a_hook_of_the_caller_s_own_stands_beside_the_span() {
    let capture = Capture::new(Level::DEBUG);
    tracing::subscriber::with_default(capture.clone(), || {
        let mut session = Session::new(TlsPolicy::None);
        let watch = Watch::begin(&mut session.connection, None, clock());
        let told: Arc<Mutex<Vec<Option<Duration>>>> = Arc::default();
        let hook = Arc::clone(&told);
        watch.set_transcript(&mut session.connection, move |entry| hook.lock().unwrap().push(entry.time()));
        session.run(Open::new(), "220 hi|250 hi").unwrap();
        assert_eq!(
            *told.lock().unwrap(),
            [Some(Duration::from_millis(1)); 3],
            "the time is told with the hook"
        );
    });
    let lines = capture.lines(|name| name != "duration_us");
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[test]
fn where_nobody_listens_a_watch_asks_for_nothing() {
    // A subscriber that wants none of it: without one, another test's decides what is enabled.
    tracing::subscriber::with_default(Capture::new(Level::ERROR), || {
        let mut session = Session::new(TlsPolicy::None);
        let mut watch =
            Watch::begin(&mut session.connection, None, || -> Duration { panic!("no time is needed") });
        assert!(!session.connection.has_transcript());
        watch.tell_time(&mut session.connection);
        watch.tell_tls(|| panic!("nobody wants to know"));
        session.run(Open::new(), "220 hi|250 hi").unwrap();
        watch.tell(&session.connection, None);
        drop(watch.tracker().begin(0, None, None));
        assert_eq!(format!("{watch:?} {:?}", watch.tracker()), "Watch { .. } Tracker { .. }");
        let track = format!("{:?}", watch.tracker().begin(5, None, None));
        assert!(track.starts_with("Track { meter: Meter { progress: Progress { message: 5"), "{track}");
    });
}

#[test]
fn a_watch_tells_of_progress() {
    tracing::subscriber::with_default(Capture::new(Level::ERROR), || {
        let mut session = Session::new(TlsPolicy::None);
        let mut watch = Watch::begin(&mut session.connection, None, clock());
        assert_eq!((watch.clock())(), Duration::ZERO, "the clock that it was given");
        let told: Arc<Mutex<Vec<u64>>> = Arc::default();
        let hook = Arc::clone(&told);
        watch.set_progress(move |progress| hook.lock().unwrap().push(progress.accepted));
        let mut track = watch.tracker().begin(0, None, Some(10));
        watch.note(Some(&mut track), |meter| meter.written(3));
        watch.note(None, |meter| meter.written(9));
        track.passed(4);
        watch.note(Some(&mut track), |meter| meter.written(6));
        assert_eq!(*told.lock().unwrap(), [3, 10]);
    });
}

#[test]
fn a_server_that_was_not_reached_is_a_warning_and_other_errors_have_a_session_to_tell_of() {
    let capture = Capture::new(Level::WARN);
    tracing::subscriber::with_default(capture.clone(), || {
        tell_unreachable(&config(TlsPolicy::None), &Error::NotConnected, Some(&"refused\n"));
        tell_unreachable(&config(TlsPolicy::None), &Error::TlsFailed, None);
    });
    assert_eq!(capture.lines(|_| true), ["  WARN in nothing: no connection host=mail.example io=refused\\n"]);
}
