//! What no table has: futures that are dropped, panics, clients that belong elsewhere, time that passes, and how pools
//! end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use smtp_proto::connection::TlsPolicy;
use smtp_tests::sink::{Sink, TlsMode};

use crate::reuse::{BODY, to_bob};
use crate::server::{END, Server};

fn blocking(server: &Server) -> smtp_blocking::ClientBuilder {
    smtp_blocking::ClientBuilder::new("127.0.0.1").port(server.address.port()).tls(TlsPolicy::None)
}

fn tokio(server: &Server) -> smtp_tokio::ClientBuilder {
    smtp_tokio::ClientBuilder::new("127.0.0.1").port(server.address.port()).tls(TlsPolicy::None)
}

#[tokio::test]
async fn a_client_whose_future_was_dropped_is_not_used_again() {
    // The first session gets no verdict.
    let server = Server::start(|n, line| (n == 0 && line == ".").then_some(""));
    let pool = smtp_tokio::pool::Manager::new(tokio(&server)).pool(1).build().unwrap();
    let mut client = pool.get().await.unwrap();
    let to = to_bob();
    let sent = tokio::time::timeout(Duration::from_millis(200), client.send(&to, BODY)).await;
    assert!(sent.is_err());
    assert!(client.may_have_been_delivered() && !client.is_reusable());
    drop(client);
    pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    let said = server.said(2, 1);
    assert!(!said[0].contains(&"QUIT".to_owned()), "{said:?}");
    assert!(!said[0].contains(&"RSET".to_owned()), "{said:?}");

    // In the middle of a check, too.
    let server = Server::start(|n, line| (n == 0 && line == "RSET").then_some(""));
    let pool =
        smtp_tokio::pool::Manager::new(tokio(&server)).check_after(Duration::ZERO).pool(1).build().unwrap();
    drop(pool.get().await.unwrap());
    assert!(tokio::time::timeout(Duration::from_millis(200), pool.get()).await.is_err());
    pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    server.said(2, 1);

    // And within deadpool's own limit, which is no reason to give up.
    let server = Server::start(|n, line| (n == 0 && line == "RSET").then_some(""));
    let pool = smtp_tokio::pool::Manager::new(tokio(&server)).check_after(Duration::ZERO).pool(1);
    let pool = pool.recycle_timeout(Some(Duration::from_millis(200))).build().unwrap();
    drop(pool.get().await.unwrap());
    pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    server.said(2, 1);
}

#[test]
fn a_check_that_gets_no_answer_ends_by_itself() {
    let server = Server::start(|n, line| (n == 0 && line == "RSET").then_some(""));
    let mut timeouts = smtp_proto::connection::Timeouts::default();
    timeouts.rset = Duration::from_millis(200);
    let manager =
        smtp_blocking::pool::Manager::new(blocking(&server).timeouts(timeouts)).check_after(Duration::ZERO);
    let pool = manager.pool(1).build(manager).unwrap();
    drop(pool.get().unwrap());
    pool.get().unwrap().send(&to_bob(), BODY).unwrap();
    server.said(2, 1);
}

/// A message that cannot be made.
fn panics() -> std::iter::Map<std::ops::Range<usize>, fn(usize) -> smtp_blocking::Message<'static>> {
    (0..1).map(|_| panic!("the template is gone"))
}

#[test]
fn a_client_that_a_panic_tore_out_of_its_work_is_not_used_again() {
    let server = Server::start(|_, _| None);
    let manager = smtp_blocking::pool::Manager::new(blocking(&server));
    let pool = manager.pool(1).build(manager).unwrap();
    let torn = pool.clone();
    let thread = std::thread::spawn(move || {
        let mut client = torn.get().unwrap();
        client.send(&to_bob(), BODY).unwrap();
        let _ = client.send_all(panics()).next();
    });
    assert!(thread.join().is_err());
    pool.get().unwrap().send(&to_bob(), BODY).unwrap();
    let said = server.said(2, 1);
    assert!(!said[0].contains(&"QUIT".to_owned()), "nobody knows what was half said: {said:?}");

    // Between two messages a panic of the holder's is none of the session's.
    let held = pool.clone();
    let thread = std::thread::spawn(move || {
        let _client = held.get().unwrap();
        panic!("the holder's own");
    });
    assert!(thread.join().is_err());
    pool.get().unwrap().send(&to_bob(), BODY).unwrap();
    server.said(2, 1);
}

