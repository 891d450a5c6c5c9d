//! Which of a host's addresses is connected to, in the manner of RFC 8305 ("happy eyeballs").
//!
//! The families take turns, beginning with the one that the resolver put first. An address that has not answered after
//! 250 ms is not waited for alone: the next is tried beside it, and the first connection ends the race. What is raced is
//! TCP, not the greeting: servers hold that back on purpose, to tell mailers from robots, and one that is waited for must
//! not see a second connection of the same client.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

/// How long an address is waited for alone (RFC 8305 §5 and §8, which call it so).
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The addresses that are still to be tried, in order.
pub(crate) struct Race {
    left: VecDeque<SocketAddr>,
}

/// What ends a wait.
enum Turn<T> {
    /// The attempt at this place in the list has ended.
    Ended(usize, io::Result<T>),
    /// It is time for the next address.
    Late,
}

impl Race {
    /// A race over these, given in the resolver's order.
    pub(crate) fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut first = VecDeque::from_iter(addresses);
        let is_first_family = first.front().map(SocketAddr::is_ipv6);
        let second: Vec<_> = first.iter().copied().filter(|a| Some(a.is_ipv6()) != is_first_family).collect();
        first.retain(|address| Some(address.is_ipv6()) == is_first_family);
        let mut left = VecDeque::with_capacity(first.len().saturating_add(second.len()));
        for address in second {
            left.extend(first.pop_front());
            left.push_back(address);
        }
        left.append(&mut first);
        Self { left }
    }

    /// The next connection that is made; `None` when every address has failed. `failed` is told of each that did. The
    /// attempts that came too late are broken off, and their addresses are tried again if there is another race.
    pub(crate) async fn next<T, F: Future<Output = io::Result<T>>>(
        &mut self,
        connect: impl Fn(SocketAddr) -> F,
        mut failed: impl FnMut(SocketAddr, io::Error),
    ) -> Option<(SocketAddr, T)> {
        let mut racing: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
        loop {
            if let Some(address) = self.left.pop_front() {
                racing.push((address, Box::pin(connect(address))));
            } else if racing.is_empty() {
                return None;
            }
            match self.turn(&mut racing).await {
                Turn::Late => {}
                Turn::Ended(at, result) => {
                    let (address, _) = racing.remove(at);
                    match result {
                        Ok(connection) => {
                            racing.into_iter().rev().for_each(|(late, _)| self.left.push_front(late));
                            return Some((address, connection));
                        }
                        Err(error) => failed(address, error),
                    }
                }
            }
        }
    }

    /// Waits for one of the attempts to end, or until it is time for another.
    async fn turn<T, F: Future<Output = io::Result<T>>>(
        &self,
        racing: &mut [(SocketAddr, Pin<Box<F>>)],
    ) -> Turn<T> {
        let mut delay = pin!(sleep(CONNECTION_ATTEMPT_DELAY));
        poll_fn(|cx| {
            for (at, (_, attempt)) in racing.iter_mut().enumerate() {
                if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
                    return Poll::Ready(Turn::Ended(at, result));
                }
            }
            match self.left.is_empty() {
                true => Poll::Pending,
                false => delay.as_mut().poll(cx).map(|()| Turn::Late),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests;
