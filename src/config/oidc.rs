//! Checks the keys of the company's login: half of them let nobody in.

use secrecy::ExposeSecret as _;
use url::{Host, Url};

use super::{Diagnostics, Server, keys::Keys, server::Oidc};

/// Shorter secrets can be guessed. What a login hands to a browser is signed with this one.
const SHORTEST_SECRET: usize = 24;

/// Reports every key that cannot be meant.
pub fn validate(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    let Oidc { client_id, client_secret, .. } = &server.oidc;
    if server.oidc.is_on() {
        provider(&server.oidc, keys, findings);
        way_back(server, keys, findings);
        return;
    }
    for (key, is_set) in
        [("oidc.client_id", !client_id.is_empty()), ("oidc.client_secret", !client_secret.expose_secret().is_empty())]
    {
        if is_set {
            let message = format!("{key} is set, but oidc.issuer is not: nobody can log in with it");
            keys.warning(key, message, "set oidc.issuer to the address of the provider", findings);
            break;
        }
    }
}

fn provider(oidc: &Oidc, keys: &Keys, findings: &mut Diagnostics) {
    let Oidc { issuer, client_id, client_secret, scopes, email_claim, email_verified: _, button } = oidc;
    if !is_trusted(issuer) {
        let hint = "copy the issuer from the provider; it begins with https:// and has no ? and no #";
        keys.error("oidc.issuer", "oidc.issuer is not an address that can be trusted", hint, findings);
    }
    let secret = client_secret.expose_secret();
    for (key, value, hint) in [
        ("oidc.client_id", client_id.as_str(), "the provider gives it when the client is registered"),
        ("oidc.client_secret", secret, "put the client's secret into STATIONMASTER_OIDC_CLIENT_SECRET"),
        ("oidc.email_claim", email_claim, "the default is \"email\""),
        ("oidc.button", button, "the default is \"Log in with the company account\""),
    ] {
        if value.trim().is_empty() {
            keys.error(key, format!("{key} is empty"), hint, findings);
        }
    }
    if (1..SHORTEST_SECRET).contains(&secret.len()) {
        let hint = format!("let the provider make another one, of {SHORTEST_SECRET} characters or more");
        keys.error("oidc.client_secret", "oidc.client_secret is too short to keep others out", hint, findings);
    }
    if !scopes.split_whitespace().any(|scope| scope == "openid") {
        let hint = "the default is \"openid email profile\"";
        keys.error("oidc.scopes", "oidc.scopes does not name openid", hint, findings);
    }
}

/// An issuer is reached in a way that nobody can listen to: by https, or without leaving this machine.
/// It has neither query nor fragment (OpenID Connect Core 1.0, section 2, `iss`).
fn is_trusted(issuer: &str) -> bool {
    Url::parse(issuer).is_ok_and(|url| {
        let safe = url.scheme() == "https" || url.scheme() == "http" && is_here(&url);
        let bare = url.query().is_none() && url.fragment().is_none();
        safe && bare && url.username().is_empty() && url.password().is_none()
    })
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The provider sends browsers back to `server.public_url`.
fn way_back(server: &Server, keys: &Keys, findings: &mut Diagnostics) {
    let public = server.public_url();
    if !public.starts_with("https://") || server.is_only_reached_from_here() {
        let message = format!("the login leads back to {public}, which others cannot reach or can listen to");
        let hint = "set it to the https:// address that people open";
        keys.warning("server.public_url", message, hint, findings);
    }
}
