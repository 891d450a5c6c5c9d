//! A domain of our own: what the DNS would say of it, and three mail exchangers, of which the third works.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use smtp_composing::{Failure, show};
use smtp_tests::sink::Sink;
use smtp_tokio::smtp_proto::flow::Envelope;

use super::dns::Dns;

/// A DNS that knows one domain.
#[derive(Default)]
pub struct Table {
    pub exchangers: Vec<(u16, &'static str)>,
    pub hosts: Vec<(&'static str, SocketAddr)>,
}

impl Dns for Table {
    async fn exchangers(&self, _: &str) -> Result<Vec<(u16, String)>, Failure> {
        Ok(self.exchangers.iter().map(|(preference, host)| (*preference, (*host).to_owned())).collect())
    }

    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Failure> {
        let known = self.hosts.iter().filter(|(name, _)| *name == host);
        let addresses: Vec<SocketAddr> = known.map(|(_, address)| *address).collect();
        if addresses.is_empty() { Err("there is no such host".into()) } else { Ok(addresses) }
    }
}

pub async fn run() -> Result<(), Failure> {
    let sink = Sink::builder().host_name("mx3.example.net").start()?;
    let dns = Table {
        exchangers: vec![(20, "mx3.example.net."), (5, "mx1.example.net."), (10, "mx2.example.net.")],
        hosts: vec![
            ("mx1.example.net.", nobody()?),
            ("mx2.example.net.", speaker("421 4.3.2 Too busy\r\n")?),
            ("mx3.example.net.", sink.address()),
        ],
    };
    let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    let message = b"Subject: By the third\r\n\r\nmx1 is down and mx2 is busy.\r\n";
    let tls = sink.certificate_authority().client_config()?;
    println!("the hosts to try: {}", super::dns::route(&dns, "example.net").await?.join(" "));
    let delivery = super::deliver(&dns, tls.into(), &envelope, message).await?;
    println!("accepted: {}", delivery.reply);
    show(
        &sink
            .wait_for_message(Duration::from_secs(5))
            .ok_or("the sink took the message and does not have it")?,
    );
    Ok(())
}

/// Where nobody listens.
pub fn nobody() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// A host that says the same to everyone, and hangs up.
pub fn speaker(line: &'static str) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.write_all(line.as_bytes());
        }
    });
    Ok(address)
}
