//! Which hosts are tried, in which order, and when no further one is.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use smtp_tests::sink::{RecipientVerdict, Sink};
use smtp_tokio::smtp_proto::flow::{Delivery, Envelope};

use super::{block_on, nothing_arrived};

#[allow(dead_code)]
#[path = "../../examples/mx/main.rs"]
mod example;

use example::demonstration::{Table, nobody, speaker};

const MESSAGE: &[u8] = b"Subject: mx\r\n\r\nhello\r\n";

/// Sends to a.example., b.example. and so on, which are at these addresses. Whom to trust says one of them.
fn deliver(hosts: &[SocketAddr], trusted: &Sink) -> Result<Delivery, String> {
    let hosts: Vec<_> =
        ["a.example.", "b.example.", "c.example."].into_iter().zip(hosts.iter().copied()).collect();
    let mut exchangers: Vec<_> =
        (0..).zip(&hosts).map(|(preference, (name, _))| (preference, *name)).collect();
    // The DNS gives them in any order.
    exchangers.reverse();
    let to = Envelope::from_strs("alice@example.org", &["bob@example.net", "carol@EXAMPLE.net"]).unwrap();
    let tls = trusted.certificate_authority().client_config().unwrap();
    block_on(example::deliver(&Table { exchangers, hosts }, tls.into(), &to, MESSAGE))
        .map_err(|error| error.to_string())
}

/// A host that is not to be called.
struct Untouched {
    address: SocketAddr,
    called: Arc<AtomicBool>,
}

impl Untouched {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let untouched = Self { address: listener.local_addr().unwrap(), called: Arc::default() };
        let called = Arc::clone(&untouched.called);
        thread::spawn(move || {
            // It is noted before the caller can notice that it was hung up on.
            let client = listener.accept();
            called.store(true, Ordering::SeqCst);
            drop(client);
        });
        untouched
    }
}

impl Drop for Untouched {
    fn drop(&mut self) {
        assert!(!self.called.load(Ordering::SeqCst) || thread::panicking(), "the next host was called");
    }
}

#[test]
fn the_next_host_is_tried_where_one_is_down_or_busy() {
    let sink = Sink::builder().host_name("c.example").start().unwrap();
    let hosts = [nobody().unwrap(), speaker("421 4.3.2 busy\r\n").unwrap(), sink.address()];
    let delivery = deliver(&hosts, &sink).unwrap();
    let messages = sink.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(delivery.queue_id(), Some(messages[0].id.as_str()));
    assert!(messages[0].tls, "TLS was on offer");
    assert_eq!(messages[0].recipients, ["bob@example.net", "carol@EXAMPLE.net"]);
    assert_eq!(messages[0].data, MESSAGE);
    assert_eq!(sink.client_errors(), []);
}

#[test]
fn the_next_host_is_tried_where_one_wants_no_mail_has_no_time_or_a_wrong_certificate() {
    let reluctant = Sink::builder().without_extension("STARTTLS").recipients(|_| RecipientVerdict::TryLater);
    let reluctant = reluctant.start().unwrap();
    let stranger = Sink::builder().host_name("a.example").start().unwrap();
    for first in [speaker("554 5.3.2 no mail here\r\n").unwrap(), reluctant.address(), stranger.address()] {
        let sink = Sink::builder().host_name("b.example").start().unwrap();
        deliver(&[first, sink.address()], &sink).unwrap();
        assert_eq!(sink.messages().len(), 1);
    }
    nothing_arrived(&stranger);
    nothing_arrived(&reluctant);
}

#[test]
fn the_first_host_that_takes_the_message_is_the_last_to_be_called() {
    let sink = Sink::builder().host_name("a.example").start().unwrap();
    let untouched = Untouched::start();
    deliver(&[sink.address(), untouched.address], &sink).unwrap();
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn a_refusal_for_good_settles_it() {
    let sink =
        Sink::builder().host_name("a.example").recipients(|_| RecipientVerdict::Refuse).start().unwrap();
    let untouched = Untouched::start();
    let error = deliver(&[sink.address(), untouched.address], &sink).unwrap_err();
    assert!(
        error.starts_with(
            "no mail exchanger of example.net took the message\n  a.example.: message rejected at RCPT: 550"
        ),
        "{error}"
    );
}

/// It has the message and hangs up: another host might be the second to deliver it.
#[test]
fn after_an_unknown_outcome_nobody_else_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
        for reply in ["220 hi", "250 hi", "250 ok", "250 ok", "250 ok", "354 go ahead"] {
            client.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
            lines.next();
        }
        lines.by_ref().find(|line| line.as_ref().is_ok_and(|line| line == "."));
    });
    let (sink, untouched) = (Sink::builder().start().unwrap(), Untouched::start());
    let error = deliver(&[address, untouched.address], &sink).unwrap_err();
    assert!(
        error.contains("a.example.: message sent, but no verdict came (it may have been delivered)"),
        "{error}"
    );
}

#[test]
fn every_host_is_named_when_none_takes_it() {
    let sink = Sink::builder().start().unwrap();
    let (nobody, busy) = (nobody().unwrap(), speaker("421 4.3.2 busy\r\n").unwrap());
    let error = deliver(&[nobody, busy], &sink).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    let not_sent = format!("  a.example.: {nobody}: message not sent: could not connect to the server: ");
    assert!(lines[1].starts_with(&not_sent), "{error}");
    assert!(lines[2].starts_with(&format!("  b.example.: {busy}: message not sent: ")), "{error}");
    assert!(lines[2].contains("421 4.3.2 busy"), "{error}");
}

#[test]
fn the_order_is_that_of_preference_and_among_equals_any() {
    let route = |exchangers: &[(u16, &'static str)]| {
        let dns = Table { exchangers: exchangers.to_vec(), hosts: vec![] };
        block_on(example::dns::route(&dns, "example.net")).map_err(|error| error.to_string())
    };
    let exchangers = [(20, "d."), (10, "b."), (0, "a."), (10, "c.")];
    let orders: HashSet<Vec<String>> = (0..100).map(|_| route(&exchangers).unwrap()).collect();
    let expected = [["a.", "b.", "c.", "d."], ["a.", "c.", "b.", "d."]];
    assert_eq!(orders, expected.map(|order| order.map(str::to_owned).to_vec()).into());

    assert_eq!(route(&[]).unwrap(), ["example.net."], "the domain itself");
    assert_eq!(route(&[(0, ".")]).unwrap_err(), "example.net takes no mail: its MX record is the null MX");
    assert_eq!(route(&[(0, "."), (5, "a.")]).unwrap(), ["a."]);
}

#[test]
fn recipients_of_two_domains_are_no_one_message_to_send() {
    let dns = Table::default();
    let tls = Sink::builder().start().unwrap().certificate_authority().client_config().unwrap();
    for (to, expected) in [
        (
            ["bob@example.net", "eve@example.com"],
            "--to names recipients in example.net and elsewhere: send to one domain at a time",
        ),
        (["postmaster", "eve@example.com"], "--to names no recipient with a domain"),
    ] {
        let to = Envelope::from_strs("alice@example.org", &to).unwrap();
        let error = block_on(example::deliver(&dns, tls.clone().into(), &to, MESSAGE)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
