//! Which hosts take mail for a domain, and where they are.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use smtp_composing::Failure;

/// What the DNS says, so that a test can say it.
pub(crate) trait Dns {
    /// The preferences and names of the domain's mail exchangers; none where it has no MX record.
    async fn exchangers(&self, domain: &str) -> Result<Vec<(u16, String)>, Failure>;
    /// Where a host takes mail.
    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Failure>;
}

impl Dns for TokioResolver {
    async fn exchangers(&self, domain: &str) -> Result<Vec<(u16, String)>, Failure> {
        // With the final dot nothing is tried below the domains of this machine.
        let answer = match self.mx_lookup(format!("{domain}.")).await {
            Err(error) if error.is_no_records_found() && !error.is_nx_domain() => return Ok(Vec::new()),
            answer => answer?,
        };
        let exchanger = |data: &RData| match data {
            RData::MX(mx) => Some((mx.preference, mx.exchange.to_ascii())),
            _ => None,
        };
        Ok(answer.answers().iter().filter_map(|record| exchanger(&record.data)).collect())
    }

    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Failure> {
        Ok(self.lookup_ip(host).await?.iter().map(|ip| SocketAddr::new(ip, 25)).collect())
    }
}

/// The hosts to try, in order.
pub(crate) async fn route(dns: &impl Dns, domain: &str) -> Result<Vec<String>, Failure> {
    let mut exchangers =
        dns.exchangers(domain).await.map_err(|error| format!("no mail exchanger of {domain}: {error}"))?;
    if exchangers.is_empty() {
        // The domain itself.
        return Ok(vec![format!("{domain}.")]);
    }
    // RFC 7505: no host is called so.
    exchangers.retain(|(_, host)| host != ".");
    if exchangers.is_empty() {
        return Err(format!("{domain} takes no mail: its MX record is the null MX").into());
    }
    // Those of equal preference in a random order, which spreads the load.
    exchangers.sort_by_cached_key(|(preference, host)| (*preference, RandomState::new().hash_one(host)));
    Ok(exchangers.into_iter().map(|(_, host)| host).collect())
}
