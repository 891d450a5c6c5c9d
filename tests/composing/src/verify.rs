//! What a receiver does with a signature: `mail-auth` again, with a DNS that has one record.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};

use crate::Failure;

/// The TXT record of a public Ed25519 key (RFC 8463).
#[must_use]
pub fn key_record(public_key: &[u8]) -> String {
    format!("v=DKIM1; k=ed25519; p={}", BASE64_STANDARD.encode(public_key))
}

/// Verifies the one signature of a message, with the DNS saying `record` at `name` and nothing else.
///
/// # Errors
/// The message or the record is none, or there are more signatures than one, or fewer.
pub async fn dkim(message: &[u8], name: &str, record: &str) -> Result<DkimResult, Failure> {
    let key = Arc::new(DomainKey::parse(record.as_bytes())?);
    let dns = OneRecord { name: name.to_owned(), txt: Txt::DomainKey(key) };
    // No name server: what is not in the cache is not to be had.
    let authenticator = MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default())?;
    let message = AuthenticatedMessage::parse(message).ok_or("what arrived is no message")?;
    let outcome = authenticator.verify_dkim(Parameters::new(&message).with_txt_cache(&dns)).await;
    match &outcome[..] {
        [only] => Ok(only.result().clone()),
        others => Err(format!("{} signatures in place of one", others.len()).into()),
    }
}

struct OneRecord {
    name: String,
    txt: Txt,
}

impl ResolverCache<Box<str>, Txt> for OneRecord {
    fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        let own: Box<str> = self.name.as_str().into();
        (own.borrow() == name).then(|| self.txt.clone())
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}
