//! Which `Host` and `Origin` headers are taken. A page in somebody's browser can reach loopback under a name of its own: what names
//! another host than this one is refused.

use axum::http::{HeaderMap, Uri, header, uri::Authority};

use crate::config::{HostName, WebOrigin};

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Those that are taken.
#[derive(Debug, Clone)]
pub struct Names {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Names {
    /// The names of loopback, and these.
    pub fn new(hosts: &[HostName], origins: &[WebOrigin]) -> Self {
        let own = LOOPBACK.iter().map(|name| (*name).to_owned());
        Self {
            hosts: own
                .chain(hosts.iter().map(|host| host.as_str().to_ascii_lowercase()))
                .collect(),
            origins: origins
                .iter()
                .map(|origin| origin.as_str().to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether both headers are taken. A request must say for which host it is; one without an `Origin` comes from no page.
    pub fn take(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok(),
            (None, _) => uri.authority().map(Authority::as_str),
            (Some(_), Some(_)) => None,
        };
        let host_is_taken = host.is_some_and(|host| self.takes_host(host));
        let origins = headers.get_all(header::ORIGIN).iter();
        let mut origins = origins.map(|origin| origin.to_str().is_ok_and(|origin| self.takes_origin(origin)));
        host_is_taken && origins.all(|taken| taken)
    }

    /// An entry without a port takes any port.
    fn takes_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if authority.as_str().contains('@') {
            return false;
        }
        let whole = authority.as_str().to_ascii_lowercase();
        let name = authority.host().to_ascii_lowercase();
        self.hosts.iter().any(|taken| *taken == whole || *taken == name)
    }

    /// A page of this machine's own is taken as well, since it could not be told from one without a browser.
    fn takes_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let is_loopback = host
            .and_then(|host| host.parse::<Authority>().ok())
            .is_some_and(|authority| LOOPBACK.contains(&authority.host()));
        is_loopback || self.origins.contains(&origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(host: Option<&str>, origin: Option<&str>) -> bool {
        let names = Names::new(
            &["kora.example.com".parse().unwrap()],
            &["https://ops.example.com".parse().unwrap()],
        );
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        names.take(&Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn loopback_and_what_is_configured_is_taken() {
        for host in ["127.0.0.1:9119", "localhost", "[::1]:1", "KORA.example.com:443"] {
            assert!(taken(Some(host), None), "{host}");
        }
        assert!(taken(Some("localhost"), Some("http://localhost:3000")));
        assert!(taken(Some("localhost"), Some("https://ops.example.com")));
    }

    #[test]
    fn a_foreign_name_is_refused_and_so_is_none() {
        for host in [
            "evil.example.com",
            "localhost.evil.com",
            "x@localhost",
            "127.0.0.2",
            "",
        ] {
            assert!(!taken(Some(host), None), "{host}");
        }
        assert!(!taken(None, None));
        for origin in [
            "http://evil.example.com",
            "null",
            "http://localhost.evil.com",
            "file://",
        ] {
            assert!(!taken(Some("localhost"), Some(origin)), "{origin}");
        }
    }
}
