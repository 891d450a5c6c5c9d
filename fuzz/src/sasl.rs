//! The `sasl` target: the input is a mechanism, its credentials and what a server challenges it with.

mod flow;
mod naive;

use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
use smtp_proto::sasl::{
    Anonymous, CramMd5, External, Login, Mechanism, Nonce, OAuthBearer, Plain, ScramSha256, Secret,
    ServerInfo, XOAuth2,
};
use smtp_proto::security::{ChannelBindings, Security};

use naive::{Expected, Server};

const HOST: &str = "mail.example";
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const EXPORTER: [u8; 32] = [7; 32];

/// Asserts that a mechanism starts exactly where it may, and says exactly what its RFC has it say, once; that what is
/// shown of it does not depend on its credentials; and that an AUTH exchange carries these messages and no others.
pub fn sasl(input: &[u8]) {
    let Some(case) = Case::read(input) else { return };
    let mut mechanism = case.mechanism();
    let expected = Expected::of(&case);
    case.shows_no_secret();
    let started = case.with_server(|server| mechanism.start(server));
    let initial = expected.initial.as_ref().map(|initial| initial.as_deref());
    match (&started, initial) {
        (Ok(said), Some(initial)) => assert_eq!(said.as_ref().map(Secret::expose), initial),
        (Err(_), None) => {}
        (said, expected) => panic!("started {said:?}, expected {expected:?}"),
    }
    let mut server = Server::new(&case);
    let mut secrets = usize::from(initial.flatten().is_some_and(|said| case.is_told_in(said)));
    for challenge in &case.challenges {
        let challenge = server.challenge(challenge);
        let expected = if started.is_ok() { server.response(&challenge) } else { None };
        match (mechanism.respond(&challenge), expected) {
            (Ok(said), Some(expected)) => {
                assert_eq!(said.expose(), expected);
                secrets += usize::from(case.is_told_in(said.expose()));
            }
            (Err(error), None) => {
                // Logged by whoever gets it.
                assert!(!error.to_string().chars().any(char::is_control));
                break;
            }
            (said, expected) => panic!("said {said:?}, expected {expected:?}"),
        }
    }
    assert!(secrets <= 1, "A06: the secret is said {secrets} times");
    assert_eq!(mechanism.finish().is_ok(), server.is_proved() || !case.is_scram());
    flow::exchange(&case, &expected);
}

/// The letter of a mechanism and letters for its surroundings; then, an octet 0xff between two, an identity, a user
/// name, a password and the challenges.
struct Case {
    letter: u8,
    security: Security,
    allow_plaintext: bool,
    bindings: ChannelBindings,
    /// The credentials are for another host.
    elsewhere: bool,
    /// The server offers SCRAM-SHA-256-PLUS.
    offers_plus: bool,
    identity: String,
    user: String,
    password: Vec<u8>,
    challenges: Vec<Vec<u8>>,
}

/// Challenges after these are not looked at.
const MOST: usize = 12;

impl Case {
    fn read(input: &[u8]) -> Option<Self> {
        let mut parts = input.split(|&octet| octet == 0xff);
        let (&letter, letters) = parts.next()?.split_first()?;
        let has = |letter: u8| letters.contains(&letter);
        let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let (identity, user) = (text(), text());
        let bound = has(b'b');
        Some(Self {
            letter,
            security: match () {
                () if has(b't') => verified(),
                () if has(b'l') => Security::LocalPlaintext,
                () => Security::Plaintext,
            },
            allow_plaintext: has(b'a'),
            bindings: if bound {
                ChannelBindings::new().with_exporter(EXPORTER)
            } else {
                ChannelBindings::new()
            },
            elsewhere: has(b'o'),
            offers_plus: has(b'+'),
            identity,
            user,
            password: parts.next().unwrap_or_default().to_vec(),
            challenges: parts.take(MOST).map(<[u8]>::to_vec).collect(),
        })
    }

