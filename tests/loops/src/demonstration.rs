//! What `cargo run` shows of a loop: a message sent, a recipient refused, a deadline kept.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use smtp_proto::SendError;

use crate::{Letter, Outcome};

/// Sends a letter with this loop to a server of its own, and then to one that falls silent; tells what became of both, and
/// shows the sessions if wanted.
#[must_use]
pub fn demonstrate(shown: bool, send: impl Fn(SocketAddr, &Letter) -> io::Result<Vec<Outcome>>) -> ExitCode {
    match show(shown, send) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The same, for a test.
///
/// # Errors
/// Of the sockets; a message that was not accepted; a silent server that was not noticed.
pub fn show(shown: bool, send: impl Fn(SocketAddr, &Letter) -> io::Result<Vec<Outcome>>) -> io::Result<()> {
    let sink = Letter::sink()?;
    let mut letter = Letter::new(&sink)?;
    letter.shown = shown;
    println!("-- to a server that knows alice, and refuses nobody@example.net --");
    let outcomes = send(sink.address(), &letter)?;
    for delivery in &outcomes {
        let delivery = delivery.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        println!("\nqueue id {}", delivery.queue_id().unwrap_or("not told"));
        for (recipient, outcome) in letter.envelope.recipients.iter().zip(&delivery.recipients) {
            let reply = outcome.reply.as_ref().map(ToString::to_string).unwrap_or_default();
            let fate = if outcome.is_accepted() { "accepted" } else { "refused" };
            println!("  {}: {fate}: {reply}", recipient.forward_path);
        }
    }
    let messages = sink.messages();
    let (over_tls, as_alice) = messages.iter().fold((0, 0), |(tls, alice), message| {
        let is_alice = message.authenticated_as.as_deref() == Some("alice");
        (tls + usize::from(message.tls), alice + usize::from(is_alice))
    });
    println!("\nthe server has {} message(s), {over_tls} over TLS, {as_alice} from alice", messages.len());

    println!("\n-- to a server that says no more than its greeting, in 300 ms --");
    let began = Instant::now();
    let outcomes = send(mute_server()?, &letter.in_time(Duration::from_millis(300)))?;
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).take(1) {
        println!("\nafter {} ms: {error}", began.elapsed().as_millis());
        println!("safe to send again: {}", error.is_safe_to_retry());
    }
    let late = |outcome: &Outcome| {
        matches!(outcome, Err(SendError::NotSent { cause: smtp_proto::Error::Timeout(_), .. }))
    };
    if outcomes.is_empty() || !outcomes.iter().all(late) {
        return Err(io::Error::other("a silent server was not noticed"));
    }
    Ok(())
}

/// Starts a server that greets, and then says nothing more, on a thread that ends with the process.
fn mute_server() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.write_all(b"220 mute.example ESMTP\r\n");
                while stream.read(&mut [0; 512]).is_ok_and(|n| n > 0) {}
            });
        }
    });
    Ok(address)
}