#[tokio::test]
async fn a_client_that_was_made_elsewhere_stays_elsewhere() {
    let (server, elsewhere) = (Server::start(|_, _| None), Server::start(|_, _| None));
    let to = to_bob();

    let manager = smtp_blocking::pool::Manager::new(blocking(&server));
    let pool = manager.pool(1).build(manager).unwrap();
    let mut foreign = blocking(&elsewhere).connect().unwrap();
    std::mem::swap(&mut *pool.get().unwrap(), &mut foreign);
    pool.get().unwrap().send(&to, BODY).unwrap();
    assert!(elsewhere.said(1, 0)[0].contains(&"QUIT".to_owned()));

    // And that of another pool of the same server is of another pool.
    let pools = [(); 2].map(|()| smtp_tokio::pool::Manager::new(tokio(&server)).pool(1).build().unwrap());
    let (mut one, mut other) = (pools[0].get().await.unwrap(), pools[1].get().await.unwrap());
    std::mem::swap(&mut *one, &mut *other);
    drop((one, other));
    for pool in &pools {
        pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    }
    // The one that was swapped out, which is still open, two in each pool of tokio's, and one more in r2d2's.
    let said = server.said(6, 4);
    assert_eq!(said.iter().filter(|lines| lines.contains(&"QUIT".to_owned())).count(), 2, "{said:#?}");
}

/// A server whose sessions are, in turn, with STARTTLS and without.
fn turncoat() -> (u16, Arc<Sink>, Arc<std::sync::atomic::AtomicUsize>) {
    let secure = Arc::new(Sink::builder().start().unwrap());
    let clear = Arc::new(Sink::builder().tls(TlsMode::None).start().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::<std::sync::atomic::AtomicUsize>::default();
    let (counter, sink) = (Arc::clone(&count), Arc::clone(&secure));
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let sink = Arc::clone(if n == 1 { &clear } else { &secure });
            std::thread::spawn(move || sink.serve_stream(stream.unwrap()));
        }
    });
    (port, sink, count)
}

