// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's web page against those who mean no good: forged forms, planted and stolen cookies,
//! guessed PINs, huge forms, odd methods, and what the log says of it all.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN,
    SET_COOKIE, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use platen_bed::wait::Stopwatch;
use platen_net::{HttpsClient, HttpsOptions, TlsTrust};

use crate::box_under_test::user;
use crate::web_office::{DIGITS, GRACE, NUMBER, PASSWORD, PIN, WebOffice};

const LIMIT: Duration = Duration::from_secs(30);
const COOKIE_NAME: &str = "__Host-platen";

/// A program that speaks as a browser does, or not quite.
struct Visitor<'a> {
    web: &'a WebOffice,
    client: HttpsClient,
    cookie: String,
}

type Answer = Response<Bytes>;

impl<'a> Visitor<'a> {
    fn new(web: &'a WebOffice) -> Self {
        let url = web.at("");
        let shown = smol::block_on(HttpsClient::shown_certificate(&url, LIMIT)).unwrap();
        let options = HttpsOptions {
            trust: TlsTrust::Pin(shown),
            ..HttpsOptions::default()
        };
        Self {
            web,
            client: HttpsClient::new(&url, options).unwrap(),
            cookie: String::new(),
        }
    }

    fn send(&mut self, request: Request<Bytes>) -> Answer {
        let answer = smol::block_on(self.client.send(request, LIMIT)).unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let value = cookie.strip_prefix(&format!("{COOKIE_NAME}="));
            if let Some(value) = value {
                let value = value.split(';').next().unwrap();
                self.cookie = format!("{COOKIE_NAME}={value}");
            }
        }
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header(COOKIE, &self.cookie);
        self.send(request.body(Bytes::new()).unwrap())
    }

    fn post(&mut self, path: &str, body: &str) -> Answer {
        let origin = self.web.at("");
        self.post_from(&origin, path, body)
    }

    fn post_from(&mut self, origin: &str, path: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header(COOKIE, &self.cookie)
            .header(ORIGIN, origin)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(body.to_owned().into()).unwrap())
    }

    /// The token of the first form on a page.
    fn token(&mut self, path: &str) -> String {
        let page = text(&self.get(path));
        let at = page.find("name=\"token\" value=\"").unwrap() + 20;
        page[at..].split('"').next().unwrap().to_owned()
    }

    fn log_in(&mut self, name: &str, secret: &str) -> Answer {
        let token = self.token("/login");
        self.post(
            "/login",
            &format!("token={token}&name={name}&secret={secret}"),
        )
    }

    fn is_in(&mut self) -> bool {
        self.get("/jobs").status() == StatusCode::OK
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}

fn goes_to(answer: &Answer) -> &str {
    answer.headers()[LOCATION].to_str().unwrap()
}

#[test]
fn a_forged_form_changes_nothing() {
    let web = WebOffice::open();
    web.print("one.pdf", 1);
    let mut visitor = Visitor::new(&web);
    assert_eq!(goes_to(&visitor.log_in(&user(), PIN)), "/jobs");
    let token = visitor.token("/jobs");
    let delete = format!("token={token}&job=1");
    let own = web.at("");
    let foreign = ["https://evil.example", "null", "http://evil.example"];
    for origin in foreign {
        let answer = visitor.post_from(origin, "/jobs/delete", &delete);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
    }
    for body in [
        "job=1".to_owned(),
        "job=1&token=".to_owned(),
        format!("job=1&token={}", "0".repeat(64)),
        format!("job=1&token={token}&token={token}"),
    ] {
        let answer = visitor.post_from(&own, "/jobs/delete", &body);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{body}");
    }
    // The token of another visitor, who is nobody.
    let other = Visitor::new(&web).token("/login");
    let answer = visitor.post("/jobs/delete", &format!("job=1&token={other}"));
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let plain = Request::post("/jobs/delete")
        .header(COOKIE, &visitor.cookie)
        .header(ORIGIN, &own)
        .header(CONTENT_TYPE, "text/plain")
        .body(delete.clone().into());
    let answer = visitor.send(plain.unwrap());
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(web.waiting(), 1);
    assert_eq!(
        goes_to(&visitor.post("/jobs/delete", &delete)),
        "/jobs?told=deleted"
    );
    assert_eq!(web.waiting(), 0);
}

#[test]
fn a_planted_cookie_is_worth_nothing_after_the_login() {
    let web = WebOffice::open();
    let mut victim = Visitor::new(&web);
    let planted = format!("{COOKIE_NAME}={}", "a".repeat(64));
    victim.cookie.clone_from(&planted);
    assert_eq!(goes_to(&victim.log_in(&user(), PIN)), "/jobs");
    assert_ne!(victim.cookie, planted);
    assert!(victim.is_in());
    let mut attacker = Visitor::new(&web);
    attacker.cookie = planted;
    assert!(!attacker.is_in());
}

