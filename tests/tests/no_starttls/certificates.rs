//! Four situations of a certificate. The text of the suite's own four was not to be had, so these go by what RFC 5280
//! and RFC 9525 ask of a client: a certificate is believed if somebody trusted has signed it, for this host, for
//! today. Each is met over STARTTLS and implicit TLS by every TLS library compiled in.

use smtp_proto::connection::TlsPolicy;
use smtp_proto::error::Error;

use crate::application::assert_no_secret;
use crate::config;
use crate::tls_support::server::{VERSIONS, server_config};
use crate::tls_support::{
    Ask, Attempt, Authority, Conduct, Identity, Leaf, Server, Trust, assert_tls_records, backends,
};

/// What is wrong with the certificate, and how it is made, if by an authority that is trusted.
type Situation = (&'static str, fn(&Authority) -> Identity);

/// All of them.
pub(crate) const SITUATIONS: [Situation; 4] = [
    ("signed by an authority that nobody trusts", |_| Authority::new().sign(Leaf::of(&["mail.example"]))),
    ("signed by itself", |_| Leaf::of(&["mail.example"]).self_signed()),
    ("for another host", |trusted| trusted.sign(Leaf::of(&["mail.attacker.example"]))),
    ("no longer valid", |trusted| {
        trusted.sign(Leaf { years: Some((2001, 2002)), ..Leaf::of(&["mail.example"]) })
    }),
];

#[test]
fn no_starttls_4_certificates_in_every_backend() {
    for (what, identity) in SITUATIONS {
        for backend in &backends() {
            for policy in [TlsPolicy::Required, TlsPolicy::Opportunistic, TlsPolicy::Implicit] {
                let trusted = Authority::new();
                let conduct =
                    if policy == TlsPolicy::Implicit { Conduct::Implicit } else { Conduct::StartTls };
                let server = Server::start(conduct, server_config(identity(&trusted), VERSIONS[1]));
                let outcome = backend.attempt(Attempt {
                    address: server.address,
                    config: config(policy),
                    trust: Trust::Only(&trusted),
                    ask: Ask::LogInAndSend,
                });
                let way = format!("a certificate {what}, {policy:?}, {}", backend.name);
                outcome.assert_unopened(&Error::TlsFailed, &way);
                assert!(
                    outcome.text.starts_with("the TLS handshake failed; nothing more was sent: "),
                    "{way}"
                );
                let heard = server.heard();
                assert_no_secret(&heard.clear, &way);
                assert_tls_records(&heard.records, &way);
                assert_eq!(heard.tls.escape_ascii().to_string(), "", "{way}: spoke under bad TLS");
            }
        }
    }
}
