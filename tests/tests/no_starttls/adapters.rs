//! The same application over both adapters, whose TLS is real.

use std::sync::Arc;

use smtp_proto::connection::{TimeoutPhase, TlsPolicy};
use smtp_proto::flow::Envelope;

use crate::application::{self, End, FROM, MESSAGE, Play, TO, Trace, cause, credentials, in_clear};
use crate::config;
use crate::scripts::Row;
use crate::tls_support::{Authority, Scripted, assert_tls_records};

/// Both adapters have the same verbs; `$wait` is what one puts behind each call. A QUIT consumes the client.
macro_rules! run {
    ($client:ident, $play:expr $(, $wait:tt $await:ident)?) => {{
        let mut wish = $client.capabilities()$($wait $await)?.map(drop);
        if wish.is_ok() {
            wish = $client.login(&credentials())$($wait $await)?.map(drop);
        }
        let envelope = Envelope::from_strs(FROM, &[TO]).unwrap();
        let mut trace = Trace::of(wish.map_err(|error| error.into_kind()));
        if trace.wish.is_ok() {
            let sent = $client.send(&envelope, MESSAGE)$($wait $await)?;
            trace.wish = sent.map(drop).map_err(|error| cause(error.into_kind()));
        }
        if $play.reset.is_some() {
            trace.reset = Some($client.reset()$($wait $await)?.map(drop).map_err(|error| error.into_kind()));
        }
        trace.poisoned = $client.connection().failure().is_some();
        if trace.poisoned {
            let met = [
                $client.noop()$($wait $await)?.map(drop),
                $client.start_tls()$($wait $await)?,
                $client.login(&credentials())$($wait $await)?.map(drop),
                $client.reset()$($wait $await)?.map(drop),
            ];
            trace.insisted.extend(met.map(|met| met.map_err(|error| error.into_kind())));
            let sent = $client.send(&envelope, MESSAGE)$($wait $await)?;
            trace.insisted.push(sent.map(drop).map_err(|error| cause(error.into_kind())));
            trace.insisted.push($client.quit()$($wait $await)?.map_err(|error| error.into_kind()));
        } else {
            trace.quit = Some($client.quit()$($wait $await)?.map_err(|error| error.into_kind()));
        }
        trace
    }};
}

fn blocking(stream: Scripted, policy: TlsPolicy, play: &Play) -> Trace {
    let mut client = smtp_blocking::Client::new(stream, config(policy));
    client.set_tls_config(Authority::new().client_config());
    if play.has_tls() {
        // The handshake of the script is one that the stream does.
        let upgraded = client.start_tls_with(|mut stream, host| {
            assert_eq!(host, "mail.example");
            stream.stream.handshake().map(|()| stream)
        });
        client = match upgraded {
            Ok(client) => client,
            Err(error) => return upgrade_failed(error.into_kind()),
        };
    }
    run!(client, play)
}

fn tokio(stream: Scripted, policy: TlsPolicy, play: &Play) -> Trace {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut client = smtp_tokio::Client::new(stream, config(policy));
        client.set_tls_config(Authority::new().client_config());
        if play.has_tls() {
            let upgraded = client
                .start_tls_with(|mut stream, host| async move {
                    assert_eq!(host, "mail.example");
                    stream.stream.handshake().map(|()| stream)
                })
                .await;
            return match upgraded {
                Ok(mut client) => run!(client, play, . await),
                Err(error) => upgrade_failed(error.into_kind()),
            };
        }
        run!(client, play, . await)
    })
}

/// The client is gone with its connection.
fn upgrade_failed(error: smtp_proto::Error) -> Trace {
    Trace { poisoned: true, ..Trace::of(Err(error)) }
}

/// Plays one transcript through both adapters, with whole writes and reads and octet by octet.
pub(crate) fn play(row: &Row, policy: TlsPolicy, play: &Play) {
    // A policy that does STARTTLS by itself leaves none to the caller.
    let applied = if play.has_tls() { TlsPolicy::None } else { policy };
    for one_octet in [false, true] {
        for (adapter, client) in [("blocking", blocking as fn(_, _, &_) -> _), ("tokio", tokio)] {
            let way =
                format!("{}, {policy:?}, {adapter}, one octet {one_octet}: {}", row.script, row.situation);
            let stream = Scripted::new(play.transcript, one_octet);
            let (peer, records) = (stream.stream.peer(), Arc::clone(&stream.records));
            let trace = client(stream, applied, play);
            play.judge(&trace, &way);
            peer.verify(trace.poisoned);
            peer.with(|peer| application::assert_no_secret(in_clear(peer.wire(), play), &way));
            let records = records.lock().unwrap();
            assert_tls_records(&records, &way);
            let spoke_tls = !records.is_empty();
            match play.end {
                End::ClearText | End::Silence(TimeoutPhase::TlsHandshake) => assert!(spoke_tls, "{way}"),
                // T01: not even a ClientHello, unless the octets come after the 220 has been read (T03).
                End::Residue => {
                    assert_eq!(spoke_tls, one_octet || play.transcript.contains("\n\n"), "{way}");
                }
                _ => assert!(!spoke_tls, "{way}: {} octets of TLS", records.len()),
            }
        }
    }
}
