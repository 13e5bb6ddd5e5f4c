//! How a target is reached, as flags of curl: authorities, certificates, proxies and versions of HTTP, as the profile has
//! them. A line without them would be pasted in vain.

use super::curl::word;
use crate::client::Base;
use crate::profile::{Http, Version};

/// The variable of a shell that holds `user:password` of a proxy.
const PROXY_USER: &str = "PROXY_USER";

/// The variable of a shell that names the file of a key that the profile takes from the environment.
const KEY_FILE: &str = "CLIENT_KEY_FILE";

/// Flags of curl; none where a target is reached as curl reaches any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport(Vec<String>);

impl Transport {
    /// The flags that reach a target as the profile says.
    #[must_use]
    pub fn of(base: &Base, http: &Http) -> Self {
        let mut flags = Vec::new();
        if base.tls {
            if let Some(ca) = &http.ca {
                flags.push(format!("--cacert {}", word(&ca.display().to_string())));
            }
            if let Some(identity) = &http.identity {
                let key = identity.key_file.as_ref();
                let key =
                    key.map_or_else(|| format!("\"${KEY_FILE}\""), |file| word(&file.display().to_string()));
                let certificate = word(&identity.certificate_file.display().to_string());
                flags.push(format!("--cert {certificate} --key {key}"));
            }
        }
        if let Some(proxy) = &http.proxy {
            flags.push(format!("--proxy {}", word(&format!("http://{}", proxy.authority()))));
            if !base.tls {
                // Over TLS curl asks for a tunnel by itself.
                flags.push("--proxytunnel".to_owned());
            }
            if proxy.has_credentials() {
                flags.push(format!("--proxy-user \"${PROXY_USER}\""));
            }
        }
        match (http.version, base.tls) {
            (Version::Http1, false) => {}
            // Over TLS curl takes HTTP/2 where it is offered.
            (Version::Http1, true) => flags.push("--http1.1".to_owned()),
            (Version::Http2, true) => flags.push("--http2".to_owned()),
            (Version::Http2, false) => flags.push("--http2-prior-knowledge".to_owned()),
        }
        Self(flags)
    }

    /// The flags, each with its value.
    #[must_use]
    pub fn flags(&self) -> &[String] {
        &self.0
    }

    /// What somebody has to set a variable of these flags to.
    #[must_use]
    pub fn meaning(variable: &str) -> Option<&'static str> {
        match variable {
            PROXY_USER => Some("set it to user:password of the proxy in the profile"),
            KEY_FILE => Some("set it to the path of a file with the key in http.client_key of the profile"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use countersign_spec::Spec;
    use std::path::Path;

    fn check(url: &str, http: &str, expected: &str) {
        let text = format!("[http]\n{http}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        let (profile, _) = Profile::parse_leniently(&text, "t", &folder, Spec::embedded()).unwrap();
        let flags = Transport::of(&Base::parse(url).unwrap(), &profile.http).flags().join(" ");
        assert_eq!(flags.replace(&folder.display().to_string(), "F"), expected, "{http}");
    }

    #[test]
    fn flags_are_those_of_the_profile() {
        let (plain, tls) = ("http://h:1", "https://h:1");
        check(plain, "", "");
        check(tls, "", "--http1.1");
        check(plain, "version = \"2\"", "--http2-prior-knowledge");
        check(tls, "version = \"2\"", "--http2");
        check(tls, "ca = \"ca.crt\"", "--cacert F/ca.crt --http1.1");
        check(plain, "ca = \"ca.crt\"", "");
        let own = "--cert F/client.crt --key F/client.key --http1.1";
        check(tls, "client_cert = \"client.crt\"\nclient_key = \"client.key\"", own);
        check(tls, "client_cert = \"client.crt\"\nclient_key = \"file:client.key\"", own);
        check(
            tls,
            "client_cert = \"client.crt\"\nclient_key = \"env:COUNTERSIGN_SURELY_UNSET\"",
            "--cert F/client.crt --key \"$CLIENT_KEY_FILE\" --http1.1",
        );
        check(tls, "proxy = \"http://p:3128\"", "--proxy http://p:3128 --http1.1");
        check(
            plain,
            "proxy = \"http://me:hunter22@p:3128\"",
            "--proxy http://p:3128 --proxytunnel --proxy-user \"$PROXY_USER\"",
        );
    }
}
