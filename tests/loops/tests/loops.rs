//! Each loop against the sink, and against servers that are late, close, or are not whom they say they are.
#![allow(missing_docs, dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_os = "linux")]
#[path = "../examples/loop_io_uring.rs"]
mod loop_io_uring;
#[path = "../examples/loop_mio.rs"]
mod loop_mio;
#[path = "../examples/loop_no_std.rs"]
mod loop_no_std;
#[path = "../examples/loop_polling.rs"]
mod loop_polling;
#[path = "../examples/loop_smol.rs"]
mod loop_smol;
#[path = "../examples/loop_std.rs"]
mod loop_std;
#[cfg(target_os = "linux")]
mod seccomp;
mod servers;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use servers::{Ending, Server};
use smtp_loops::{Letter, Outcome};
use smtp_proto::Error;
use smtp_proto::connection::{Stage, TimeoutPhase};
use smtp_proto::flow::SendError;
use smtp_tests::sink::Sink;

type Loop = (&'static str, fn(SocketAddr, &Letter) -> io::Result<Outcome>);

/// All of them; that of io_uring where the kernel allows it.
fn loops() -> Vec<Loop> {
    let mut loops: Vec<Loop> = vec![
        ("std", loop_std::send),
        ("mio", |address, letter| loop_mio::send(address, letter, 1).map(|mut one| one.remove(0))),
        ("polling", loop_polling::send),
        ("smol", |address, letter| smol::block_on(loop_smol::send(address, letter))),
        ("no_std", loop_no_std::send),
    ];
    #[cfg(target_os = "linux")]
    match loop_io_uring::available() {
        Ok(()) => loops.push(("io_uring", loop_io_uring::send)),
        Err(error) => eprintln!("NOT TRIED: io_uring. {error}"),
    }
    loops
}

/// A budget for what is not to run out.
const PLENTY: Duration = Duration::from_secs(20);

/// A budget for what is.
const SHORT: Duration = Duration::from_millis(150);

fn cause(outcome: Outcome) -> Error {
    match outcome {
        Err(SendError::NotSent { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

/// Checks what the sink has of one letter, and what the sender was told.
fn arrived(name: &str, sink: &Sink, letter: &Letter, outcome: Outcome) {
    let delivery = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    let message = sink.wait_for_message(PLENTY).unwrap_or_else(|| panic!("{name}: nothing arrived"));
    assert_eq!(delivery.queue_id(), Some(message.id.as_str()), "{name}");
    let [bob, nobody] = &delivery.recipients[..] else { panic!("{name}: {:?}", delivery.recipients) };
    assert!(bob.is_accepted(), "{name}: {bob:?}");
    let refusal = nobody.reply.as_ref().expect("a reply");
    assert_eq!((nobody.is_accepted(), refusal.code().get()), (false, 550), "{name}: {nobody:?}");
    assert_eq!(message.recipients, ["bob@example.net"], "{name}");
    assert_eq!(message.authenticated_as.as_deref(), Some("alice"), "{name}");
    assert!(message.tls, "{name}");
    assert!(message.data == letter.message, "{name}: {} octets arrived", message.data.len());
    assert_eq!(sink.client_errors(), [], "{name}");
}

#[test]
fn a_message_arrives_over_starttls_with_auth_and_one_recipient_is_refused() {
    for (name, send) in loops() {
        let sink = Letter::sink().unwrap();
        let letter = Letter::new(&sink).unwrap().in_time(PLENTY);
        let outcome = send(sink.address(), &letter).unwrap();
        arrived(name, &sink, &letter, outcome);
        println!("{name}: sent");
    }
}

/// More than sockets and pieces hold, with a dot to stuff on each line.
fn long_message() -> Vec<u8> {
    b".a line that begins with a dot\r\n".repeat(20_000)
}

#[test]
fn a_long_message_arrives_after_data_and_in_chunks() {
    for (name, send) in loops() {
        if name == "no_std" {
            // Sixteen octets a millisecond.
            continue;
        }
        for hidden in ["CHUNKING", "X-NONE"] {
            let sink = Sink::builder().user("alice", "wonderland").require_auth().without_extension(hidden);
            let sink = sink.start().unwrap();
            let mut letter = Letter::new(&sink).unwrap().in_time(PLENTY);
            letter.message = long_message();
            let outcome = send(sink.address(), &letter).unwrap();
            arrived(name, &sink, &letter, outcome);
        }
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_at_its_end() {
    for (name, send) in loops() {
        if name == "no_std" {
            // As above.
            continue;
        }
        let sink = Sink::builder().user("alice", "wonderland").size_limit(100_000).without_extension("SIZE");
        let sink = sink.without_extension("CHUNKING").start().unwrap();
        let mut letter = Letter::new(&sink).unwrap().in_time(PLENTY);
        letter.message = long_message();
        let refused = send(sink.address(), &letter).unwrap();
        let Err(SendError::Rejected { stage: Stage::EndOfData, reply, recipients }) = &refused else {
            panic!("{name}: {refused:?}");
        };
        assert_eq!((reply.code().get(), recipients.len()), (552, 2), "{name}: {reply}");
        assert!(sink.messages().is_empty(), "{name}");
    }
}

#[test]
fn two_hundred_connections_on_one_thread() {
    let sink = Letter::sink().unwrap();
    let letter = Letter::new(&sink).unwrap().in_time(Duration::from_secs(60));
    let outcomes = loop_mio::send(sink.address(), &letter, 200).unwrap();
    let mut ids: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().queue_id().expect("a queue id").to_owned())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let messages = sink.messages();
    assert_eq!((ids.len(), messages.len()), (200, 200));
    assert!(messages.iter().all(|message| message.tls && message.authenticated_as.is_some()));
    assert_eq!(sink.client_errors(), []);
}

/// Runs each loop against such a server with little time; it has to fail of this, after its time and not much later.
fn ends(server: impl Fn() -> Server, is_expected: impl Fn(&Error) -> bool, in_time: bool) {
    let sink = Letter::sink().unwrap();
    for (name, send) in loops() {
        let server = server();
        let letter = Letter::new(&sink).unwrap().in_time(if in_time { PLENTY } else { SHORT });
        let began = Instant::now();
        let error = cause(send(server.address, &letter).unwrap());
        let took = began.elapsed();
        assert!(is_expected(&error), "{name}: {error:?}");
        assert!(in_time || took >= SHORT, "{name}: {took:?}");
        assert!(took < Duration::from_secs(10), "{name}: {took:?}");
        println!("{name}: {} ms: {error}", took.as_millis());
    }
}

fn is_timeout(error: &Error, phase: TimeoutPhase) -> bool {
    matches!(error, Error::Timeout(timeout) if *timeout == phase)
}

#[test]
fn a_server_that_says_nothing_ends_in_the_greetings_timeout() {
    let greeting = TimeoutPhase::Reply(Stage::Greeting);
    ends(|| Server::says(&[], Ending::Silence), |error| is_timeout(error, greeting), false);
}

#[test]
fn a_server_that_falls_silent_ends_in_the_timeout_of_what_it_was_asked() {
    let ehlo = TimeoutPhase::Reply(Stage::Ehlo);
    ends(|| Server::says(&["220 mute"], Ending::Silence), |error| is_timeout(error, ehlo), false);
}

#[test]
fn a_reply_that_never_ends_gets_no_more_time_for_each_octet() {
    let ehlo = TimeoutPhase::Reply(Stage::Ehlo);
    ends(|| Server::says(&["220 slow"], Ending::Trickle(b"250 o")), |error| is_timeout(error, ehlo), false);
}

#[test]
fn a_handshake_that_never_ends_has_a_deadline_too() {
    let script = ["220 hi", "250-hi\r\n250 STARTTLS", "220 go on"];
    let late = |error: &Error| is_timeout(error, TimeoutPhase::TlsHandshake);
    ends(|| Server::says(&script, Ending::Silence), late, false);
    // A TLS record of handshake type that takes for ever to arrive.
    ends(|| Server::says(&script, Ending::Trickle(b"\x16\x03\x03\x40\x00\x02")), late, false);
}

#[test]
fn a_server_that_closes_is_gone() {
    let gone = |error: &Error| matches!(error, Error::Disconnected { stage: Some(Stage::Ehlo), .. });
    ends(|| Server::says(&["220 hi"], Ending::Close), gone, true);
}

#[test]
fn a_server_that_closes_in_the_handshake_is_gone() {
    let gone = |error: &Error| matches!(error, Error::Disconnected { .. } | Error::TlsFailed);
    let script = ["220 hi", "250-hi\r\n250 STARTTLS", "220 go on"];
    ends(|| Server::says(&script, Ending::Close), gone, true);
}

#[test]
fn a_server_without_starttls_gets_no_mail() {
    let none = |error: &Error| matches!(error, Error::TlsRequired);
    ends(|| Server::says(&["220 hi", "250 hi"], Ending::Silence), none, true);
}

#[test]
fn a_server_with_the_certificate_of_another_authority_gets_no_mail() {
    let trusted = Letter::sink().unwrap();
    for (name, send) in loops() {
        let other = Letter::sink().unwrap();
        let letter = Letter::new(&trusted).unwrap().in_time(PLENTY);
        let error = cause(send(other.address(), &letter).unwrap());
        assert!(matches!(error, Error::TlsFailed), "{name}: {error:?}");
        assert!(other.messages().is_empty(), "{name}");
    }
}

#[test]
fn a_wrong_password_is_refused() {
    for (name, send) in loops() {
        let sink = Letter::sink().unwrap();
        let mut letter = Letter::new(&sink).unwrap().in_time(PLENTY);
        letter.credentials = smtp_proto::sasl::Credentials::password("alice", "through the looking-glass");
        let error = cause(send(sink.address(), &letter).unwrap());
        assert!(matches!(error, Error::AuthenticationFailed(_)), "{name}: {error:?}");
        assert_eq!(sink.client_errors(), [], "{name}");
    }
}

/// On a thread from which the kernel takes io_uring away, as a sandbox does: that is said, and why.
#[cfg(target_os = "linux")]
#[test]
fn a_kernel_without_io_uring_is_named_as_the_reason() {
    let sink = Letter::sink().unwrap();
    for (errno, why) in
        [(libc::EPERM, "a sandbox forbids it"), (libc::ENOSYS, "older than 5.11, or was built without")]
    {
        let letter = Letter::new(&sink).unwrap().in_time(PLENTY);
        let address = sink.address();
        let refused = std::thread::spawn(move || {
            seccomp::refuse(libc::SYS_io_uring_setup, errno);
            (loop_io_uring::available().unwrap_err(), loop_io_uring::send(address, &letter).unwrap_err())
        });
        let (error, sending) = refused.join().unwrap();
        assert_eq!(error.0.raw_os_error(), Some(errno));
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(sending.to_string(), error.to_string());
    }
    assert!(sink.messages().is_empty());
    // Whether the kernel itself allows it, asked by another way than the example's.
    match (loop_io_uring::available(), seccomp::call_io_uring_setup()) {
        (Ok(()), Ok(())) => {}
        (Err(error), Err(errno)) => {
            eprintln!("NOT TRIED: this kernel refuses io_uring: {error}");
            assert_eq!(error.0.raw_os_error(), errno.raw_os_error());
        }
        (example, kernel) => panic!("the example has {example:?}, the kernel {kernel:?}"),
    }
}

#[test]
fn each_shows_what_it_does() {
    for (name, send) in loops() {
        smtp_loops::show(false, |address, letter| Ok(vec![send(address, letter)?]))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// By itself the crate on the serial line has neither a dependency's `std` nor its own.
#[test]
fn what_the_board_runs_is_built_without_std() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "-p", "smtp-uart", "-e", "normal,features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("rustls v") && tree.contains("smtp-proto v"), "{tree}");
    assert!(!tree.contains("feature \"std\""), "{tree}");
    assert!(include_str!("../uart/src/lib.rs").contains("#![no_std]"));
}

/// As the README's table has it.
#[test]
fn the_loop_by_hand_takes_no_more_than_sixty_lines() {
    let sources = [
        ("std", include_str!("../examples/loop_std.rs")),
        ("mio", include_str!("../examples/loop_mio.rs")),
        ("polling", include_str!("../examples/loop_polling.rs")),
        ("smol", include_str!("../examples/loop_smol.rs")),
        ("io_uring", include_str!("../examples/loop_io_uring.rs")),
        ("no_std", include_str!("../uart/src/lib.rs")),
    ];
    for (name, source) in sources {
        let (_, glue) = source.split_once("// ---- the glue ----\n").expect("a mark");
        let glue = glue.split("// ---- the end of the glue ----").next().unwrap_or_default();
        let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let lines = glue.lines().filter(code).count();
        println!("{name}: {lines} lines of glue");
        assert!(name != "std" || lines <= 60, "{lines}");
    }
}
