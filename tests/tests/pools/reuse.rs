//! One table for both adapters: what was done with the first client of a pool of one, and whether it is the one that the
//! next caller gets.

use std::time::Duration;

use smtp_proto::connection::{ReusePolicy, TlsPolicy};
use smtp_proto::flow::Envelope;
use smtp_proto::params::XClient;
use smtp_proto::sasl::Plain;
use smtp_proto::{SendError, path::ReversePath};

use crate::server::{Habit, Server};

pub const BODY: &[u8] = b"Subject: hi\r\n\r\nhi\r\n";

pub fn to_bob() -> Envelope {
    Envelope::from_strs("alice@example.org", &["bob@example.net"]).unwrap()
}

/// What the first caller does with the client.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Nothing,
    Send,
    /// Every recipient is refused.
    SendRefused,
    SendMany(usize),
    Mail,
    MailAndReset,
    /// A message that is begun and not finished.
    Data,
    Noop,
    Verify,
    Custom,
    XClient,
    Auth,
}

/// What is expected of the first session.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Reused,
    /// After RSET.
    Checked,
    /// It says QUIT, and the next caller gets another.
    Quit,
    /// It is closed without a word.
    Closed,
}

use Act::*;
use Then::*;

struct Case(&'static str, fn(&mut ReusePolicy), Habit, Act, Then);

const AS_USUAL: fn(&mut ReusePolicy) = |_| {};
const ACCEPT: Habit = |_, _| None;

const CASES: &[Case] = &[
    // ---- what is used again ----
    Case("nothing was done", AS_USUAL, ACCEPT, Nothing, Reused),
    Case("a message was sent", AS_USUAL, ACCEPT, Send, Reused),
    Case(
        "a message was refused",
        AS_USUAL,
        |_, line| line.starts_with("RCPT").then_some("550 no\r\n"),
        SendRefused,
        Reused,
    ),
    Case("several were sent", AS_USUAL, ACCEPT, SendMany(5), Reused),
    Case("a transaction was taken back", AS_USUAL, ACCEPT, MailAndReset, Reused),
    Case("questions", AS_USUAL, ACCEPT, Noop, Reused),
    Case("more questions", AS_USUAL, ACCEPT, Verify, Reused),
    Case("RSET each time", |policy| policy.check_after = Duration::ZERO, ACCEPT, Send, Checked),
    // ---- its time is over ----
    Case("max_messages", |policy| policy.max_messages = Some(1), ACCEPT, Send, Quit),
    Case("max_messages, not yet", |policy| policy.max_messages = Some(2), ACCEPT, Send, Reused),
    Case("max_messages, in one use", |policy| policy.max_messages = Some(3), ACCEPT, SendMany(3), Quit),
    Case("max_idle", |policy| policy.max_idle = Some(Duration::ZERO), ACCEPT, Send, Quit),
    Case("max_age", |policy| policy.max_age = Some(Duration::ZERO), ACCEPT, Send, Quit),
    Case(
        "MAILMAX",
        AS_USUAL,
        |_, line| line.starts_with("EHLO").then_some("250-hi\r\n250 LIMITS MAILMAX=1\r\n"),
        Send,
        Quit,
    ),
    Case(
        "MAILMAX, not yet",
        AS_USUAL,
        |_, line| line.starts_with("EHLO").then_some("250-hi\r\n250 LIMITS MAILMAX=2\r\n"),
        Send,
        Reused,
    ),
    // ---- left in the middle of something ----
    Case("a transaction", AS_USUAL, ACCEPT, Mail, Quit),
    Case("a message", AS_USUAL, ACCEPT, Data, Closed),
    // ---- not what the pool is made of ----
    Case("a command that is not known here", AS_USUAL, ACCEPT, Custom, Quit),
    Case("for somebody else", AS_USUAL, ACCEPT, XClient, Quit),
    Case("authenticated by the holder", AS_USUAL, ACCEPT, Auth, Quit),
    // ---- ended by the server ----
    Case(
        "421 while idle",
        AS_USUAL,
        |n, line| (n == 0 && line == ".").then_some("250 queued\r\n421 idle\r\n\x04"),
        Send,
        Closed,
    ),
    Case(
        "closed while idle",
        AS_USUAL,
        |n, line| (n == 0 && line == ".").then_some("250 queued\r\n\x04"),
        Send,
        Closed,
    ),
    Case(
        "a word that nobody asked for",
        AS_USUAL,
        |n, line| (n == 0 && line == ".").then_some("250 queued\r\n250 again\r\n"),
        Send,
        Closed,
    ),
    Case(
        "421 to the check",
        |policy| policy.check_after = Duration::ZERO,
        |n, line| (n == 0 && line == "RSET").then_some("421 bye\r\n"),
        Send,
        Closed,
    ),
    Case(
        "the check is refused",
        |policy| policy.check_after = Duration::ZERO,
        |n, line| (n == 0 && line == "RSET").then_some("500 what\r\n"),
        Send,
        Closed,
    ),
];

fn check(adapter: &str, case: &Case, server: &Server) {
    let Case(name, _, _, _, then) = *case;
    let reused = matches!(then, Reused | Checked);
    let connections = if reused { 1 } else { 2 };
    let said = server.said(connections, 1);
    let what = format!("{adapter}, {name}: {said:#?}");
    let count = |verb: &str| said[0].iter().filter(|line| *line == verb).count();
    let resets = count("RSET");
    assert_eq!(count("QUIT"), usize::from(then == Quit), "{what}");
    match case.3 {
        MailAndReset => assert_eq!(resets, 1, "{what}"),
        _ if name.contains("check") => assert_eq!(resets, 1, "{what}"),
        _ => assert_eq!(resets, usize::from(then == Checked), "{what}"),
    }
    // The second message went where it was to go.
    assert!(said[connections - 1].iter().any(|line| line.starts_with("MAIL")), "{what}");
}

/// What the server says by itself has come by then.
fn await_end(case: &Case, server: &Server) {
    if case.0.ends_with("while idle") {
        server.said(1, 0);
    }
}

#[test]
fn r2d2() {
    use smtp_blocking::ClientBuilder;
    use smtp_blocking::pool::Manager;

    for case in CASES {
        let Case(name, change, habit, act, _) = *case;
        let server = Server::start(habit);
        let mut policy = ReusePolicy::default();
        change(&mut policy);
        let builder = ClientBuilder::new("127.0.0.1").port(server.address.port()).tls(TlsPolicy::None);
        let manager = Manager::new(builder).reuse(policy);
        let pool = manager.pool(1).build(manager).unwrap();
        let mut client = pool.get().unwrap();
        match act {
            Nothing => {}
            Send => drop(client.send(&to_bob(), BODY).unwrap()),
            SendRefused => {
                let refused = client.send(&to_bob(), BODY).unwrap_err().into_kind();
                assert!(matches!(refused, SendError::Rejected { .. }), "{name}: {refused:?}");
            }
            SendMany(n) => {
                let messages: Vec<_> = (0..n).map(|_| (to_bob(), BODY)).collect();
                let outcomes = client.send_all(messages.iter().map(|(to, body)| (to, *body)));
                assert_eq!(outcomes.filter(Result::is_ok).count(), n, "{name}");
            }
            Mail => drop(client.mail(&from()).unwrap()),
            MailAndReset => {
                client.mail(&from()).unwrap();
                client.reset().unwrap();
            }
            Data => {
                client.mail(&from()).unwrap();
                client.rcpt(&"bob@example.net".parse().unwrap()).unwrap();
                drop(client.data().unwrap());
            }
            Noop => drop(client.noop().unwrap()),
            Verify => drop(client.verify("bob").unwrap()),
            Custom => drop(client.command("XFOO").unwrap()),
            XClient => drop(client.xclient(&xclient()).unwrap()),
            Auth => drop(client.auth(&mut plain()).unwrap()),
        }
        drop(client);
        await_end(case, &server);
        let mut next = pool.get().unwrap();
        let sent = next.send(&to_bob(), BODY);
        assert_eq!(sent.is_err(), act == SendRefused, "{name}: {sent:?}");
        check("r2d2", case, &server);
    }
}

#[tokio::test]
async fn deadpool() {
    use smtp_tokio::ClientBuilder;
    use smtp_tokio::pool::Manager;

    for case in CASES {
        let Case(name, change, habit, act, _) = *case;
        let server = Server::start(habit);
        let mut policy = ReusePolicy::default();
        change(&mut policy);
        let builder = ClientBuilder::new("127.0.0.1").port(server.address.port()).tls(TlsPolicy::None);
        let pool = Manager::new(builder).reuse(policy).pool(1).build().unwrap();
        let mut client = pool.get().await.unwrap();
        match act {
            Nothing => {}
            Send => drop(client.send(&to_bob(), BODY).await.unwrap()),
            SendRefused => {
                let refused = client.send(&to_bob(), BODY).await.unwrap_err().into_kind();
                assert!(matches!(refused, SendError::Rejected { .. }), "{name}: {refused:?}");
            }
            SendMany(n) => {
                let messages: Vec<_> = (0..n).map(|_| (to_bob(), BODY)).collect();
                let mut outcomes = client.send_all(messages.iter().map(|(to, body)| (to, *body)));
                for _ in 0..n {
                    outcomes.next().await.unwrap().unwrap();
                }
                assert!(outcomes.next().await.is_none());
            }
            Mail => drop(client.mail(&from()).await.unwrap()),
            MailAndReset => {
                client.mail(&from()).await.unwrap();
                client.reset().await.unwrap();
            }
            Data => {
                client.mail(&from()).await.unwrap();
                client.rcpt(&"bob@example.net".parse().unwrap()).await.unwrap();
                drop(client.data().await.unwrap());
            }
            Noop => drop(client.noop().await.unwrap()),
            Verify => drop(client.verify("bob").await.unwrap()),
            Custom => drop(client.command("XFOO").await.unwrap()),
            XClient => drop(client.xclient(&xclient()).await.unwrap()),
            Auth => drop(client.auth(&mut plain()).await.unwrap()),
        }
        drop(client);
        await_end(case, &server);
        // While the test waited, the runtime of the same thread did not look at its sockets.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut next = pool.get().await.unwrap();
        let sent = next.send(&to_bob(), BODY).await;
        assert_eq!(sent.is_err(), act == SendRefused, "{name}: {sent:?}");
        check("deadpool", case, &server);
    }
}

fn from() -> ReversePath {
    "alice@example.org".parse().unwrap()
}

fn xclient() -> XClient {
    XClient::new().name("other.example.org").unwrap()
}

fn plain() -> Plain {
    Plain::new("", "tim", "tanstaaf", "127.0.0.1")
}
