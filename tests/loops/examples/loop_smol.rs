//! The core under `smol`, or any other runtime: it needs streams of `futures-io`, and a timer.
//! `cargo run --example loop_smol` brings a server along.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_rustls::TlsConnector;
use futures_rustls::pki_types::ServerName;
use smol::future::FutureExt as _;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;
use smol::{Timer, block_on};
use smtp_loops::{Letter, Outcome, demonstrate};
use smtp_proto::connection::Connection;
use smtp_proto::{Flow as _, Step};

fn main() -> ExitCode {
    demonstrate(true, |address, letter| Ok(vec![block_on(send(address, letter))?]))
}

// ---- the glue ----

/// Sends the letter; fails if there is no connection to begin with.
pub async fn send(address: SocketAddr, letter: &Letter) -> io::Result<Outcome> {
    let socket = TcpStream::connect(address).await?;
    let mut stream: Option<Box<dyn Stream>> = Some(Box::new(socket));
    let (mut smtp, mut submit, mut at) = (letter.connection(address), letter.submit(), 0);
    let (began, mut broken) = (Instant::now(), false);
    loop {
        match submit.poll(&mut smtp) {
            Ok(Step::Done(delivery)) => return Ok(Ok(delivery)),
            Err(error) => return Ok(Err(error)),
            Ok(Step::SupplyBody { .. }) => smtp.supply_body(&letter.message, &mut at),
            Ok(Step::UpgradeTls(upgrade)) => {
                let (Some(left), Some(clear)) = (smtp.tick(began.elapsed()), stream.take()) else { continue };
                let name =
                    ServerName::try_from(upgrade.server_name().to_owned()).map_err(io::Error::other)?;
                let handshake = TlsConnector::from(Arc::clone(&letter.tls)).connect(name, clear);
                let late = async { Err(Timer::after(left).await).map_err(|_| ErrorKind::TimedOut.into()) };
                match handshake.or(late).await {
                    Ok(tls) => {
                        stream = Some(Box::new(tls));
                        smtp.tls_established(upgrade).map_err(io::Error::other)?;
                    }
                    Err(error) if error.kind() == ErrorKind::TimedOut => smtp.handle_timeout(),
                    Err(_) => smtp.tls_failed(),
                }
            }
            Ok(Step::Continue) => {
                let (Some(left), Some(stream)) = (smtp.tick(began.elapsed()), &mut stream) else { continue };
                let turn = poll_fn(|cx| turn(cx, &mut smtp, stream, &mut broken));
                // Should the time be over, the next tick tells.
                turn.or(async move {
                    Timer::after(left).await;
                })
                .await;
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// One write, if there is something to write that the stream takes now, or one read.
fn turn(
    cx: &mut Context<'_>,
    smtp: &mut Connection,
    mut stream: &mut dyn Stream,
    broken: &mut bool,
) -> Poll<()> {
    let mut buffer = [0; 4096];
    if smtp.output().is_empty() || *broken {
        let _ = Pin::new(&mut stream).poll_flush(cx);
    } else {
        match Pin::new(&mut stream).poll_write(cx, smtp.output()) {
            Poll::Ready(Ok(n)) if n > 0 => {
                let _ = smtp.advance_output(n);
                return Poll::Ready(());
            }
            // What the server said before it closed may still be read.
            Poll::Ready(_) => *broken = true,
            Poll::Pending => {}
        }
    }
    match ready!(Pin::new(&mut stream).poll_read(cx, &mut buffer)) {
        Ok(n) if n > 0 => smtp.receive(&buffer[..n]),
        _ => smtp.receive_eof(),
    }
    Poll::Ready(())
}
