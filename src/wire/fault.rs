//! Why a connection failed, in words that say where to look.

use std::{error::Error, fmt, io};

use tokio_tungstenite::tungstenite;

/// What went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No server has this name.
    Unresolved,
    /// Nothing listens there.
    Refused,
    /// No way leads there.
    Unreachable,
    TimedOut,
    /// TLS was not agreed upon; rustls says why.
    Tls(String),
    /// An answer, but not the wanted one.
    Status(u16),
    /// What the chat system itself said.
    Said(String),
    /// The connection was made, and broke.
    Broken,
}

impl Cause {
    /// The cause at the bottom of an error.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(cause) = Self::plain(error) {
                return cause;
            }
            next = error.source();
        }
        Self::Broken
    }

    /// The cause that this error names, without those below it.
    fn plain(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(Self::Tls(error.to_string()));
        }
        if let Some(tungstenite::Error::Http(answer)) = error.downcast_ref::<tungstenite::Error>() {
            return Some(Self::Status(answer.status().as_u16()));
        }
        // The resolver's error has no type of its own.
        let text = error.to_string();
        if text.contains("failed to lookup address information") || text == "dns error" {
            return Some(Self::Unresolved);
        }
        let error = error.downcast_ref::<io::Error>()?;
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::TimedOut => Some(Self::TimedOut),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some(Self::Unreachable),
            // What is wrapped in it is not its source.
            _ => error.get_ref().map(|inner| Self::of(inner)).filter(|cause| *cause != Self::Broken),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("no server has this name (DNS)"),
            Self::Refused => f.write_str("nothing listens there (connection refused)"),
            Self::Unreachable => f.write_str("no way leads there (host or network unreachable)"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Tls(reason) => write!(f, "TLS failed ({reason}); network.ca_file can name an authority to trust"),
            Self::Status(status) => write!(f, "it answered with status {status}"),
            Self::Said(reason) => f.write_str(reason),
            Self::Broken => f.write_str("the connection broke"),
        }
    }
}

/// A connection that failed: where, why, and what to check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address}: {cause}. {advice}")]
pub struct Fault {
    /// Scheme, host and port; what follows may hold a secret.
    pub address: String,
    pub cause: Cause,
    /// What to do, with the configuration key to look at; without a full stop, as people may copy the key.
    pub advice: String,
}

impl Fault {
    pub fn new(address: &str, cause: Cause, advice: impl Into<String>) -> Self {
        Self { address: origin(address), cause, advice: advice.into() }
    }
}

/// Scheme, host and port of an address, as it can be shown and logged.
pub fn origin(address: &str) -> String {
    let Ok(url) = url::Url::parse(address) else { return "an unreadable address".to_owned() };
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_found_under_what_wraps_them() {
        #[track_caller]
        fn check(error: &(dyn Error + 'static), expected: &Cause) {
            assert_eq!(Cause::of(error), *expected);
        }
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        check(&io(io::ErrorKind::ConnectionRefused), &Cause::Refused);
        check(&io(io::ErrorKind::TimedOut), &Cause::TimedOut);
        check(&io(io::ErrorKind::NetworkUnreachable), &Cause::Unreachable);
        check(&io(io::ErrorKind::UnexpectedEof), &Cause::Broken);
        check(&io::Error::other("failed to lookup address information: Name not known"), &Cause::Unresolved);
        check(&tungstenite::Error::Io(io(io::ErrorKind::ConnectionRefused)), &Cause::Refused);
        let expired = || rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        check(&io::Error::other(expired()), &Cause::Tls(expired().to_string()));
        check(&tungstenite::Error::Io(io::Error::other(expired())), &Cause::Tls(expired().to_string()));
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        #[track_caller]
        fn check(address: &str, expected: &str) {
            assert_eq!(origin(address), expected);
        }
        check("wss://wss.slack.com/link/?ticket=secret", "wss://wss.slack.com");
        check("postgres://me:secret@db.example:5433/desk", "postgres://db.example:5433");
        check("http://[::1]:80/x", "http://[::1]");
        check("nonsense", "an unreadable address");
    }
}
