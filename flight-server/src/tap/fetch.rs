//! Tables that a query names by their address: fetched from public addresses only, within bounds of size and time.
//!
//! What a name leads to is looked up once, checked, and used as it was checked, so that nobody can lead the server into its own network
//! by changing the name's address in between; redirects are not followed for the same reason.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::io::AsyncWriteExt;

use crate::fault::Fault;
use crate::settings::ServerSettings;
use crate::submission::too_large;

/// How long a server may take to answer and to send everything.
const TIME: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Fetches what lies at an address into a file.
///
/// # Errors
/// [`Fault`] for an address that is not public, does not answer, or has too much.
pub(super) async fn fetch(settings: &ServerSettings, address: &str, into: &Path) -> Result<(), Fault> {
    if !settings.upload_urls {
        return Err(Fault::usage("tables are not fetched from other servers here; send the table itself (param:…)"));
    }
    let url = checked(address)?;
    let (host, addresses) = looked_up(settings, &url).await?;
    let shown = shown(&url);
    let failed = |error: reqwest::Error| {
        let why = if error.is_timeout() { "took too long" } else { "does not answer" };
        Fault::usage(format!("{shown} {why}"))
    };
    let client = Client::builder()
        .redirect(Policy::none())
        .resolve_to_addrs(&host, &addresses)
        .no_proxy()
        .connect_timeout(CONNECT_TIME)
        .timeout(TIME)
        .build()
        .map_err(|error| Fault::internal("prepare to fetch a table", &error))?;
    let mut response = client.get(url).send().await.map_err(failed)?;
    if !response.status().is_success() {
        let hint = if response.status().is_redirection() {
            "; redirects are not followed, give the final address"
        } else {
            ""
        };
        return Err(Fault::usage(format!("{shown} answers {}{hint}", response.status())));
    }
    let written = |error: std::io::Error| Fault::internal("keep the upload", &error);
    let mut file = tokio::fs::File::create(into).await.map_err(written)?;
    let mut left = settings.upload_mb << 20;
    while let Some(bytes) = response.chunk().await.map_err(failed)? {
        left = left.checked_sub(bytes.len()).ok_or_else(|| too_large(settings.upload_mb))?;
        file.write_all(&bytes).await.map_err(written)?;
    }
    file.flush().await.map_err(written)
}

/// An HTTP address without a login in it.
fn checked(address: &str) -> Result<Url, Fault> {
    let wrong = |why: &str| Fault::usage(format!("the table's address {why}"));
    let url = Url::parse(address).map_err(|error| wrong(&format!("is none: {error}")))?;
    match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => Ok(url),
        "http" | "https" => Err(wrong("has a login in it, which is not sent on")),
        _ => Err(wrong("begins with neither http:// nor https://")),
    }
}

/// The address without its query, which may hold what others should not see.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// The host, and what its name leads to now; all of it public, unless the operator names the host.
async fn looked_up(settings: &ServerSettings, url: &Url) -> Result<(String, Vec<SocketAddr>), Fault> {
    let unknown = || Fault::usage(format!("{}: the host is not known", shown(url)));
    let host = url.host_str().ok_or_else(unknown)?.to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let looked_up = tokio::time::timeout(CONNECT_TIME, tokio::net::lookup_host((bare, port))).await;
    let addresses: Vec<SocketAddr> = looked_up.map_err(|_| unknown())?.map_err(|_| unknown())?.collect();
    let named = settings.upload_hosts.iter().any(|known| *known == host || *known == format!("{host}:{port}"));
    if !named && !addresses.iter().all(|address| is_public(address.ip())) {
        return Err(Fault::usage(format!(
            "{}: the host is not a public one, so nothing is fetched from it",
            shown(url)
        )));
    }
    Ok((host, addresses))
}

/// True for an address that anybody on the internet can reach. IANA special-purpose address registries, RFC 6890.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(embedded) => is_public_v4(embedded),
            None => {
                let [first, second, ..] = address.segments();
                // 2000::/3 is what is given out; less documentation, Teredo and benchmarks.
                first & 0xE000 == 0x2000
                    && !(first == 0x2001 && (second < 0x0200 || second == 0x0DB8))
                    && first != 0x3FFF
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xC0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xFE == 18))
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low] => Some(of(high, low)),
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in
            ["8.8.8.8", "193.0.6.139", "2001:4860:4860::8888", "2a00:1450::1", "100.128.0.1", "::ffff:8.8.8.8"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
    }

    #[tokio::test]
    async fn names_of_inner_hosts_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let settings = ServerSettings::default();
        for (address, words) in [
            ("http://localhost:1/x", "not a public one"),
            ("http://127.0.0.1:1/x?secret=1", "not a public one"),
            ("http://[::1]:1/x", "not a public one"),
            ("http://0x7f000001/x", "not a public one"),
            ("http://2130706433/x", "not a public one"),
            ("http://ada:secret@example.org/x", "login"),
            ("ftp://example.org/x", "neither"),
            ("http://", "is none"),
        ] {
            let fault = fetch(&settings, address, &folder.path().join("x")).await.unwrap_err();
            assert!(fault.message.contains(words) && !fault.message.contains("secret"), "{address}: {}", fault.message);
        }
        let closed = ServerSettings { upload_urls: false, ..ServerSettings::default() };
        let fault = fetch(&closed, "http://example.org/x", &folder.path().join("x")).await.unwrap_err();
        assert!(fault.message.contains("not fetched"), "{}", fault.message);
    }
}
