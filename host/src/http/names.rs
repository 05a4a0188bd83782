//! Which `Host` and `Origin` headers are taken. A page in somebody's browser can reach loopback under a name of its own: what names
//! another host than this one is refused.

use axum::http::{HeaderMap, HeaderValue, Uri, header, uri::Authority};

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
            origins: origins.iter().map(|origin| normal(origin.as_str())).collect(),
        }
    }

    /// Whether both headers are taken. A request must say for which host it is; one without an `Origin` comes from no page. Where its target names
    /// a host too, as one that is meant for a proxy does, that counts as well.
    pub fn take(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok(),
            (None, _) => uri.authority().map(Authority::as_str),
            (Some(_), Some(_)) => None,
        };
        let Some(host) = host.filter(|host| self.takes_host(host)) else {
            return false;
        };
        if !uri
            .authority()
            .is_none_or(|target| self.takes_host(target.as_str()))
        {
            return false;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        origins.all(|origin| {
            origin
                .to_str()
                .is_ok_and(|origin| is_own(origin, host) || self.lists(origin))
        })
    }

    /// The origin of the page that a request comes from, if it is one of those that are configured: such a page may read the answer.
    pub fn page<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return None;
        };
        origin
            .to_str()
            .is_ok_and(|text| self.lists(text))
            .then_some(origin)
    }

    /// Whether there are origins whose pages may read answers.
    pub fn lists_any(&self) -> bool {
        !self.origins.is_empty()
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

    fn lists(&self, origin: &str) -> bool {
        self.origins.contains(&normal(origin))
    }
}

/// Whether a page comes from where the request goes. One from another port of this machine is as foreign as any: whatever anybody on it
/// serves would be let in else.
fn is_own(origin: &str, host: &str) -> bool {
    let scheme = origin.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_web && normal(origin) == normal(&format!("{scheme}://{host}"))
}

/// As browsers write it: in lower case, and without the port that goes without saying.
fn normal(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let usual = match origin.starts_with("https://") {
        true => ":443",
        false => ":80",
    };
    origin.strip_suffix(usual).unwrap_or(&origin).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(
            &["kora.example.com".parse().unwrap()],
            &["https://ops.example.com:443".parse().unwrap()],
        )
    }

    fn taken(host: Option<&str>, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        names().take(&Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn loopback_and_what_is_configured_is_taken() {
        for host in ["127.0.0.1:9119", "localhost", "[::1]:1", "KORA.example.com:443"] {
            assert!(taken(Some(host), None), "{host}");
        }
        assert!(taken(Some("localhost"), Some("https://ops.example.com")));
    }

    #[test]
    fn a_target_that_names_another_host_is_refused_whatever_its_header_says() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost".parse().unwrap());
        let take = |target: &'static str| names().take(&Uri::from_static(target), &headers);
        assert!(take("http://127.0.0.1:9119/mcp") && take("http://kora.example.com/mcp"));
        assert!(
            !take("http://evil.example.com/mcp") && !take("http://kora.example.com@evil.example.com/mcp")
        );
    }

    #[test]
    fn a_page_is_taken_from_where_the_request_goes_and_from_no_other_port() {
        for (host, origin) in [
            ("localhost:9119", "http://localhost:9119"),
            ("[::1]:9119", "http://[::1]:9119"),
            ("kora.example.com", "https://KORA.example.com"),
            ("kora.example.com:443", "https://kora.example.com"),
        ] {
            assert!(taken(Some(host), Some(origin)), "{host} {origin}");
        }
        for (host, origin) in [
            ("localhost:9119", "http://localhost:3000"),
            ("localhost:9119", "http://localhost"),
            ("localhost:9119", "http://127.0.0.1:9119"),
            ("localhost:9119", "ftp://localhost:9119"),
        ] {
            assert!(!taken(Some(host), Some(origin)), "{host} {origin}");
        }
    }

    #[test]
    fn only_pages_that_are_configured_may_read_answers() {
        let page = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            names().page(&headers).cloned()
        };
        assert_eq!(
            page("https://ops.example.com").unwrap(),
            "https://ops.example.com"
        );
        assert_eq!(page("http://ops.example.com"), None);
        assert_eq!(page("http://localhost:9119"), None);
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
