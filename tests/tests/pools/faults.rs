//! What a caller is told who gets no client: in time, with the option's name, and without the password.

use std::error::Error as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use smtp_proto::connection::{Timeouts, TlsPolicy};
use smtp_proto::sasl::Credentials;
use smtp_tests::sink::{Sink, TlsMode};

use crate::server::{CLOSE, Habit, PATIENCE, Server};

const WAIT: Duration = Duration::from_millis(300);

/// In which a session fails even on a machine that has much else to do. r2d2 always waits for so long.
const LONG: Duration = Duration::from_secs(2);

/// A pool of each adapter, of this size, which waits for so long.
fn pools(
    builder: &Builders,
    size: u32,
    wait: Duration,
) -> (smtp_blocking::pool::Pool, smtp_tokio::pool::Pool) {
    let manager = smtp_blocking::pool::Manager::new(builder.0.clone());
    let blocking = manager.pool(size).connection_timeout(wait).build(manager).unwrap();
    let tokio = smtp_tokio::pool::Manager::new(builder.1.clone()).pool(size as usize);
    (blocking, tokio.wait_timeout(Some(wait)).build().unwrap())
}

struct Builders(smtp_blocking::ClientBuilder, smtp_tokio::ClientBuilder);

impl Builders {
    fn new(port: u16, tls: TlsPolicy) -> Self {
        Self(
            smtp_blocking::ClientBuilder::new("127.0.0.1").port(port).tls(tls),
            smtp_tokio::ClientBuilder::new("127.0.0.1").port(port).tls(tls),
        )
    }

    fn credentials(self, credentials: &Credentials) -> Self {
        Self(self.0.credentials(credentials.clone()), self.1.credentials(credentials.clone()))
    }

    fn timeouts(self, timeouts: &Timeouts) -> Self {
        Self(self.0.timeouts(timeouts.clone()), self.1.timeouts(timeouts.clone()))
    }
}

/// What both say to a caller who gets nothing, in words; and that it does not take long.
async fn refusals(builders: &Builders) -> (String, String) {
    let start = Instant::now();
    let (blocking, tokio) = pools(builders, 2, LONG);
    let error = blocking.get().err().unwrap();
    let first = smtp_blocking::pool::explain(&blocking, &error);
    let error = tokio.get().await.err().unwrap();
    let second = smtp_tokio::pool::explain(&tokio, &error);
    assert!(start.elapsed() < PATIENCE);
    println!("r2d2: {first}\ndeadpool: {second}");
    for text in [&first, &second, &format!("{blocking:?}"), &format!("{tokio:?}")] {
        assert!(!text.contains("tanstaaf"), "{text}");
    }
    // Its cause is told once.
    assert!(error.source().is_none_or(|cause| cause.source().is_none()), "{error:?}");
    (first, second)
}

#[tokio::test]
async fn a_full_pool_names_the_options() {
    let server = Server::start(|_, _| None);
    let (blocking, tokio) = pools(&Builders::new(server.address.port(), TlsPolicy::None), 2, WAIT);

    let held = [blocking.get_timeout(LONG).unwrap(), blocking.get_timeout(LONG).unwrap()];
    let error = blocking.get().err().unwrap();
    let text = smtp_blocking::pool::explain(&blocking, &error);
    println!("{text}");
    assert!(
        text.contains("all 2") && text.contains("`max_size`") && text.contains("`connection_timeout`"),
        "{text}"
    );
    assert!(text.contains("300ms"), "{text}");
    drop(held);
    assert!(blocking.get().is_ok());

    let held = [tokio.get().await.unwrap(), tokio.get().await.unwrap()];
    let error = tokio.get().await.err().unwrap();
    let text = smtp_tokio::pool::explain(&tokio, &error);
    println!("{text}");
    assert!(
        text.contains("all 2") && text.contains("`max_size`") && text.contains("`wait_timeout`"),
        "{text}"
    );
    assert!(text.contains("300ms"), "{text}");
    drop(held);
    assert!(tokio.get().await.is_ok());

    smtp_tokio::pool::close(&tokio).await;
    let error = tokio.get().await.err().unwrap();
    assert_eq!(smtp_tokio::pool::explain(&tokio, &error), "the pool was closed");
    let builder = Builders::new(server.address.port(), TlsPolicy::None).1;
    let none = smtp_tokio::pool::Manager::new(builder).pool(0).wait_timeout(Some(WAIT)).build().unwrap();
    let error = none.get().await.err().unwrap();
    assert_eq!(smtp_tokio::pool::explain(&none, &error), "the pool is for no client: `max_size` is 0");
}

#[tokio::test]
async fn a_server_that_is_down() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (blocking, tokio) = refusals(&Builders::new(port, TlsPolicy::None)).await;
    for text in [&blocking, &tokio] {
        assert!(text.contains("could not connect to the server") && text.contains("refused"), "{text}");
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    }
    assert!(blocking.contains("`connection_timeout`"), "{blocking}");
}

