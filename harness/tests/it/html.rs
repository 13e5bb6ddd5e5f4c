//! The HTML report of a hostile target: one file that loads nothing, obeys nothing of what it shows, and filters in a browser.

use crate::program::{Run, countersign};
use crate::stub::{Reply, Stub};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::confirm;
use countersign::report::html;
use countersign::report::model::{self, Header, Outcome};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Would run, load or draw something in a page that lets it.
const ATTACK: &str =
    "</script></pre></style>\"'><img src=http://127.0.0.1:9/x onerror=\"document.title='obeyed'\">";

/// Chromium starts within a second or two; one that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A run against a target that attacks whoever reads the report, as data and as the page.
fn judged(flags: &[&str]) -> (Run, model::Run, String) {
    let stub = Stub::start(|_| Reply::Answer {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned()), ("x-attack", ATTACK.to_owned())],
        body: serde_json::json!({ "message": ATTACK }).to_string().into_bytes(),
    });
    let folder = tempfile::tempdir().unwrap();
    let place = |kind: &str| folder.path().join(kind);
    let reports = ["json", "html"].map(|kind| format!("{kind}={}", place(kind).display()));
    let url = stub.url();
    let mut arguments = vec!["conformance", "--url", &url, "--seed", "1", "--cases", "2"];
    for report in &reports {
        arguments.extend(["--report", report]);
    }
    arguments.extend(flags);
    let run = countersign(&arguments);
    let read = |kind: &str| std::fs::read_to_string(place(kind)).unwrap_or_else(|_| panic!("{}", run.stderr));
    let (data, page) = (serde_json::from_str(&read("json")).unwrap(), read("html"));
    (run, data, page)
}

/// The text between two marks, wherever it stands.
fn between<'t>(text: &'t str, start: &'t str, end: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

fn check_alone(page: &str) {
    let policy = between(page, "Content-Security-Policy\" content=\"", "\"").next().expect("a policy");
    assert!(policy.starts_with("default-src &#39;none&#39;; "), "{policy}");
    for tag in ["style", "script"] {
        let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
        let texts: Vec<&str> = between(page, &start, &end).collect();
        let [text] = texts.as_slice() else { panic!("{} of <{tag}>", texts.len()) };
        let hash = STANDARD.encode(Sha256::digest(text));
        // The template writes `+` and the like as they are, quotes as references.
        assert!(policy.contains(&format!("{tag}-src &#39;sha256-{hash}&#39;")), "{tag}: {policy}");
        for loads in ["url(", "@import", "fetch(", "XMLHttpRequest", "http:", "https:", "innerHTML", "eval("]
        {
            assert!(!text.contains(loads), "<{tag}> has {loads}");
        }
    }
    for address in between(page, " href=\"", "\"") {
        assert!(address.starts_with('#') || address == "data:,", "{address}");
    }
    for tag in between(page, "<", ">") {
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        let loads = ["img", "iframe", "object", "embed", "video", "audio", "source", "base", "image", "use"];
        assert!(!loads.contains(&name), "<{tag}>");
        assert!(!tag.contains(" src=") && !tag.contains(" style=") && !tag.contains(" on"), "<{tag}>");
    }
}