#[tokio::test]
async fn a_session_in_clear_is_not_used_again_where_tls_was_seen() {
    let to = to_bob();
    let made = |count: &std::sync::atomic::AtomicUsize| count.load(std::sync::atomic::Ordering::SeqCst);

    let (port, sink, count) = turncoat();
    let tls = sink.certificate_authority().client_config().unwrap();
    let builder = smtp_blocking::ClientBuilder::new("127.0.0.1").port(port).tls(TlsPolicy::Opportunistic);
    let manager = smtp_blocking::pool::Manager::new(builder.tls_config(Arc::clone(&tls)));
    let pool = manager.pool(2).build(manager).unwrap();
    let mut pair = [pool.get().unwrap(), pool.get().unwrap()];
    assert_eq!(pair.each_ref().map(|client| client.security().is_tls()), [true, false]);
    for client in &mut pair {
        client.send(&to, BODY).unwrap();
    }
    drop(pair);
    let pair = [pool.get().unwrap(), pool.get().unwrap()];
    assert_eq!(pair.each_ref().map(|client| client.security().is_tls()), [true, true]);
    assert_eq!(made(&count), 3);

    let (port, sink, count) = turncoat();
    let tls = sink.certificate_authority().client_config().unwrap();
    let builder = smtp_tokio::ClientBuilder::new("127.0.0.1").port(port).tls(TlsPolicy::Opportunistic);
    let pool = smtp_tokio::pool::Manager::new(builder.tls_config(tls)).pool(2).build().unwrap();
    let mut pair = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    assert_eq!(pair.each_ref().map(|client| client.security().is_tls()), [true, false]);
    for client in &mut pair {
        client.send(&to, BODY).await.unwrap();
    }
    drop(pair);
    let pair = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    assert_eq!(pair.each_ref().map(|client| client.security().is_tls()), [true, true]);
    assert_eq!(made(&count), 3);
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[test]
fn what_is_asked_of_the_client_alone_is_no_word_from_the_server() {
    let server = Server::start(|_, _| None);
    let manager =
        smtp_blocking::pool::Manager::new(blocking(&server)).check_after(Duration::from_millis(200));
    let pool = manager.pool(1).build(manager).unwrap();
    pool.get().unwrap().send(&to_bob(), BODY).unwrap();
    let mut client = pool.get().unwrap();
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(client.extension("SIZE").unwrap(), None);
    drop(client);
    drop(pool.get().unwrap());
    assert_eq!(server.said(1, 1)[0].last().unwrap(), "RSET");
}

#[tokio::test]
async fn time_passes() {
    let server = Server::start(|_, _| None);
    let pool = smtp_tokio::pool::Manager::new(tokio(&server)).pool(1).build().unwrap();
    let resets = |said: &[String]| said.iter().filter(|line| *line == "RSET").count();
    let to = to_bob();
    pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    // Not worth a question.
    pass(Duration::from_secs(4)).await;
    pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    assert_eq!(resets(&server.said(1, 1)[0]), 0);
    // It is counted from when the server was last heard.
    for n in 1..=5 {
        pass(Duration::from_secs(55)).await;
        drop(pool.get().await.unwrap());
        assert_eq!(resets(&server.said(1, 1)[0]), n);
    }
    // Five minutes in all are over.
    pass(Duration::from_secs(55)).await;
    pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    assert_eq!(server.said(2, 1)[0].iter().rev().take(2).rev().collect::<Vec<_>>(), ["QUIT", END]);
    // And a minute of idleness.
    pass(Duration::from_secs(61)).await;
    pool.get().await.unwrap().send(&to, BODY).await.unwrap();
    assert_eq!(server.said(3, 1)[1].iter().rev().take(2).rev().collect::<Vec<_>>(), ["QUIT", END]);
    // Without being asked for.
    smtp_tokio::pool::tidy(&pool).await;
    assert_eq!(pool.status().size, 1);
    pass(Duration::from_secs(61)).await;
    smtp_tokio::pool::tidy(&pool).await;
    assert_eq!(pool.status().size, 0);
    assert_eq!(server.said(3, 0)[2].iter().rev().take(2).rev().collect::<Vec<_>>(), ["QUIT", END]);
}

#[tokio::test]
async fn a_pool_that_is_closed_says_quit() {
    let ends = |server: &Server| {
        let said = server.said(3, 0);
        said.iter().map(|lines| lines.contains(&"QUIT".to_owned())).collect::<Vec<_>>()
    };
    let server = Server::start(|_, _| None);
    let manager = smtp_blocking::pool::Manager::new(blocking(&server));
    let pool = manager.pool(3).build(manager).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    let held = clients.remove(0);
    drop(clients);
    smtp_blocking::pool::close(&pool);
    assert_eq!(pool.state().connections, 1);
    server.said(3, 1);
    drop(held);
    drop(pool);
    assert_eq!(ends(&server), [false, true, true]);

    let server = Server::start(|_, _| None);
    let pool = smtp_tokio::pool::Manager::new(tokio(&server)).pool(3).build().unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(pool.get().await.unwrap());
    }
    let mut held = clients.remove(0);
    drop(clients);
    smtp_tokio::pool::close(&pool).await;
    server.said(3, 1);
    held.send(&to_bob(), BODY).await.unwrap();
    drop(held);
    assert_eq!(ends(&server), [false, true, true]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_quit_holds_nobody_up() {
    // The client that was retired is closed before its QUIT is answered: it never is.
    let server = Server::start(|_, line| (line == "QUIT").then_some(""));
    let quick = Duration::from_secs(3);
    let start = std::time::Instant::now();
    let manager = smtp_blocking::pool::Manager::new(blocking(&server)).max_messages(1);
    let pool = manager.pool(1).build(manager).unwrap();
    let tokio = smtp_tokio::pool::Manager::new(tokio(&server)).max_messages(1).pool(1).build().unwrap();
    for _ in 0..3 {
        pool.get().unwrap().send(&to_bob(), BODY).unwrap();
        tokio.get().await.unwrap().send(&to_bob(), BODY).await.unwrap();
    }
    assert!(start.elapsed() < quick, "{:?}", start.elapsed());
}

/// Passes on what comes, and counts what the client says, connection by connection.
fn counting_relay(to: std::net::SocketAddr) -> (u16, Arc<std::sync::Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts = Arc::<std::sync::Mutex<Vec<usize>>>::default();
    let kept = Arc::clone(&counts);
    std::thread::spawn(move || {
        for (n, client) in listener.incoming().enumerate() {
            kept.lock().unwrap().push(0);
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(to).unwrap());
            let (mut out, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back, &mut out));
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = client.read(&mut buffer) {
                    kept.lock().unwrap()[n] += count;
                    server.write_all(&buffer[..count]).unwrap();
                }
                let _ = server.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (port, counts)
}

#[tokio::test]
async fn quit_leaves_under_tls_too() {
    let sink = Sink::builder().tls(TlsMode::Implicit).start().unwrap();
    let tls = sink.certificate_authority().client_config().unwrap();
    let said = |counts: &std::sync::Mutex<Vec<usize>>| counts.lock().unwrap()[0];
    // "QUIT" and its CRLF in a record of TLS 1.3: a head of 5 octets, a type, a tag of 16.
    let record = 6 + 5 + 1 + 16;
    let quit_came = |counts: &std::sync::Mutex<Vec<usize>>, before: usize| {
        let start = std::time::Instant::now();
        while said(counts) != before + record {
            assert!(start.elapsed() < crate::server::PATIENCE, "{} octets after {before}", said(counts));
            std::thread::sleep(Duration::from_millis(2));
        }
    };

    let (port, counts) = counting_relay(sink.address());
    let builder = smtp_blocking::ClientBuilder::new("127.0.0.1").port(port).tls(TlsPolicy::Implicit);
    let manager = smtp_blocking::pool::Manager::new(builder.tls_config(Arc::clone(&tls))).max_messages(1);
    let pool = manager.pool(1).build(manager).unwrap();
    let mut client = pool.get().unwrap();
    client.send(&to_bob(), BODY).unwrap();
    let before = said(&counts);
    drop(client);
    quit_came(&counts, before);

    let (port, counts) = counting_relay(sink.address());
    let builder = smtp_tokio::ClientBuilder::new("127.0.0.1").port(port).tls(TlsPolicy::Implicit);
    let manager = smtp_tokio::pool::Manager::new(builder.tls_config(tls)).max_messages(1);
    let pool = manager.pool(1).build().unwrap();
    let mut client = pool.get().await.unwrap();
    client.send(&to_bob(), BODY).await.unwrap();
    let before = said(&counts);
    drop(client);
    drop(pool.get().await.unwrap());
    quit_came(&counts, before);
}