#[test]
fn a_stolen_cookie_is_worth_nothing_after_the_log_out() {
    let web = WebOffice::open();
    let mut victim = Visitor::new(&web);
    victim.log_in(&user(), PIN);
    let mut thief = Visitor::new(&web);
    thief.cookie.clone_from(&victim.cookie);
    assert!(thief.is_in());
    let token = victim.token("/jobs");
    let left = victim.post("/logout", &format!("token={token}"));
    assert_eq!(goes_to(&left), "/login?out=1");
    assert!(!thief.is_in() && !victim.is_in());
    // Nor does a restart bring it back.
    victim.log_in(&user(), PIN);
    assert!(victim.is_in());
}

#[test]
fn ten_thousand_guesses_find_no_pin() {
    let web = WebOffice::open();
    let mut guesser = Visitor::new(&web);
    let token = guesser.token("/login");
    let (mut wrong, mut turned_away) = (0, 0);
    let me = user();
    for guess in 0..10_000 {
        let body = format!("token={token}&name={me}&secret={guess:06}");
        let answer = guesser.post("/login", &body);
        assert_eq!(answer.status(), StatusCode::OK, "guess {guess} was let in");
        let page = text(&answer);
        match page.contains("don&#39;t go together") {
            true => wrong += 1,
            false => turned_away += 1,
        }
    }
    // Five wrong tries lock the PIN, and an address has ten tries.
    assert!(wrong <= 5, "{wrong} were compared");
    assert!(turned_away >= 9_990, "{turned_away}");
    // The right one is turned away as well, from here and now.
    let answer = guesser.log_in(&me, PIN);
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!guesser.is_in());
    let locked = web.office.ctl(&["journal"]).into_iter();
    let locked = locked.filter(|line| line["entry"]["locked-out"].is_object());
    assert_eq!(locked.count(), 1);
}

#[test]
fn nobody_learns_from_a_refusal_whether_there_is_such_a_person() {
    let web = WebOffice::open();
    let mut visitor = Visitor::new(&web);
    let mut refused = |name: &str, secret: &str| {
        let watch = Stopwatch::start();
        let page = text(&visitor.log_in(name, secret));
        let took = watch.elapsed();
        // The banner that the centre is away comes first.
        let note = page.split("role=\"status\"").last().unwrap().to_owned();
        (note.split("</p>").next().unwrap().to_owned(), took)
    };
    let (known, known_took) = refused(&user(), "000000");
    let (unknown, unknown_took) = refused("nobody-of-that-name", "000000");
    let (password, password_took) = refused("nobody-of-that-name", "a-long-password");
    assert_eq!(known, unknown);
    assert_eq!(known, password);
    // One Argon2id each: none is ten times as fast as another.
    let all = [known_took, unknown_took, password_took];
    let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
    assert!(*most < *least * 10, "{all:?}");
}

