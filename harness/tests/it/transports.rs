//! Ways to a target: through a proxy, with a certificate of one's own, by HTTP/2.

use crate::program::{Run, countersign, countersign_with, file, path};
use crate::stub::{Asked, Reply, Stub, examples};
use bytes::Bytes;
use countersign::need::Need;
use countersign::report::model;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A folder of certificates that nobody should trust.
fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// What a server saw.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    versions: Mutex<Vec<http::Version>>,
}

/// A server by hyper that answers as the stub of examples does, in whichever version it is asked.
struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(config: Option<rustls::ServerConfig>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::new(Seen::default());
        let acceptor = config.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        let told = Arc::clone(&seen);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, seen).await;
                            }
                        }
                        None => serve(stream, seen).await,
                    }
                });
            }
        });
        Self { address, seen, _runtime: runtime }
    }

    fn versions(&self) -> Vec<http::Version> {
        self.seen.versions.lock().expect("nobody panics with it").clone()
    }
}

async fn serve(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    seen: Arc<Seen>,
) {
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            seen.requests.fetch_add(1, Ordering::SeqCst);
            seen.versions.lock().expect("nobody panics with it").push(head.version);
            let headers = head.headers.iter().map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let asked = Asked {
                method: head.method.to_string(),
                path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                headers: headers.collect(),
                body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
            };
            let Reply::Answer { status, headers, body } = examples(&asked) else {
                panic!("examples always answer")
            };
            let mut answer = http::Response::builder().status(status);
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            answer.body(Full::new(Bytes::from(body)))
        }
    });
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

/// A server's settings; with `wants` it lets in only who shows a certificate of the authority.
fn config(wants: bool, alpn: &[&[u8]]) -> rustls::ServerConfig {
    let read =
        |name| CertificateDer::pem_file_iter(tls(name)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("defaults are safe");
    let builder = if wants {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(read("ca.crt").expect("the authority is there"));
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("the authority is one"))
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(tls("server.key")).expect("the key is there");
    let chain = read("server.crt").expect("the certificate is there");
    let mut config = builder.with_single_cert(chain, key).expect("key and certificate fit");
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// Judges the login of one scheme under a profile.
fn judge(profile: &str) -> Run {
    let profile = file(profile);
    let name = "nftrainbow::flow::the-documented-login-works";
    countersign(&["conformance", "--profile", path(&profile), "--exact", name])
}

fn doctor(profile: &str) -> Run {
    let profile = file(profile);
    countersign(&["doctor", "--profile", path(&profile), "--no-login"])
}

fn conforms(run: &Run) {
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn a_target_that_wants_a_certificate_is_shown_one() {
    let server = Server::start(Some(config(true, &[])));
    let url = format!("url = \"https://localhost:{}\"\n[http]\n", server.address.port());
    let ca = format!("ca = {:?}\n", tls("ca.crt"));
    let own = format!("client_cert = {:?}\nclient_key = {:?}\n", tls("client.crt"), tls("client.key"));
    conforms(&judge(&format!("{url}{ca}{own}")));
    assert!(server.seen.requests.load(Ordering::SeqCst) > 0);
    let run = judge(&format!("{url}{ca}"));
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert!(run.stderr.contains("http.client_cert"), "{}", run.stderr);
    let run = judge(&format!("{url}{own}"));
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert!(run.stderr.contains("http.ca"), "{}", run.stderr);
    let mixed = format!("client_cert = {:?}\nclient_key = {:?}\n", tls("client.crt"), tls("server.key"));
    let run = judge(&format!("{url}{ca}{mixed}"));
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(run.stderr.contains("http.client_key"), "{}", run.stderr);
}

#[test]
fn http_2_is_spoken_by_prior_knowledge_and_by_alpn() {
    let plain = Server::start(None);
    let run = judge(&format!("url = \"http://{}\"\n[http]\nversion = \"2\"\n", plain.address));
    conforms(&run);
    let versions = plain.versions();
    assert!(
        !versions.is_empty() && versions.iter().all(|version| *version == http::Version::HTTP_2),
        "{versions:?}"
    );
    let secure = Server::start(Some(config(false, &[b"h2", b"http/1.1"])));
    let http = format!("[http]\nversion = \"2\"\nca = {:?}\n", tls("ca.crt"));
    conforms(&judge(&format!("url = \"https://localhost:{}\"\n{http}", secure.address.port())));
    let versions = secure.versions();
    assert!(
        !versions.is_empty() && versions.iter().all(|version| *version == http::Version::HTTP_2),
        "{versions:?}"
    );
    let old = Server::start(Some(config(false, &[])));
    let run = judge(&format!("url = \"https://localhost:{}\"\n{http}", old.address.port()));
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert!(run.stderr.contains("http.version"), "{}", run.stderr);
}

#[test]
fn over_http_2_what_is_written_by_hand_is_skipped_with_the_reason() {
    let server = Server::start(None);
    let profile = file(&format!("url = \"http://{}\"\n[http]\nversion = \"2\"\n", server.address));
    let run =
        countersign(&["conformance", "--profile", path(&profile), "--scheme", "nftrainbow", "--cases", "1"]);
    let names = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    let skipped =
        run.stdout.lines().filter(|line| line.contains("ignored") && line.contains("http.version is 2"));
    let skipped: BTreeSet<String> = skipped.filter_map(names).collect();
    let declared = countersign::catalogue(countersign_spec::Spec::embedded())
        .into_iter()
        .filter(|check| check.name.starts_with("nftrainbow::") && check.needs.contains(&Need::PlainHttp));
    assert_eq!(skipped, declared.map(|check| check.name).collect());
    assert!(skipped.len() > 8, "{skipped:#?}");
    assert!(server.versions().iter().all(|version| *version == http::Version::HTTP_2));
}

/// A proxy that tunnels for whoever shows these credentials.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(credentials: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || tunnel(stream, credentials, &told));
            }
        });
        Self { address, asked }
    }
}