#[test]
fn a_report_loads_nothing_and_shows_an_attack_as_text() {
    let (run, data, page) = judged(&["--scheme", "cbs"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    check_alone(&page);
    assert!(page.contains("&#60;img src=http://127.0.0.1:9/x onerror="), "the answer is not shown");
    for finding in &data.findings {
        assert!(page.contains(&format!("id=\"{}\"", finding.check)), "{}", finding.check);
    }
    assert_eq!(page.matches("<ol class=\"timeline\">").count(), data.findings.len());
    // How often it came again, and every way of it.
    let tried = data.findings.iter().filter_map(|finding| Some((finding, finding.reproducible?)));
    assert!(tried.clone().count() > 0, "nothing was tried again");
    for (finding, times) in tried {
        let start = format!("id=\"{}\" data-item", finding.check);
        let card = between(&page, &start, "</article>").next().expect("its card");
        assert!(card.contains(&format!("<dt>Tried</dt><dd>{}</dd>", confirm::says(times))), "{card}");
        let ways = between(card, "<ul class=\"ways\">", "</ul>").next().expect("a fingerprint");
        let shown: Vec<&str> = between(ways, "<li><code>", "</code></li>").collect();
        let fingerprint = finding.fingerprint.as_deref().unwrap_or_default().replace('>', "&#62;");
        assert_eq!(shown.join(" | "), fingerprint.replace('"', "&#34;").replace('\'', "&#39;"));
    }
    for check in &data.checks {
        assert!(page.contains(&format!("<tr id=\"check-{}\"", check.name)), "{}", check.name);
    }
    for clause in &data.clauses {
        let row = format!("<tr id=\"clause-{}\"", clause.id);
        let row = between(&page, &row, "</tr>").next().unwrap_or_else(|| panic!("no row of {}", clause.id));
        assert!(row.contains(clause.fate.word()), "{row}");
    }
    let start = "<th scope=\"row\" data-filter=\"scheme=cbs\">";
    let scores = between(&page, start, "</tr>").next().expect("a row of scores");
    let cells: Vec<&str> =
        between(scores, "<td", "</td>").filter_map(|cell| Some(cell.split_once('>')?.1)).collect();
    let counts = Outcome::ALL.map(|outcome| data.count(outcome).to_string());
    assert_eq!(cells[3..8], counts, "{scores}");
    let must = |outcome| {
        let fits = |check: &&model::CheckResult| {
            model::level_word(check.level) == "must" && check.outcome == outcome
        };
        data.checks.iter().filter(fits).count()
    };
    let (held, violated) = (must(Outcome::Held), must(Outcome::Violated));
    assert_eq!(cells[0], format!("{held}/{}", held + violated), "{scores}");
    for (name, value) in [("Seed", "1, 2 generated cases"), ("Exit code", "1")] {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{value}")), "{name}");
    }
}

#[test]
fn whatever_the_data_holds_is_text() {
    let (_, mut data, _) = judged(&["--scheme", "cbs", "--group", "flow"]);
    let attack = || ATTACK.to_owned();
    for check in &mut data.checks {
        (check.sentence, check.reason) = (attack(), Some(attack()));
        check.declared = Some(attack());
    }
    for clause in &mut data.clauses {
        (clause.says, clause.source, clause.except) = (attack(), attack(), Some(attack()));
    }
    for finding in &mut data.findings {
        finding.sentence = attack();
        for text in [&mut finding.did, &mut finding.expected, &mut finding.got, &mut finding.again] {
            *text = attack();
        }
        (finding.hint, finding.curl, finding.fingerprint) = (Some(attack()), Some(attack()), Some(attack()));
        finding.variables = vec![attack()];
        for exchange in &mut finding.exchanges {
            (exchange.operation, exchange.method, exchange.url) = (attack(), attack(), attack());
            exchange.error = Some(attack());
            exchange.request.headers = vec![Header { name: attack(), value: attack() }];
            exchange.request.body = format!("{ATTACK}\u{202e}\0\u{1b}");
        }
    }
    (data.url, data.says) = (attack(), attack());
    let page = html::write(&data).unwrap();
    check_alone(&page);
    assert!(page.contains(r"\u{202e}\u{0}\u{1b}"), "what nobody sees is not shown");
}

#[test]
fn a_report_of_every_check_stays_small() {
    let (_, mut data, page) = judged(&[]);
    assert!(data.checks.len() > 1_000 && page.len() < 2_000_000, "{} bytes", page.len());
    // Bodies share what room there is: many large ones do not make a page that no mail takes.
    let (finding, body) = (data.findings[0].clone(), "[\"long\"]".repeat(8_000));
    data.findings = vec![finding; 100];
    for finding in &mut data.findings {
        finding.folded.clear();
        for exchange in &mut finding.exchanges {
            exchange.request.body.clone_from(&body);
        }
    }
    let page = html::write(&data).unwrap();
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(page.contains("… (cut here; 64000 characters in all)"));
}

/// A browser, or why there is none.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()));
    if found.is_none() {
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "chromium is not installed");
        drop(writeln!(std::io::stderr(), "skipped: chromium is not installed"));
    }
    found
}

