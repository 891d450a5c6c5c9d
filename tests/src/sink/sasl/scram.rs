//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), with the channel bindings `tls-exporter` (RFC 9266)
//! and `tls-server-end-point` (RFC 5929). Names and passwords are taken as they are, without SASLprep.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::super::certificates::provider;
use super::super::settings::ScramFault;
use super::{Context, Step, find};

type Hash = [u8; 32];

/// Above this the proof is refused unseen: the count was made up to see whether the client puts up with it.
const MOST_ITERATIONS: u32 = 1_000_000;

/// One exchange.
pub(in super::super) struct Scram {
    plus: bool,
    state: State,
}

enum State {
    ClientFirst,
    ClientFinal(Box<Opened>),
    /// The server's signature is out, and the client has to answer with nothing.
    Signed(String),
    /// `e=` is out, and the client has to answer with nothing.
    Refused,
}

/// What was said in the first two messages.
struct Opened {
    name: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    salt: Vec<u8>,
    /// What `c=` has to be: the GS2 header and the channel's own data.
    binding: Vec<u8>,
}

impl Scram {
    pub(super) fn new(plus: bool) -> Self {
        Self { plus, state: State::ClientFirst }
    }

    pub(super) fn step(&mut self, response: Option<&[u8]>, context: &Context<'_>) -> Step {
        let Some(response) = response else { return Step::Challenge(Vec::new()) };
        let Ok(response) = std::str::from_utf8(response) else { return Step::Malformed };
        match &self.state {
            State::ClientFirst => {
                let nonce = BASE64_STANDARD.encode(random::<18>());
                self.client_first(response, &nonce, random::<16>().to_vec(), context)
            }
            State::ClientFinal(opened) => match opened.client_final(response, context) {
                Step::Challenge(message) => {
                    let refused = message.starts_with(b"e=");
                    self.state = if refused { State::Refused } else { State::Signed(opened.name.clone()) };
                    Step::Challenge(message)
                }
                end => end,
            },
            State::Signed(name) if response.is_empty() => Step::Accepted(name.clone()),
            State::Refused if response.is_empty() => Step::Rejected,
            State::Signed(_) | State::Refused => Step::Malformed,
        }
    }

    /// `gs2-header n=name,r=nonce`, answered with the nonce made longer, salt and iteration count.
    fn client_first(&mut self, message: &str, own: &str, salt: Vec<u8>, context: &Context<'_>) -> Step {
        let mut parts = message.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Step::Malformed;
        };
        let channel = match self.channel(flag, context) {
            Ok(channel) => channel,
            Err(refused) => return refused,
        };
        let mut attributes = bare.split(',');
        let name = attributes.next().and_then(|name| saslname(name.strip_prefix("n=")?));
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r="));
        let (Some(name), Some(nonce)) = (name, nonce) else { return Step::Malformed };
        let printable = |octet: u8| octet.is_ascii_graphic() && octet != b',';
        if nonce.is_empty() || !nonce.bytes().all(printable) {
            return Step::Malformed;
        }
        match authzid {
            "" => {}
            authzid => match authzid.strip_prefix("a=").and_then(saslname) {
                Some(authzid) if authzid == name => {}
                Some(_) => return Step::Rejected,
                None => return Step::Malformed,
            },
        }
        let nonce = match context.settings.scram_fault {
            Some(ScramFault::ForeignNonce) => own.to_owned(),
            _ => format!("{nonce}{own}"),
        };
        let iterations = context.settings.scram_iterations;
        let server_first = format!("r={nonce},s={},i={iterations}", BASE64_STANDARD.encode(&salt));
        let header = message.len() - bare.len();
        self.state = State::ClientFinal(Box::new(Opened {
            name,
            client_first_bare: bare.to_owned(),
            server_first: server_first.clone(),
            nonce,
            salt,
            binding: [&message.as_bytes()[..header], channel].concat(),
        }));
        Step::Challenge(server_first.into_bytes())
    }

    /// The channel's data, for what the GS2 header begins with (RFC 5802 §6).
    fn channel<'a>(&self, flag: &str, context: &Context<'a>) -> Result<&'a [u8], Step> {
        match (flag.strip_prefix("p="), flag) {
            (Some("tls-exporter"), _) if self.plus => {
                context.tls.map(|tls| &*tls.exporter).ok_or(Step::Malformed)
            }
            (Some("tls-server-end-point"), _) if self.plus => {
                context.tls.map(|tls| &*tls.end_point).ok_or(Step::Malformed)
            }
            (Some(_), _) if self.plus => Err(Step::Rejected),
            (None, "n") if !self.plus => Ok(&[]),
            // The client could bind the channel and thinks that the server cannot. If the server had said that
            // it can, somebody in between has taken that away.
            (None, "y") if !self.plus && context.offers("SCRAM-SHA-256-PLUS") => Err(Step::Rejected),
            (None, "y") if !self.plus => Ok(&[]),
            _ => Err(Step::Malformed),
        }
    }
}

