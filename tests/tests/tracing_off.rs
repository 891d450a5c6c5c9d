//! What it costs when nobody listens: the feature is compiled in, and the adapters allocate for a message what the core
//! does, and nothing more. In a process of its own: a subscriber on one thread has every thread look for its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod simulated;

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use allocation_counter::measure;
use smtp_proto::flow::{SendOptions, Transfer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use simulated::{CHUNKING, Flight, Link, Server, config, envelope, replay, text};

const MESSAGES: usize = 50;

/// A server that waits for as many octets as it got the first time, and then says what it said. It allocates nothing.
struct Canned {
    flights: Vec<(usize, Vec<u8>)>,
    at: usize,
    heard: usize,
    said: usize,
}

impl Canned {
    fn new(first: &[Flight], others: &[Flight]) -> Self {
        let ehlo = b"250-mail.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n".to_vec();
        let mut all = vec![(0, b"220 mail.example\r\n".to_vec()), ("EHLO client.test\r\n".len(), ehlo)];
        let others = std::iter::repeat_n(others, MESSAGES).flatten();
        all.extend(first.iter().chain(others).map(|flight| (flight.client.len(), flight.server.clone())));
        Self { flights: all, at: 0, heard: 0, said: 0 }
    }
}

impl Read for Canned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((awaited, server)) = self.flights.get(self.at) else { return Ok(0) };
        if self.heard < *awaited {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = (&server[self.said..]).read(buffer)?;
        self.said += n;
        if self.said == server.len() {
            (self.heard, self.said, self.at) = (self.heard - awaited, 0, self.at + 1);
        }
        Ok(n)
    }
}

impl Write for Canned {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.heard += octets.len();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl smtp_blocking::Stream for Canned {}

impl AsyncRead for Canned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.read(buffer.initialize_unfilled()) {
            Ok(n) => buffer.advance(n),
            Err(_) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canned {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(octets))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl smtp_tokio::Stream for Canned {}

#[test]
fn without_a_subscriber_a_message_costs_what_the_core_takes() {
    let (envelope, message) = (envelope(3), text(10_000));
    for transfer in [Transfer::Data, Transfer::Chunks] {
        let options = SendOptions::default().transfer(transfer);
        let mut link = Link::open(Server::new(CHUNKING), config());
        // Only behind the first message does a message in chunks wait for nothing.
        link.send_each(&envelope, &[&message], options);
        let first = std::mem::take(&mut link.flights);
        link.send_each(&envelope, &[&message], options);
        let (flights, mut connection) = (std::mem::take(&mut link.flights), link.connection);
        replay(&mut connection, &envelope, &message, options, &flights);
        let core = measure(|| replay(&mut connection, &envelope, &message, options, &flights)).count_total;
        let most = MESSAGES as u64 * core;
        println!("{transfer:?}: {core} allocations a message");

        for progress in [false, true] {
            let mut client = smtp_blocking::Client::new(Canned::new(&first, &flights), config());
            client.capabilities().unwrap();
            assert!(!client.connection().has_transcript(), "nobody listens");
            if progress {
                client.set_progress(|progress| assert!(progress.accepted <= 10_000));
            }
            let mut send = || drop(client.send_with(&envelope, &message, options).unwrap());
            send();
            let taken = measure(|| (0..MESSAGES).for_each(|_| send())).count_total;
            assert!(taken <= most, "{taken} > {most}: blocking, {transfer:?}, progress: {progress}");

            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = smtp_tokio::Client::new(Canned::new(&first, &flights), config());
                client.capabilities().await.unwrap();
                if progress {
                    client.set_progress(|progress| assert!(progress.accepted <= 10_000));
                }
                // The clock is made with the first deadline that is waited for.
                client.send_with(&envelope, &message, options).await.unwrap();
                let mut total = 0;
                for _ in 0..MESSAGES {
                    let mut sending = Box::pin(client.send_with(&envelope, &message, options));
                    let mut poll = Poll::Pending;
                    while poll.is_pending() {
                        let context = &mut Context::from_waker(std::task::Waker::noop());
                        total +=
                            measure(|| poll = sending.as_mut().poll(context).map(|sent| drop(sent.unwrap())))
                                .count_total;
                    }
                }
                assert!(total <= most, "{total} > {most}: tokio, {transfer:?}, progress: {progress}");
            });
        }
    }
}