#[tokio::test]
async fn a_server_that_comes_up_later() {
    let server = Server::start(|n, line| (n < 2 && line.is_empty()).then_some("421 not yet\r\n\x04"));
    assert!("\x04".contains(CLOSE));
    let (blocking, _) = pools(&Builders::new(server.address.port(), TlsPolicy::None), 1, WAIT);
    // r2d2 tries again by itself.
    let start = Instant::now();
    while blocking.get().is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
    let server = Server::start(|n, line| (n < 2 && line.is_empty()).then_some("421 not yet\r\n\x04"));
    let (_, tokio) = pools(&Builders::new(server.address.port(), TlsPolicy::None), 1, WAIT);
    assert!(tokio.get().await.is_err() && tokio.get().await.is_err() && tokio.get().await.is_ok());
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut timeouts = Timeouts::default();
    timeouts.greeting = Duration::from_millis(100);
    let builders = Builders::new(listener.local_addr().unwrap().port(), TlsPolicy::None).timeouts(&timeouts);
    let (blocking, tokio) = refusals(&builders).await;
    for text in [blocking, tokio] {
        assert!(text.contains("timed out") && text.contains("greeting"), "{text}");
    }
    let patient = Builders::new(listener.local_addr().unwrap().port(), TlsPolicy::None);
    let tokio = smtp_tokio::pool::Manager::new(patient.1).pool(1).create_timeout(Some(WAIT)).build().unwrap();
    let error = tokio.get().await.err().unwrap();
    let text = smtp_tokio::pool::explain(&tokio, &error);
    assert!(text.contains("`create_timeout`") && text.contains("300ms"), "{text}");
}

/// The password is wrong, and the server counts.
const WRONG: Habit = |_, line| line.starts_with("AUTH").then_some("535 5.7.8 no such user\r\n");

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let credentials = Credentials::password("tim", "tanstaaf");
    for adapter in ["r2d2", "deadpool"] {
        let server = Server::start(WRONG);
        let builders = Builders::new(server.address.port(), TlsPolicy::None).credentials(&credentials);
        let (blocking, tokio) = pools(&builders, 8, LONG);
        let mut texts = Vec::new();
        if adapter == "r2d2" {
            // Eight threads at once, twice.
            for _ in 0..2 {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        let pool = blocking.clone();
                        std::thread::spawn(move || {
                            let error = pool.get().err().unwrap();
                            smtp_blocking::pool::explain(&pool, &error)
                        })
                    })
                    .collect();
                texts.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
            }
            // r2d2 tells the latest reason to one caller only.
            texts.retain(|text| text.contains("535"));
        } else {
            for _ in 0..2 {
                let mut tasks = tokio::task::JoinSet::new();
                for _ in 0..8 {
                    let pool = tokio.clone();
                    tasks.spawn(async move {
                        let error = pool.get().await.err().unwrap();
                        smtp_tokio::pool::explain(&pool, &error)
                    });
                }
                texts.extend(tasks.join_all().await);
            }
            assert_eq!(texts.len(), 16);
        }
        println!("{adapter}: {texts:#?}");
        assert!(texts.iter().all(|text| text.contains("535 5.7.8 no such user")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("`login_pause`")), "{texts:?}");
        assert!(texts.iter().all(|text| !text.contains("tanstaaf")), "{texts:?}");
        let said = server.said(1, 0).concat();
        assert_eq!(said.iter().filter(|line| line.starts_with("AUTH")).count(), 1, "{adapter}: {said:?}");
    }
}

#[tokio::test]
async fn another_failure_does_not_end_a_login_pause() {
    // All log in at once, since the first could; then the password is changed, and the server goes down.
    let server = Server::start(|n, line| match (n, line) {
        (1, line) if line.starts_with("AUTH") => Some("535 no more\r\n"),
        (2, "") => {
            std::thread::sleep(WAIT);
            Some("421 going down\r\n\x04")
        }
        _ => None,
    });
    let builders = Builders::new(server.address.port(), TlsPolicy::None)
        .credentials(&Credentials::password("tim", "tanstaaf"));
    let pool = smtp_tokio::pool::Manager::new(builders.1).pool(4).build().unwrap();
    let _first = pool.get().await.unwrap();
    let (refused, down) = tokio::join!(pool.get(), pool.get());
    let explain = |error| smtp_tokio::pool::explain(&pool, &error);
    let texts = [refused, down].map(|error| explain(error.err().unwrap()));
    assert!(texts[0].contains("535") && texts[1].contains("421"), "{texts:?}");
    let text = explain(pool.get().await.err().unwrap());
    assert!(text.contains("535") && text.contains("`login_pause`"), "{text}");
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_login_pause_ends() {
    let server = Server::start(|n, line| (n == 0 && line.starts_with("AUTH")).then_some("535 not yet\r\n"));
    let builders = Builders::new(server.address.port(), TlsPolicy::None)
        .credentials(&Credentials::password("tim", "tanstaaf"));
    let manager = smtp_tokio::pool::Manager::new(builders.1).login_pause(Duration::from_secs(60));
    let pool = manager.pool(1).build().unwrap();
    assert!(pool.get().await.is_err() && pool.get().await.is_err());
    assert_eq!(server.connections(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    assert!(pool.get().await.unwrap().connection().is_authenticated());

    let server = Server::start(|n, line| (n == 0 && line.starts_with("AUTH")).then_some("535 not yet\r\n"));
    let builders = Builders::new(server.address.port(), TlsPolicy::None)
        .credentials(&Credentials::password("tim", "tanstaaf"));
    let manager = smtp_blocking::pool::Manager::new(builders.0).login_pause(Duration::ZERO);
    // r2d2 tries again by itself.
    let pool = manager.pool(1).connection_timeout(PATIENCE).build(manager).unwrap();
    assert!(pool.get().unwrap().connection().is_authenticated());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn tls_that_fails() {
    // Nobody trusts its certificate.
    let sink = Sink::builder().start().unwrap();
    let (blocking, tokio) = refusals(&Builders::new(sink.address().port(), TlsPolicy::Required)).await;
    for text in [&blocking, &tokio] {
        assert!(text.contains("TLS handshake failed") && text.contains("nothing more was sent"), "{text}");
    }
    let sink = Sink::builder().tls(TlsMode::None).start().unwrap();
    let (blocking, tokio) = refusals(&Builders::new(sink.address().port(), TlsPolicy::Required)).await;
    for text in [&blocking, &tokio] {
        assert!(text.contains("TLS is required, and the server does not offer STARTTLS"), "{text}");
    }
}
