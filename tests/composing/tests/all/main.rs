//! Each example against servers of our own: what arrived, and what did not.

mod dkim;
mod messages;
mod mx;
mod run;
mod socks5;

use smtp_composing::Account;
use smtp_tests::sink::{Message, Sink};

/// Runs a future to its end.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The one message that arrived, over TLS, from alice to both recipients; the client broke no rule.
fn only_message(account: &Account) -> Message {
    let sink = account.sink.as_ref().unwrap();
    assert_eq!(sink.client_errors(), []);
    let [message] = <[Message; 1]>::try_from(sink.messages()).unwrap();
    assert!(message.tls);
    assert_eq!(message.authenticated_as.as_deref(), Some("alice"));
    assert_eq!(message.reverse_path, "alice@example.org");
    assert_eq!(message.recipients, ["bob@example.net", "carol@example.net"]);
    message
}

/// Nothing arrived, and nobody was asked to break a rule.
fn nothing_arrived(sink: &Sink) {
    assert_eq!((sink.messages(), sink.client_errors()), (vec![], vec![]));
}
