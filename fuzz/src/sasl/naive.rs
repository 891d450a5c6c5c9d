//! What each mechanism has to say, written from the RFCs: 4616 (PLAIN), 2195 and 2104 (CRAM-MD5), 7628 (OAUTHBEARER),
//! 5802 and 7677 (SCRAM), 4422 (EXTERNAL), 4505 (ANONYMOUS), and what is known of LOGIN and XOAUTH2.

use md5::Md5;
use sha2::{Digest, Sha256};
use smtp_proto::security::Security;

use super::super::command::line::{decode_base64, is_base64};
use super::super::session::base64;
use super::{Case, EXPORTER, NONCE};

pub(super) struct Expected {
    /// `None` if the mechanism must not start; what it then says first, if it speaks first.
    pub(super) initial: Option<Option<Vec<u8>>>,
}

impl Expected {
    pub(super) fn of(case: &Case) -> Self {
        let confidential = case.security != Security::Plaintext || case.allow_plaintext;
        let here = !case.elsewhere;
        let (user, password) = (case.user.as_bytes(), case.password.as_slice());
        let identity = case.identity.as_bytes();
        let text = |value: &[u8]| !value.is_empty() && !value.contains(&0);
        let calm = |value: &[u8]| !value.iter().any(u8::is_ascii_control);
        let (allowed, initial) = match case.letter {
            b'p' => (
                here && confidential && text(user) && text(password) && !identity.contains(&0),
                Some([identity, b"\0", user, b"\0", password].concat()),
            ),
            b'l' => (here && confidential && text(user) && text(password), None),
            b'c' => (here && text(user) && calm(user) && !password.is_empty(), None),
            b'x' => (
                here && confidential
                    && calm(user)
                    && !user.is_empty()
                    && calm(password)
                    && !password.is_empty(),
                Some([b"user=", user, b"\x01auth=Bearer ", password, b"\x01\x01"].concat()),
            ),
            b'o' => {
                let name =
                    if user.is_empty() { Vec::new() } else { [b"a=", saslname(user).as_slice()].concat() };
                let host = case.host().as_bytes();
                let head = [b"n,", name.as_slice(), b",\x01host=", host, b"\x01auth=Bearer "].concat();
                (
                    here && confidential && calm(user) && calm(password) && !password.is_empty(),
                    Some([&head, password, b"\x01\x01"].concat()),
                )
            }
            b'e' => (!identity.contains(&0), Some(identity.to_vec())),
            b's' | b'S' => (
                here && text(user)
                    && calm(user)
                    && !password.is_empty()
                    && calm(password)
                    && calm(identity)
                    && (case.letter == b's' || !case.bindings.is_empty()),
                Some([gs2_header(case), client_first_bare(case)].concat()),
            ),
            _ => (calm(identity) && case.identity.chars().count() <= 255, Some(identity.to_vec())),
        };
        Self { initial: allowed.then_some(initial) }
    }
}

fn saslname(name: &[u8]) -> Vec<u8> {
    let escaped = |octet: &u8| match octet {
        b'=' => b"=3D".to_vec(),
        b',' => b"=2C".to_vec(),
        octet => vec![*octet],
    };
    name.iter().flat_map(escaped).collect()
}

fn gs2_header(case: &Case) -> Vec<u8> {
    let flag: &[u8] = match (case.letter, case.bindings.is_empty(), case.offers_plus) {
        (b'S', _, _) => b"p=tls-exporter",
        (_, true, _) | (_, _, true) => b"n",
        _ => b"y",
    };
    let identity = match case.identity.as_bytes() {
        b"" => Vec::new(),
        identity => [b"a=", saslname(identity).as_slice()].concat(),
    };
    [flag, b",", &identity, b","].concat()
}

fn client_first_bare(case: &Case) -> Vec<u8> {
    [b"n=", saslname(case.user.as_bytes()).as_slice(), b",r=", NONCE.as_bytes()].concat()
}

/// The other side: makes challenges of the script, and knows what has to be answered.
pub(super) struct Server<'c> {
    case: &'c Case,
    answered: usize,
    /// What proves the server, once the client has proved itself.
    signature: Option<[u8; 32]>,
    proved: bool,
}

impl<'c> Server<'c> {
    pub(super) fn new(case: &'c Case) -> Self {
        Self { case, answered: 0, signature: None, proved: false }
    }