#[test]
fn somebody_whose_login_name_is_a_number_logs_in_with_a_password_and_locks_nobody_else() {
    let web = WebOffice::open();
    let mut visitor = Visitor::new(&web);
    for _ in 0..6 {
        let answer = visitor.log_in(DIGITS, "not the right phrase");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    // The sixth was told of the lock, and for how long.
    let locked = text(&visitor.log_in(DIGITS, PASSWORD));
    assert!(locked.contains("Wait 15 minutes"), "{locked}");
    // The person who has these digits as a number has lost nothing by it.
    assert_eq!(goes_to(&visitor.log_in(GRACE, PIN)), "/jobs");
    let web = WebOffice::open();
    let mut visitor = Visitor::new(&web);
    assert_eq!(goes_to(&visitor.log_in(DIGITS, PASSWORD)), "/jobs");
    // The number of somebody, which is nobody's login name.
    let mut other = Visitor::new(&web);
    assert_eq!(goes_to(&other.log_in(NUMBER, PIN)), "/jobs");
}

#[test]
fn a_code_that_one_browser_claimed_is_worth_nothing_in_another() {
    let web = WebOffice::open();
    web.print("one.pdf", 1);
    let shown = || {
        let code = web.office.ctl(&["phone"]).remove(0);
        let url = code["url"].as_str().unwrap();
        url.strip_prefix(&web.at("")).unwrap().to_owned()
    };
    let page = shown();
    // Previews of the link look at it, as often as they like.
    for _ in 0..3 {
        let look = text(&Visitor::new(&web).get(&page));
        assert!(look.contains("Hall, second floor"), "{look}");
    }
    assert_eq!(shown(), page);
    let mut victim = Visitor::new(&web);
    assert_eq!(goes_to(&victim.log_in(&user(), PIN)), "/jobs");
    let mut attacker = Visitor::new(&web);
    let (token, code) = (attacker.token(&page), page.split("c=").nth(1).unwrap());
    let claim = format!("token={token}&c={code}");
    assert_eq!(goes_to(&attacker.post("/phone", &claim)), "/phone");
    assert_ne!(shown(), page);
    // Whatever address is sent on, the victim's browser has claimed nothing.
    assert_eq!(victim.get("/phone").status(), StatusCode::NOT_FOUND);
    assert!(text(&victim.get(&page)).contains("too old or was used"));
    let token = victim.token("/jobs");
    let told = text(&victim.post("/phone", &format!("token={token}&c={code}")));
    assert!(told.contains("too old or was used"), "{told}");
    assert_eq!(web.waiting(), 1);
    // The browser that claimed it goes on, over its login with its new cookie.
    let before = attacker.cookie.clone();
    assert_eq!(goes_to(&attacker.log_in(GRACE, PIN)), "/phone");
    assert_ne!(attacker.cookie, before);
    let token = attacker.token("/phone");
    let done = text(&attacker.post("/phone", &format!("token={token}")));
    assert!(done.contains("logged in at the printer"), "{done}");
    assert_eq!(web.waiting(), 1);
}

#[test]
fn huge_forms_and_odd_methods_are_refused() {
    let web = WebOffice::open();
    let mut visitor = Visitor::new(&web);
    let token = visitor.token("/login");
    let huge = format!("token={token}&name={}", "x".repeat(1 << 20));
    assert_eq!(
        visitor.post("/login", &huge).status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let many = format!("token={token}{}", "&a=b".repeat(2000));
    assert_eq!(
        visitor.post("/login", &many).status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let broken = format!("token={token}&name=%zz");
    let answer = visitor.post("/login", &broken);
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let request = Request::builder().method(method).uri("/jobs");
        let answer = visitor.send(request.body(Bytes::new()).unwrap());
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()[ALLOW], "GET, HEAD, POST");
    }
    let long = visitor.get(&format!("/phone?c={}", "A".repeat(5000)));
    assert_eq!(long.status(), StatusCode::NOT_FOUND);
    let wrong = visitor.get(&format!("/phone?c={}", "A".repeat(48)));
    assert!(text(&wrong).contains("too old or was used"));
    assert_eq!(
        visitor.get("/jobs/99999999999").status(),
        StatusCode::SEE_OTHER
    );
}

#[test]
fn every_answer_guards_itself() {
    let web = WebOffice::open();
    let mut visitor = Visitor::new(&web);
    let first = visitor.get("/");
    let cookie = first.headers()[SET_COOKIE].to_str().unwrap();
    for part in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    visitor.log_in(&user(), PIN);
    for path in ["/", "/jobs", "/account", "/help", "/nowhere", "/phone?c=1"] {
        let answer = visitor.get(path);
        let headers = answer.headers();
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(headers[X_FRAME_OPTIONS], "DENY", "{path}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let page = text(&answer);
        assert!(
            !page.contains("<script>") && !page.contains(" style="),
            "{path}"
        );
    }
    for file in ["/style.css", "/live.js", "/icon.svg"] {
        let answer = visitor.get(file);
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers().get(SET_COOKIE).is_none(), "{file}");
    }
}

#[test]
fn the_log_tells_nothing_of_who_tried_what() {
    let web = WebOffice::open();
    web.print("Secret-Document-Name.pdf", 1);
    let mut visitor = Visitor::new(&web);
    visitor.log_in("zaphod.beeblebrox", "wrong-password-4711");
    visitor.log_in(&user(), PIN);
    visitor.get("/jobs");
    let token = visitor.token("/jobs");
    let code = web.office.ctl(&["phone"]).remove(0);
    let url = code["url"].as_str().unwrap();
    visitor.get(url.strip_prefix(&web.at("")).unwrap());
    visitor.post("/jobs", &format!("token={token}&do=delete&job=1"));
    let log = web.office.daemon.config().folder.join("platend.log");
    let log = std::fs::read_to_string(log).unwrap();
    let cookie = visitor.cookie.split('=').nth(1).unwrap();
    let code = url.split("c=").nth(1).unwrap();
    for secret in [
        "beeblebrox",
        "4711",
        PIN,
        "Secret-Document",
        cookie,
        &token,
        code,
    ] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn somebody_without_tls_is_sent_to_it() {
    let web = WebOffice::open();
    let plain = |request: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(web.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let host = web.address;
    let answer = plain(&format!(
        "GET /jobs?lang=zh HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    ));
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert!(
        answer.contains(&format!("location: https://{host}/jobs?lang=zh\r\n")),
        "{answer}"
    );
    assert!(
        !answer.to_ascii_lowercase().contains("set-cookie"),
        "{answer}"
    );
}
