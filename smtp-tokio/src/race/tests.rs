//! The race on virtual time, among addresses that connect, refuse or stay silent when they are told to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::{Cell, RefCell};

use tokio::time::Instant;

use super::*;

/// In milliseconds, as all times here.
const DELAY: u64 = CONNECTION_ATTEMPT_DELAY.as_millis() as u64;

/// What an address does, and after how many milliseconds.
#[derive(Clone, Copy)]
enum Does {
    Connects(u64),
    Refuses(u64),
    Nothing,
}
use Does::{Connects, Nothing, Refuses};

fn v4(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 587))
}

fn v6(n: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 587))
}

/// The network: what was begun when, and how many attempts are under way.
struct Network {
    since: Instant,
    does: Vec<(SocketAddr, Does)>,
    begun: RefCell<Vec<(u64, SocketAddr)>>,
    under_way: Cell<usize>,
    failed: RefCell<Vec<(SocketAddr, io::ErrorKind)>>,
}

struct UnderWay<'n>(&'n Cell<usize>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Network {
    fn new(does: &[(SocketAddr, Does)]) -> Self {
        Self {
            since: Instant::now(),
            does: does.to_vec(),
            begun: RefCell::default(),
            under_way: Cell::new(0),
            failed: RefCell::default(),
        }
    }

    fn race(&self) -> Race {
        Race::new(self.does.iter().map(|(address, _)| *address))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap()
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.begun.borrow_mut().push((self.now(), address));
        self.under_way.set(self.under_way.get() + 1);
        let _under_way = UnderWay(&self.under_way);
        match self.does.iter().find(|(known, _)| *known == address).unwrap().1 {
            Connects(after) => {
                sleep(Duration::from_millis(after)).await;
                Ok(address)
            }
            Refuses(after) => {
                sleep(Duration::from_millis(after)).await;
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Nothing => std::future::pending().await,
        }
    }

    /// The winner, and when it had won.
    async fn run(&self, race: &mut Race) -> Option<(SocketAddr, u64)> {
        let failed = |address, error: io::Error| self.failed.borrow_mut().push((address, error.kind()));
        let won = race.next(|address| self.connect(address), failed).await;
        assert_eq!(self.under_way.get(), 0, "an attempt was left behind");
        won.map(|(address, connection)| {
            assert_eq!(address, connection);
            (address, self.now())
        })
    }

    fn begun(&self) -> Vec<(u64, SocketAddr)> {
        self.begun.take()
    }
}

#[test]
fn the_families_take_turns_beginning_with_the_first() {
    let order = |addresses: &[SocketAddr]| Vec::from(Race::new(addresses.iter().copied()).left);
    assert_eq!(order(&[]), []);
    assert_eq!(order(&[v4(1), v4(2)]), [v4(1), v4(2)]);
    assert_eq!(order(&[v6(1), v6(2), v6(3), v4(1)]), [v6(1), v4(1), v6(2), v6(3)]);
    assert_eq!(order(&[v4(1), v6(1), v6(2), v6(3)]), [v4(1), v6(1), v6(2), v6(3)]);
    assert_eq!(order(&[v4(1), v4(2), v6(1), v6(2)]), [v4(1), v6(1), v4(2), v6(2)]);
}

#[tokio::test(start_paused = true)]
async fn who_answers_in_time_is_alone() {
    let network = Network::new(&[(v6(1), Connects(249)), (v4(1), Connects(0))]);
    assert_eq!(network.run(&mut network.race()).await, Some((v6(1), 249)));
    assert_eq!(network.begun(), [(0, v6(1))]);
}

#[tokio::test(start_paused = true)]
async fn x14_a_silent_address_costs_a_quarter_of_a_second() {
    let network = Network::new(&[(v6(1), Nothing), (v6(2), Nothing), (v4(1), Connects(10))]);
    assert_eq!(network.run(&mut network.race()).await, Some((v4(1), 260)));
    assert_eq!(network.begun(), [(0, v6(1)), (DELAY, v4(1))]);
}

#[tokio::test(start_paused = true)]
async fn a_late_one_may_still_win() {
    let network = Network::new(&[(v6(1), Connects(300)), (v4(1), Connects(100)), (v6(2), Nothing)]);
    assert_eq!(network.run(&mut network.race()).await, Some((v6(1), 300)));
    // Of two that are there at once it is the earlier.
    let network = Network::new(&[(v6(1), Connects(300)), (v4(1), Connects(50))]);
    assert_eq!(network.run(&mut network.race()).await, Some((v6(1), 300)));
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_the_next_is_not_kept_waiting() {
    let network = Network::new(&[(v6(1), Refuses(20)), (v4(1), Refuses(30)), (v6(2), Connects(5))]);
    assert_eq!(network.run(&mut network.race()).await, Some((v6(2), 55)));
    assert_eq!(network.begun(), [(0, v6(1)), (20, v4(1)), (50, v6(2))]);
    let refused = io::ErrorKind::ConnectionRefused;
    assert_eq!(network.failed.take(), [(v6(1), refused), (v4(1), refused)]);
}

#[tokio::test(start_paused = true)]
async fn all_that_fail_are_told_and_then_it_is_over() {
    let network = Network::new(&[(v6(1), Refuses(600)), (v4(1), Refuses(10)), (v6(2), Refuses(1))]);
    let mut race = network.race();
    assert_eq!(network.run(&mut race).await, None);
    // In the order in which they failed.
    let refused = io::ErrorKind::ConnectionRefused;
    assert_eq!(network.failed.take(), [(v4(1), refused), (v6(2), refused), (v6(1), refused)]);
    assert_eq!(network.begun(), [(0, v6(1)), (DELAY, v4(1)), (DELAY + 10, v6(2))]);
    assert_eq!(network.run(&mut race).await, None);
    assert_eq!(Network::new(&[]).run(&mut Race::new([])).await, None);
}

#[tokio::test(start_paused = true)]
async fn who_was_broken_off_has_another_chance_if_the_winner_is_none() {
    let network = Network::new(&[(v6(1), Connects(400)), (v4(1), Connects(100)), (v6(2), Refuses(1))]);
    let mut race = network.race();
    assert_eq!(network.run(&mut race).await, Some((v4(1), 350)));
    // It sent no greeting, let us say.
    assert_eq!(network.run(&mut race).await, Some((v6(1), 750)));
    assert_eq!(network.begun(), [(0, v6(1)), (DELAY, v4(1)), (DELAY + 100, v6(1)), (2 * DELAY + 100, v6(2))]);
    assert_eq!(network.run(&mut race).await, None);
    assert_eq!(network.failed.take().len(), 1, "who refused once is not asked again");
}

#[tokio::test(start_paused = true)]
async fn x14_a_race_given_up_leaves_nothing_behind() {
    let network = Network::new(&[(v6(1), Nothing), (v4(1), Nothing)]);
    let mut race = network.race();
    let won = tokio::time::timeout(Duration::from_secs(3), network.run(&mut race)).await;
    assert!(won.is_err());
    assert_eq!((network.begun().len(), network.under_way.get()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn ninety_silent_addresses_are_all_tried() {
    let mut does: Vec<_> = (0..90).map(|n| (v6(n), Nothing)).collect();
    does.push((v6(90), Connects(1)));
    let network = Network::new(&does);
    assert_eq!(network.run(&mut network.race()).await, Some((v6(90), 90 * DELAY + 1)));
}