    /// `@` stands for the client's nonce, and `v=!` for the true signature: what no fuzzer guesses.
    pub(super) fn challenge(&self, scripted: &[u8]) -> Vec<u8> {
        if scripted.starts_with(b"v=!") {
            let signature = base64(&self.signature.unwrap_or_default());
            return [b"v=", signature.as_bytes(), &scripted[3..]].concat();
        }
        let expand = |octet: &u8| if *octet == b'@' { NONCE.as_bytes().to_vec() } else { vec![*octet] };
        if self.case.is_scram() { scripted.iter().flat_map(expand).collect() } else { scripted.to_vec() }
    }

    pub(super) fn is_proved(&self) -> bool {
        self.proved
    }

    /// The only right answer; `None` if there is none.
    pub(super) fn response(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        self.answered += 1;
        let (case, nth) = (self.case, self.answered);
        match (case.letter, nth) {
            (b'l', 1) => Some(case.user.clone().into_bytes()),
            (b'l', 2) => Some(case.password.clone()),
            (b'c', 1) if challenge.len() <= 4096 => {
                let digest = hmac_md5(&case.password, challenge);
                let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
                Some(format!("{} {hex}", case.user).into_bytes())
            }
            (b'x', 1) => Some(Vec::new()),
            (b'o', 1) => Some(b"\x01".to_vec()),
            (b's' | b'S', 1) => self.proof(challenge),
            (b's' | b'S', 2) => self.verdict(challenge),
            _ => None,
        }
    }

    /// RFC 5802 §3.
    fn proof(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(challenge).ok()?;
        let fields: Vec<&str> = text.split(',').collect();
        let [nonce, salt, iterations, ..] = fields.as_slice() else { return None };
        let nonce = nonce.strip_prefix("r=")?;
        let added = nonce.strip_prefix(NONCE)?;
        let salt = salt.strip_prefix("s=").filter(|salt| is_base64(salt)).map(decode_base64)?;
        let iterations = iterations.strip_prefix("i=")?;
        let digits = !iterations.is_empty() && iterations.bytes().all(|octet| octet.is_ascii_digit());
        let count: u32 = iterations.parse().ok().filter(|count| digits && (2..=20).contains(count))?;
        if added.is_empty() || !added.bytes().all(|octet| octet.is_ascii_graphic()) || salt.is_empty() {
            return None;
        }
        let binding =
            [gs2_header(self.case), if self.case.letter == b'S' { EXPORTER.to_vec() } else { Vec::new() }]
                .concat();
        let without_proof = format!("c={},r={nonce}", base64(&binding));
        let message =
            [&client_first_bare(self.case), b",".as_slice(), challenge, b",", without_proof.as_bytes()]
                .concat();
        let mut last = hmac_sha256(&self.case.password, &[&salt, b"\0\0\0\x01".as_slice()].concat());
        let mut salted = last;
        for _ in 1..count {
            last = hmac_sha256(&self.case.password, &last);
            salted.iter_mut().zip(last).for_each(|(octet, more)| *octet ^= more);
        }
        let client_key = hmac_sha256(&salted, b"Client Key");
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let mut proof = hmac_sha256(&stored_key, &message);
        proof.iter_mut().zip(client_key).for_each(|(octet, key)| *octet ^= key);
        self.signature = Some(hmac_sha256(&hmac_sha256(&salted, b"Server Key"), &message));
        Some(format!("{without_proof},p={}", base64(&proof)).into_bytes())
    }

    /// The server's last message: why it refuses, or its own proof.
    fn verdict(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        let first = challenge.split(|&octet| octet == b',').next()?;
        if first.starts_with(b"e=") {
            return Some(Vec::new());
        }
        let signature = std::str::from_utf8(first.strip_prefix(b"v=")?).ok()?;
        self.proved = signature == base64(&self.signature?);
        self.proved.then(Vec::new)
    }
}

/// RFC 2104 §2, over blocks of 64 octets.
fn hmac(key: &[u8], message: &[u8], digest: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut block = if key.len() > 64 { digest(key) } else { key.to_vec() };
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|octet| octet ^ with).collect::<Vec<u8>>();
    let inner = digest(&[pad(0x36).as_slice(), message].concat());
    digest(&[pad(0x5c), inner].concat())
}

fn hmac_md5(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac(key, message, |octets| Md5::digest(octets).to_vec())
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let digest = hmac(key, message, |octets| Sha256::digest(octets).to_vec());
    digest.try_into().expect("32 octets")
}