/// Ends quietly when either side does.
fn tunnel(client: TcpStream, credentials: &str, told: &Mutex<Vec<String>>) -> Option<()> {
    let mut requests = BufReader::new(client.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if requests.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    told.lock().ok()?.push(head.clone());
    let mut client = client;
    if !head
        .to_ascii_lowercase()
        .contains(&format!("proxy-authorization: basic {}\r\n", credentials.to_ascii_lowercase()))
    {
        client.write_all(b"HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\n\r\n").ok()?;
        return None;
    }
    let place = head.split(' ').nth(1)?.replace("localhost", "127.0.0.1");
    let target = TcpStream::connect(place).ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut from, mut to) = (requests, target.try_clone().ok()?);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(std::net::Shutdown::Write));
    });
    let mut target = target;
    drop(std::io::copy(&mut target, &mut client));
    drop(client.shutdown(std::net::Shutdown::Both));
    Some(())
}

#[test]
fn a_proxy_tunnels_every_connection_and_its_password_is_never_shown() {
    // `me:hunter22` in base64.
    let proxy = Proxy::start("bWU6aHVudGVyMjI=");
    let stub = Stub::start(examples);
    let profile = |user: &str| {
        file(&format!(
            "url = \"{}\"\n[http]\nproxy = \"http://{user}@{}\"\n[scheme.nftrainbow]\n",
            stub.url(),
            proxy.address
        ))
    };
    let good = profile("me:hunter22");
    // Requests written by hand are among these.
    let run =
        countersign(&["conformance", "--profile", path(&good), "--group", "robustness", "--level", "may"]);
    assert!(matches!(run.code, Some(0 | 1)), "{}\n{}", run.stdout, run.stderr);
    let through = proxy.asked.lock().unwrap().len();
    assert!(through > 10, "{through} tunnels");
    let target = stub.url().replace("http://", "");
    let place = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n");
    assert!(proxy.asked.lock().unwrap().iter().all(|head| head.starts_with(&place)));
    let shown = format!("{}{}", run.stdout, run.stderr);
    assert!(!shown.contains("hunter22") && !shown.contains("bWU6aHVudGVyMjI"), "{shown}");
    let before = stub.asked().len();
    let bad = profile("me:wrong-secret");
    let run = countersign(&["conformance", "--profile", path(&bad)]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert!(run.stderr.contains("http.proxy") && run.stderr.contains("407"), "{}", run.stderr);
    assert!(!run.stderr.contains("wrong-secret"), "{}", run.stderr);
    assert_eq!(stub.asked().len(), before, "a request went past the proxy");
}

/// A shell that knows what the profile keeps secret.
fn shell(arguments: &[&str], text: &str) -> Output {
    let accounts = countersign_fixtures::accounts();
    let account = accounts.nftrainbow.iter().find(|account| text.contains(&account.app_id));
    let mut command = Command::new("sh");
    command.args(arguments).env("HEADER_X_KEY", "open sesame").env("PROXY_USER", "me:hunter22");
    if let Some(account) = account {
        command.env("NFTRAINBOW_PASSWORD", &account.app_secret);
    }
    command.stdin(Stdio::null()).output().expect("there is a shell")
}

/// Checks that each finding under a profile is repeated by its line and by its script, with these flags.
fn repeated(profile: &str, flags: &[&str]) {
    let profile = file(profile);
    let (kept, report) = (tempfile::tempdir().unwrap(), file(""));
    let json = format!("json={}", path(&report));
    let folder = kept.path().to_str().unwrap();
    let arguments = ["conformance", "--profile", path(&profile), "--findings", folder, "--report", &json];
    let run = countersign(&[&arguments[..], &["--group", "token", "--level", "may"]].concat());
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let report: model::Run = serde_json::from_str(&std::fs::read_to_string(report.path()).unwrap()).unwrap();
    let known = ["HEADER_X_KEY", "PROXY_USER", "NFTRAINBOW_PASSWORD"];
    let is_ready = |finding: &&model::Finding| {
        finding.curl.is_some() && finding.variables.iter().all(|name| known.contains(&name.as_str()))
    };
    let findings: Vec<_> = report.failing().filter(is_ready).collect();
    assert!(!findings.is_empty(), "{}", run.stdout);
    for finding in findings {
        assert!(finding.again.contains(" --level may"), "{}", finding.again);
        let line = finding.curl.as_deref().unwrap_or_default();
        let script = kept.path().join(finding.check.replace("::", ".")).join("repeat.sh");
        let source = std::fs::read_to_string(&script).unwrap();
        for text in [line, &source] {
            assert!(flags.iter().all(|flag| text.contains(flag)), "{flags:?} are not in: {text}");
            assert!(!text.contains("hunter22") && !text.contains("open sesame"), "{text}");
        }
        let output = shell(&["-c", line], &source);
        let (said, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let last = said.lines().rfind(|line| line.starts_with("HTTP/")).unwrap_or_default();
        let status = finding.exchanges.last().and_then(|exchange| exchange.status).expect("an answer");
        assert_eq!(
            last.split_whitespace().nth(1),
            Some(status.to_string().as_str()),
            "{line}\n{said}{wrong}"
        );
        let output = shell(&[script.to_str().unwrap()], &source);
        let (said, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}{wrong}");
    }
}

#[test]
fn lines_and_scripts_reach_the_target_as_the_profile_does() {
    let headers = "headers = { x-key = \"open sesame\" }\n[scheme.nftrainbow]\n";
    let wants = Server::start(Some(config(true, &[b"h2", b"http/1.1"])));
    let url = format!("url = \"https://localhost:{}\"\n[http]\n", wants.address.port());
    let ca = format!("ca = {:?}\n", tls("ca.crt"));
    let own = format!("client_cert = {:?}\nclient_key = {:?}\n", tls("client.crt"), tls("client.key"));
    let shown = ["--cacert ", "--cert ", "--key ", "\"$HEADER_X_KEY\""];
    repeated(&format!("{url}{ca}{own}{headers}"), &[&shown[..], &["--http1.1"]].concat());
    assert!(wants.versions().iter().all(|version| *version == http::Version::HTTP_11));
    let two = format!("{url}{ca}{own}version = \"2\"\n{headers}");
    repeated(&two, &[&shown[..], &["--http2 "]].concat());
    let plain = Server::start(None);
    let url = format!("url = \"http://{}\"\n[http]\n", plain.address);
    repeated(&format!("{url}version = \"2\"\n{headers}"), &["--http2-prior-knowledge "]);
    assert!(plain.versions().iter().all(|version| *version == http::Version::HTTP_2));
    let proxy = Proxy::start("bWU6aHVudGVyMjI=");
    let through = format!("{url}proxy = \"http://me:hunter22@{}\"\n{headers}", proxy.address);
    repeated(&through, &["--proxy ", "--proxytunnel", "--proxy-user \"$PROXY_USER\""]);
    let asked = proxy.asked.lock().unwrap();
    assert!(asked.iter().any(|head| head.contains("User-Agent: curl/")), "{asked:#?}");
}

#[test]
fn init_asks_by_the_way_that_flags_name_and_writes_it_down() {
    let server = Server::start(Some(config(true, &[])));
    let proxy = Proxy::start("bWU6aHVudGVyMjI=");
    let folder = tempfile::tempdir().unwrap();
    let (out, url) = (folder.path().join("p.toml"), format!("https://localhost:{}", server.address.port()));
    let out = out.to_str().unwrap();
    let proxied = format!("http://me:hunter22@{}", proxy.address);
    let files = ["ca.crt", "client.crt", "client.key"].map(|name| tls(name).display().to_string());
    let way = ["--ca", &files[0], "--client-cert", &files[1], "--client-key", &files[2]];
    let init = [&["init", "--url", &url, "--scheme", "nftrainbow", "--out", out][..], &way].concat();
    let variables = [
        ("WAY_PROXY", proxied.as_str()),
        ("WAY_KEY", "open sesame"),
        ("NFTRAINBOW_APP_ID", countersign_fixtures::accounts().nftrainbow[0].app_id.as_str()),
        ("NFTRAINBOW_APP_SECRET", countersign_fixtures::accounts().nftrainbow[0].app_secret.as_str()),
    ];
    let more = ["--proxy", "env:WAY_PROXY", "--header", "X-Key: env:WAY_KEY"];
    let run = countersign_with(&[&init[..], &more].concat(), &variables);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stderr.contains("note "), "{}", run.stderr);
    let asked = server.seen.requests.load(Ordering::SeqCst);
    assert!(asked > 2 && !proxy.asked.lock().unwrap().is_empty(), "{asked} requests");
    let written = std::fs::read_to_string(out).unwrap();
    for line in ["proxy = \"env:WAY_PROXY\"", "headers = { \"x-key\" = \"env:WAY_KEY\" }"] {
        assert!(written.lines().any(|known| known == line), "{line} is not in:\n{written}");
    }
    assert!(!written.contains("hunter22") && !written.contains("open sesame"), "{written}");
    let name = "nftrainbow::flow::the-documented-login-works";
    conforms(&countersign_with(&["conformance", "--profile", out, "--exact", name], &variables));
    // What is given as it is, is written so, and that is said; the header goes out with every request.
    let stub = Stub::start(examples);
    let plain = ["init", "--url", &stub.url(), "--out", out, "--force", "--header", "x-key: open sesame"];
    let run = countersign(&plain);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("note    http.headers.x-key stands in the profile"), "{}", run.stderr);
    let asked = stub.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.header("x-key") == Some("open sesame")));
    // Mistakes are told before anything is sent.
    for (wrong, says) in [
        (&["--client-cert", files[1].as_str()][..], "--client-key"),
        (&["--header", "no colon"], "'NAME: VALUE'"),
        (&["--header", "a b: c"], "`a b` is no name of a header"),
        (&["--header", "x: env:COUNTERSIGN_SURELY_UNSET"], "COUNTERSIGN_SURELY_UNSET"),
        (&["--proxy", "socks5://127.0.0.1:1"], "http.proxy"),
        (&["--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
    ] {
        let tls = stub.url().replace("http:", "https:");
        let run = countersign(&[&["init", "--url", &tls, "--out", "-"][..], wrong].concat());
        assert_eq!(run.code, Some(2), "{wrong:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{wrong:?}: {}", run.stderr);
    }
    assert_eq!(stub.asked().len(), asked.len());
}

#[test]
fn what_cannot_be_spoken_is_told_with_its_key() {
    let stub = Stub::start(examples);
    for (http, key) in [
        ("ca = \"/nowhere/ca.pem\"", "http.ca"),
        ("client_cert = \"/nowhere/c.pem\"\nclient_key = \"file:/nowhere/k.pem\"", "http.client_cert"),
        ("proxy = \"socks5://127.0.0.1:1\"", "http.proxy"),
        ("version = \"3\"", "http.version"),
        ("wfc = \"/nowhere/auth.yaml\"", "http.wfc"),
    ] {
        let url = stub.url().replace("http://", "https://");
        let run = doctor(&format!("url = \"{url}\"\n[http]\n{http}\n"));
        assert_eq!(run.code, Some(2), "{http}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(key), "{http}: {}", run.stderr);
    }
    assert!(stub.asked().is_empty());
}