    fn host(&self) -> &'static str {
        if self.elsewhere { "other.example" } else { "MAIL.example." }
    }

    fn is_scram(&self) -> bool {
        matches!(self.letter, b's' | b'S')
    }

    fn mechanism(&self) -> Box<dyn Mechanism> {
        self.mechanism_of(&self.identity, &self.user, &self.password)
    }

    fn mechanism_of(&self, identity: &str, user: &str, password: &[u8]) -> Box<dyn Mechanism> {
        let host = self.host();
        let nonce = || Nonce::new(NONCE).expect("a nonce");
        match self.letter {
            b'p' => Box::new(Plain::new(identity, user, password, host)),
            b'l' => Box::new(Login::new(user, password, host)),
            b'c' => Box::new(CramMd5::new(user, password).bound_to(host)),
            b'x' => Box::new(XOAuth2::new(user, password, host)),
            b'o' => Box::new(OAuthBearer::new(user, password, host)),
            b'e' => Box::new(External::new(identity)),
            b's' => Box::new(
                ScramSha256::new(user, password, host, nonce()).acting_for(identity).iterations(2..=20),
            ),
            b'S' => Box::new(
                ScramSha256::plus(user, password, host, nonce()).acting_for(identity).iterations(2..=20),
            ),
            _ => Box::new(Anonymous::new(identity)),
        }
    }

    fn with_server<T>(&self, call: impl FnOnce(&ServerInfo<'_>) -> T) -> T {
        let offers: &[&[u8]] = if self.offers_plus { &[b"x", b"AUTH SCRAM-SHA-256-PLUS"] } else { &[] };
        let capabilities = smtp_proto::capabilities::Capabilities::parse(offers.iter().copied());
        let mut server = ServerInfo::new(HOST, &self.security);
        server.allow_plaintext = self.allow_plaintext;
        server.mechanisms = capabilities.auth_mechanisms();
        server.channel_bindings = &self.bindings;
        call(&server)
    }

    /// Whether a message has the password in it as it is.
    fn is_told_in(&self, message: &[u8]) -> bool {
        let long = self.password.len() >= 4;
        long && message.windows(self.password.len()).any(|window| window == self.password)
            && matches!(self.letter, b'p' | b'l' | b'x' | b'o')
            && !self.user.as_bytes().windows(self.password.len()).any(|window| window == self.password)
            && !self.identity.as_bytes().windows(self.password.len()).any(|window| window == self.password)
    }

    /// INV12, L01: what is shown is the same for all credentials.
    fn shows_no_secret(&self) {
        fn shown(case: &Case, identity: &str, user: &str, password: &[u8]) -> String {
            let host = case.host();
            let nonce = |text: &str| Nonce::new(text).expect("a nonce");
            let text = if password.is_empty() { NONCE } else { "AAAAAAAAAAAAAAAAAAAA" };
            match case.letter {
                b'p' => format!("{:?}", Plain::new(identity, user, password, host)),
                b'l' => format!("{:?}", Login::new(user, password, host)),
                b'c' => format!("{:?}", CramMd5::new(user, password).bound_to(host)),
                b'x' => format!("{:?}", XOAuth2::new(user, password, host)),
                b'o' => format!("{:?}", OAuthBearer::new(user, password, host)),
                b'e' => format!("{:?}", External::new(identity)),
                b's' => format!("{:?}", ScramSha256::new(user, password, host, nonce(text))),
                b'S' => format!("{:?}", ScramSha256::plus(user, password, host, nonce(text))),
                _ => format!("{:?}", Anonymous::new(identity)),
            }
        }
        assert_eq!(
            shown(self, &self.identity, &self.user, &self.password),
            shown(self, "", "", b""),
            "INV12"
        );
        let secret = Secret::new(self.password.clone());
        assert_eq!(format!("{secret:?} {secret}"), "<redacted> <redacted>", "INV12");
    }
}

/// What only a handshake makes.
fn verified() -> Security {
    let mut connection = Connection::new(Config::new(HOST).tls(TlsPolicy::Implicit), Peer::Remote);
    let upgrade = connection.tls_upgrade().expect("a handshake is due");
    connection.tls_established(upgrade).expect("it was due");
    connection.security().clone()
}