/// The page as the browser has it once it is loaded, and what its console says.
fn opened(browser: &PathBuf, page: &str, fragment: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, page).unwrap();
    let child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("browser").display()))
        .arg(format!("file://{}{fragment}", file.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the browser starts");
    let id = child.id();
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || drop(done.send(child.wait_with_output())));
    let Ok(output) = wait.recv_timeout(LIMIT) else {
        drop(Command::new("kill").args(["-KILL", &id.to_string()]).status());
        panic!("the browser did not end within {LIMIT:?}");
    };
    let output = output.expect("the browser is waited for");
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8(output.stdout).expect("the page is UTF-8"), console)
}

/// Names of the checks whose rows are shown.
fn shown(page: &str) -> Vec<&str> {
    between(page, "<tr id=\"check-", ">")
        .filter(|tag| !tag.contains("hidden"))
        .filter_map(|tag| tag.split('"').next())
        .collect()
}

#[test]
fn a_browser_filters_by_what_stands_behind_the_address() {
    let Some(browser) = browser() else { return };
    let (_, data, page) = judged(&["--scheme", "cbs", "--scheme", "ethgas"]);
    let expected = |wanted: fn(&model::CheckResult) -> bool| -> Vec<&str> {
        data.checks.iter().filter(|check| wanted(check)).map(|check| check.name.as_str()).collect()
    };

    let (plain, console) = opened(&browser, &page, "");
    assert!(console.is_empty(), "{console:#?}");
    assert_eq!(shown(&plain), expected(|_| true));
    assert!(!plain.contains("<img") && plain.contains("<title>violates: "), "the page obeyed its target");
    assert!(between(&plain, "<form id=\"filter\"", ">").all(|tag| !tag.contains("hidden")), "no filter");

    let (filtered, console) = opened(&browser, &page, "#scheme=cbs&level=must&outcome=held&outcome=violated");
    assert!(console.is_empty(), "{console:#?}");
    let rows = expected(|check| {
        let judged = matches!(check.outcome, Outcome::Held | Outcome::Violated);
        check.scheme == "cbs" && model::level_word(check.level) == "must" && judged
    });
    assert!(!rows.is_empty() && rows.len() < data.checks.len() / 2, "{rows:?}");
    assert_eq!(shown(&filtered), rows);
    let said = format!("{} of {} checks", rows.len(), data.checks.len());
    assert!(between(&filtered, "<output", "</output>").any(|text| text.contains(&said)), "not said: {said}");
    let findings = between(&filtered, "<article", ">").filter(|tag| !tag.contains(" hidden")).count();
    assert_eq!(findings, 1, "findings of the other scheme are still there");
}

#[test]
fn a_browser_searches_words_and_opens_what_is_closed() {
    let Some(browser) = browser() else { return };
    let (_, mut data, page) = judged(&["--scheme", "cbs", "--scheme", "ethgas"]);
    let (searched, console) = opened(&browser, &page, "#q=REFRESH+cbs%3A%3Aflow");
    assert!(console.is_empty(), "{console:#?}");
    let names = shown(&searched);
    assert!(names.contains(&"cbs::flow::a-refresh-works"), "{names:?}");
    assert!(names.len() < data.checks.len() / 4, "{names:?}");

    // Were a way around the escapes found, the policy would still be there.
    let attacked =
        page.replace("</main>", "<img src=http://127.0.0.1:9/x><script>document.title='obeyed'</script>");
    let (attacked, console) = opened(&browser, &attacked, "");
    assert!(attacked.contains("<title>violates: "), "the policy lets scripts run");
    assert!(
        console.iter().filter(|line| line.contains("Content Security Policy")).count() >= 2,
        "{console:#?}"
    );

    // Advice is closed until somebody goes there; the address of a place filters nothing.
    for finding in &mut data.findings {
        finding.fails = false;
    }
    let page = html::write(&data).unwrap();
    let (visited, console) = opened(&browser, &page, "#ethgas::flow::the-documented-login-works");
    assert!(console.is_empty(), "{console:#?}");
    let open = |name: &str| {
        let start = format!("<article class=\"finding must\" id=\"{name}\"");
        let rest = between(&visited, &start, "<summary>").next().expect("the finding");
        rest.contains("<details open")
    };
    assert!(
        open("ethgas::flow::the-documented-login-works") && !open("cbs::flow::the-documented-login-works")
    );
    assert_eq!(shown(&visited).len(), data.checks.len());
}
