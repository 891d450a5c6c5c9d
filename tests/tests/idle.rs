//! What a connection holds that has nothing to do: there may be ten thousand of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use allocation_counter::measure;
use smtp_proto::command::{AuthCommand, Command};
use smtp_proto::connection::{Config, Connection, Event, Peer};
use smtp_proto::flow::{Body, Envelope, Flow, Open, Send, SendOptions, Step};
use smtp_proto::security::ChannelBindings;

/// Octets, the value itself included; the settings are shared.
const IDLE: u64 = 1024;

/// As Postfix says it, with all that the client knows how to use.
const EHLO: &[u8] =
    b"250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-VRFY\r\n250-ETRN\r\n\
    250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n250-AUTH=PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n\
    250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";

#[test]
fn an_idle_connection_holds_a_kibibyte() {
    let config = std::sync::Arc::new(
        Config::new("mail.example.org").client_name("client.example.net".parse().unwrap()),
    );
    let envelope =
        Envelope::from_strs("alice@example.org", &["bob@example.net", "carol@example.net"]).unwrap();
    let value = size_of::<Connection>() as u64;
    let mut held = Vec::with_capacity(3);
    let mut connection = None;
    let counted = measure(|| connection = Some(open(config.clone())));
    let mut connection = connection.unwrap();
    held.push(counted.bytes_current);
    let counted = measure(|| authenticate(&mut connection));
    held.push(held[0] + counted.bytes_current);
    let counted = measure(|| send(&mut connection, &envelope));
    held.push(held[1] + counted.bytes_current);
    for (after, heap) in ["EHLO", "AUTH", "a message"].into_iter().zip(held) {
        println!("after {after}: {value} octets, and {heap} on the heap");
        assert!(value + heap as u64 <= IDLE, "after {after}: {} octets", value + heap as u64);
    }
}

fn open(config: std::sync::Arc<Config>) -> Connection {
    let mut connection = Connection::new(config, Peer::Remote);
    let mut open = Open::new();
    connection.receive(b"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    written(&mut connection);
    connection.receive(b"250-mail.example.org\r\n250 STARTTLS\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    written(&mut connection);
    connection.receive(b"220 2.0.0 Ready to start TLS\r\n");
    let Ok(Step::UpgradeTls(upgrade)) = open.poll(&mut connection) else { panic!() };
    let bindings = ChannelBindings::new().with_exporter([1; 32]).with_server_end_point([2; 32]);
    connection.tls_established(upgrade.bind(bindings)).unwrap();
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    written(&mut connection);
    connection.receive(EHLO);
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    connection
}

fn authenticate(connection: &mut Connection) {
    let auth = AuthCommand { mechanism: "PLAIN", initial_response: Some(b"\0alice\0wonderland") };
    connection.command(Command::Auth(auth)).unwrap();
    written(connection);
    connection.receive(b"235 2.7.0 Authentication successful\r\n");
    assert!(matches!(connection.poll_event(), Ok(Some(Event::Reply { .. }))));
    assert!(matches!(connection.poll_event(), Ok(None)));
    assert!(connection.is_authenticated());
}

fn send(connection: &mut Connection, envelope: &Envelope) {
    let body = b"Subject: hi\r\n\r\nhi\r\n";
    let options = SendOptions::default().transfer(smtp_proto::flow::Transfer::Data);
    let mut send = Send::new(envelope, Body::Whole(body), options);
    assert!(matches!(send.poll(connection), Ok(Step::Continue)));
    written(connection);
    connection.receive(
        b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 <carol@example.net>: Recipient address rejected: \
        User unknown in local recipient table\r\n354 End data with <CR><LF>.<CR><LF>\r\n",
    );
    assert!(matches!(send.poll(connection), Ok(Step::SupplyBody { .. })));
    let part = connection.body(body).unwrap();
    connection.advance_output(part.len()).unwrap();
    connection.finish_body().unwrap();
    written(connection);
    connection.receive(b"250 2.0.0 Ok: queued as 4XyZ1w2abcz9\r\n");
    assert!(matches!(send.poll(connection), Ok(Step::Done(_))));
    assert!(connection.is_idle());
}

fn written(connection: &mut Connection) {
    connection.advance_output(connection.output().len()).unwrap();
}