impl Opened {
    /// `c=binding,r=nonce,p=proof`, answered with the server's signature.
    fn client_final(&self, message: &str, context: &Context<'_>) -> Step {
        let Some((without_proof, proof)) = message.rsplit_once(",p=") else { return Step::Malformed };
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|binding| binding.strip_prefix("c="));
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r="));
        let (Some(binding), Some(nonce)) = (binding, nonce) else { return Step::Malformed };
        let (Ok(binding), Ok(proof)) = (BASE64_STANDARD.decode(binding), BASE64_STANDARD.decode(proof))
        else {
            return Step::Malformed;
        };
        let settings = context.settings;
        let user = find(&settings.users, self.name.as_bytes());
        let (true, Some(user)) = (settings.scram_iterations <= MOST_ITERATIONS, user) else {
            return refusal(context);
        };
        let message = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let salted = salted_password(user.password.as_bytes(), &self.salt, settings.scram_iterations);
        let client_key = hmac(&salted, b"Client Key");
        let client_signature = hmac(&Sha256::digest(client_key), message.as_bytes());
        let expected: Vec<u8> =
            client_key.iter().zip(client_signature).map(|(key, other)| key ^ other).collect();
        if binding != self.binding || nonce != self.nonce || proof != expected {
            return refusal(context);
        }
        let mut signature = hmac(&hmac(&salted, b"Server Key"), message.as_bytes());
        match settings.scram_fault {
            Some(ScramFault::NoSignature) => return Step::Accepted(self.name.clone()),
            Some(ScramFault::WrongSignature) => signature[0] ^= 1,
            Some(ScramFault::ForeignNonce | ScramFault::ErrorMessage) | None => {}
        }
        Step::Challenge(format!("v={}", BASE64_STANDARD.encode(signature)).into_bytes())
    }
}

fn refusal(context: &Context<'_>) -> Step {
    match context.settings.scram_fault {
        Some(ScramFault::ErrorMessage) => Step::Challenge(b"e=invalid-proof".to_vec()),
        _ => Step::Rejected,
    }
}

/// A name with `=2C` for a comma and `=3D` for an equals sign.
fn saslname(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match part.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}

/// PBKDF2 with one block, which RFC 5802 §2.2 calls `Hi`.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Hash {
    let mut block = hmac(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut sum = block;
    let keyed = keyed(password);
    for _ in 1..iterations {
        let mut hmac = keyed.clone();
        hmac.update(&block);
        block = hmac.finalize().into_bytes().into();
        for (sum, octet) in sum.iter_mut().zip(block) {
            *sum ^= octet;
        }
    }
    sum
}

fn hmac(key: &[u8], message: &[u8]) -> Hash {
    let mut hmac = keyed(key);
    hmac.update(message);
    hmac.finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    #[allow(clippy::expect_used)]
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    #[allow(clippy::expect_used)]
    provider().secure_random.fill(&mut octets).expect("the system has random numbers");
    octets
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::{Settings, User};
    use super::*;

    /// The exchange in RFC 7677 §3.
    #[test]
    fn the_example_of_the_standard() {
        let users = vec![User { name: "user".into(), password: "pencil".into() }];
        let settings = Settings { users, ..Settings::default() };
        let context = Context { settings: &settings, tls: None };
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap_or_default();
        let mut scram = Scram::new(false);
        let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let challenge = scram.client_first(first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt, &context);
        let expected =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert!(matches!(challenge, Step::Challenge(text) if text == expected.as_bytes()));
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let signature = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        let challenge = scram.step(Some(last.as_bytes()), &context);
        assert!(matches!(challenge, Step::Challenge(text) if text == signature));
        assert!(matches!(scram.step(Some(b""), &context), Step::Accepted(name) if name == "user"));
    }

    #[test]
    fn names_are_unescaped() {
        assert_eq!(saslname("a=2Cb=3D").as_deref(), Some("a,b="));
        for text in ["", "=", "a=", "a=2c", "=20"] {
            assert_eq!(saslname(text), None, "{text:?}");
        }
    }
}
