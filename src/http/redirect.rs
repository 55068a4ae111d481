//! Which redirects a GET follows, and whether credentials go along.
//!
//! At most [`limits::HTTP_REDIRECTS`], to `http` and `https` only. Once a redirect has left the
//! original host (a subdomain of it is fine) or gone from `https` to `http`, credentials and
//! custom headers are dropped for the rest of the chain, also when it leads back. A redirect to a
//! link-local address, where clouds keep their metadata services, is refused unless the original
//! URL was link-local itself. A name may lead there too, as may an address in a form that only the system's
//! resolver understands: whoever resolves names asks [`Trail::forbids_link_local`].

use std::net::IpAddr;
use std::sync::Arc;

use super::url::{Url, UrlError};
use crate::limits;

/// Whether a client asks again elsewhere on this status.
#[must_use]
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// More than [`limits::HTTP_REDIRECTS`].
    #[error("stopped after {} redirects", limits::HTTP_REDIRECTS)]
    TooMany,
    /// No `Location` header, or one that is no text.
    #[error("redirect response missing Location header")]
    NoLocation,
    /// A link-local address, from a URL that was not.
    #[error("redirect to a link-local address refused")]
    LinkLocal,
    /// A URL that cannot be asked for.
    #[error("invalid redirect: {0}")]
    Url(#[from] UrlError),
}

/// One chain of redirects.
#[derive(Clone, Debug)]
pub struct Trail {
    host: String,
    tls: bool,
    hops: u32,
    trusted: bool,
    /// Whether the chain has led to another host than the original, which was not link-local.
    away: bool,
}

impl Trail {
    /// A chain that begins at `url`.
    #[must_use]
    pub fn new(url: &Url) -> Trail {
        Trail {
            host: url.host.clone(),
            tls: url.tls,
            hops: 0,
            trusted: true,
            away: false,
        }
    }

    /// Where the redirect leads that `from` answered with.
    ///
    /// # Errors
    /// When it must not be followed.
    pub fn follow(&mut self, from: &Url, location: Option<&str>) -> Result<Url, RedirectError> {
        let mut next = from.join(location.ok_or(RedirectError::NoLocation)?)?;
        self.hops += 1;
        if self.hops > limits::HTTP_REDIRECTS {
            return Err(RedirectError::TooMany);
        }
        self.away = next.host != self.host && !is_link_local(&self.host);
        if self.away && is_link_local(&next.host) {
            return Err(RedirectError::LinkLocal);
        }
        let same = next.host == self.host || is_subdomain(&next.host, &self.host);
        self.trusted &= same && (next.tls || !self.tls);
        if !self.trusted {
            next.userinfo = None;
        }
        Ok(next)
    }

    /// Whether credentials and custom headers may be sent to where the chain has led.
    #[must_use]
    pub fn keeps_credentials(&self) -> bool {
        self.trusted
    }

    /// Whether the host that the chain has led to must not be reached at a link-local address.
    #[must_use]
    pub fn forbids_link_local(&self) -> bool {
        self.away
    }
}

/// Those of `addresses` that are not link-local.
#[must_use]
pub fn without_link_local(addresses: &[IpAddr]) -> Arc<[IpAddr]> {
    let rest = addresses.iter().filter(|own| !is_link_local_address(own));
    rest.copied().collect()
}

/// Whether `name` is below `parent`. Addresses have no subdomains.
fn is_subdomain(name: &str, parent: &str) -> bool {
    parent.parse::<IpAddr>().is_err()
        && !name.contains(':')
        && name
            .strip_suffix(parent)
            .is_some_and(|front| front.ends_with('.'))
}

fn is_link_local(host: &str) -> bool {
    host.parse()
        .is_ok_and(|address| is_link_local_address(&address))
}

fn is_link_local_address(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let metadata = [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];
            let mapped = address.to_ipv4_mapped();
            address.is_unicast_link_local()
                || address.segments() == metadata
                || mapped.is_some_and(|inner| inner.is_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("url")
    }

    /// Follows a chain and tells after each hop whether credentials are kept.
    fn kept(start: &str, hops: &[&str]) -> Vec<bool> {
        let mut at = url(start);
        let mut trail = Trail::new(&at);
        let mut kept = Vec::new();
        for hop in hops {
            at = trail.follow(&at, Some(hop)).expect("followed");
            kept.push(trail.keeps_credentials());
        }
        kept
    }

    #[test]
    fn credentials_stay_on_the_host_and_below_it() {
        assert_eq!(
            kept("http://h/", &["/x", "http://h:8080/", "http://a.h/"]),
            [true; 3]
        );
        assert_eq!(kept("http://h/", &["https://h/"]), [true]);
    }

    #[test]
    fn credentials_dropped_once_stay_dropped() {
        assert_eq!(
            kept("http://h/", &["http://evil/", "http://h/"]),
            [false; 2]
        );
        assert_eq!(kept("http://h/", &["http://evilh/"]), [false]);
        assert_eq!(kept("https://h/", &["http://h/", "https://h/"]), [false; 2]);
        assert_eq!(kept("http://1.2.3.4/", &["http://9.1.2.3.4/"]), [false]);
    }

    #[test]
    fn a_user_in_the_location_does_not_survive_a_change_of_host() {
        let at = url("http://h/");
        let next = Trail::new(&at).follow(&at, Some("http://u:p@other/"));
        assert_eq!(next.expect("followed").userinfo, None);
    }

    #[test]
    fn chains_end_and_bad_targets_are_refused() {
        let at = url("http://h/");
        let mut trail = Trail::new(&at);
        for _ in 0..limits::HTTP_REDIRECTS {
            trail.follow(&at, Some("/again")).expect("followed");
        }
        assert_eq!(
            trail.follow(&at, Some("/again")),
            Err(RedirectError::TooMany)
        );
        let refused =
            |location: Option<&str>| Trail::new(&at).follow(&at, location).expect_err("refused");
        assert_eq!(refused(None), RedirectError::NoLocation);
        assert_eq!(refused(Some("file:///etc/passwd")), UrlError::Scheme.into());
        for host in [
            "169.254.169.254",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.1.1]",
        ] {
            let location = format!("http://{host}/");
            assert_eq!(refused(Some(&location)), RedirectError::LinkLocal, "{host}");
        }
    }

    #[test]
    fn only_other_hosts_must_not_be_link_local() {
        let follow = |start: &str, to: &str| {
            let mut trail = Trail::new(&url(start));
            trail.follow(&url(start), Some(to)).expect("followed");
            trail.forbids_link_local()
        };
        assert!(follow("http://h/", "http://a.h/"));
        assert!(!follow("http://h/", "https://h:1/x"));
        assert!(!follow("http://169.254.1.1/", "http://h/"));
        let addresses =
            ["169.254.1.1", "10.0.0.1", "fe80::1"].map(|text| text.parse().expect("ip"));
        assert_eq!(*without_link_local(&addresses), addresses[1..2]);
    }

    #[test]
    fn a_link_local_target_may_redirect_within() {
        let at = url("http://169.254.1.1/");
        assert!(Trail::new(&at).follow(&at, Some("/metrics")).is_ok());
    }
}
