// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which page answers which request.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use platen_model::JobNumber;
use platen_model::local::PhoneCodeShown;
use platen_net::{PeerInfo, ReplyBody};

use super::answer::{Answer, Fault, file, finish, to_tls, unable};
use super::facts::{self, JOBS_NAMED_MAX};
use super::gate::Gate;
use super::ground;
use super::help::{self, Topic};
use super::html::Html;
use super::page::{Frame, Shown};
use super::pages::{account, fault, jobs, login, options, progress};
use super::panel_code::{PhoneCodeError, PhonePanel};
use super::sessions::{NoRandom, Person, Sessions};
use super::view;
use super::visit::Visit;
use super::words::{Word, say};
use crate::node::Node;

/// Browsers without script look at printing jobs again after so many seconds.
const LOOK_AGAIN_S: u32 = 3;

/// The web page of a box.
pub(crate) struct Web {
    pub(super) node: Arc<Node>,
    pub(super) sessions: Sessions,
    pub(super) gate: Gate,
    pub(super) phones: PhonePanel,
}

impl Web {
    /// A page on which nobody is logged in.
    ///
    /// `address` is how phones reach it.
    pub(crate) fn new(node: Arc<Node>, address: String) -> Result<Self, NoRandom> {
        let phones = PhonePanel::new(Arc::clone(&node.door.logins), address);
        Ok(Self {
            node,
            sessions: Sessions::new()?,
            gate: Gate::default(),
            phones,
        })
    }

    /// The code for phones that a display of this box shows now.
    pub(crate) fn phone_code(&self) -> Result<PhoneCodeShown, PhoneCodeError> {
        self.phones.show(self.node.clock.now())
    }

    /// Whether anybody is logged in.
    pub(crate) fn somebody_is_in(&self) -> bool {
        self.sessions.any(self.node.clock.now().elapsed)
    }

    /// Somebody logged in a while ago: what they may is what they may now, and who would not be let
    /// in any more is logged out.
    fn look_again(&self, visit: &mut Visit) {
        let Some(person) = &mut visit.person else {
            return;
        };
        let door = &self.node.door;
        let (is_up, now) = (door.centre.is_up(), self.node.clock.now());
        let Some((identity, ground)) = ground::again(&*door.people, is_up, person, now) else {
            self.sessions.close(&visit.cookie);
            visit.person = None;
            return;
        };
        if ground != person.ground {
            self.sessions.stand_on(&visit.cookie, ground);
        }
        person.login.identity = identity;
    }

    /// What a page has around it for this visit.
    pub(super) fn frame(&self, visit: &Visit, title: Word, topic: Topic) -> Frame {
        Frame {
            language: visit.language,
            title,
            topic,
            place: facts::box_name(&self.node),
            person: visit.person.as_ref().map(|person| Shown {
                name: person.login.identity.name.clone(),
                left: person.left,
            }),
            offline: facts::offline(&self.node),
            token: self.sessions.token(&visit.cookie),
            other_language: visit.other_language(),
            again: None,
        }
    }

    fn get(&self, visit: &Visit, peer: PeerInfo) -> Result<Answer, Fault> {
        let words: Vec<&str> = visit.path.split('/').filter(|w| !w.is_empty()).collect();
        match words.as_slice() {
            [] | ["login"] => Ok(self.start(visit)),
            ["help"] => Ok(self.help(visit, None)),
            ["help", topic] => {
                let topic = Topic::find(topic).ok_or(Fault::NoPage)?;
                Ok(self.help(visit, Some(topic)))
            }
            ["phone"] => self.phone(visit),
            ["phone", "refused"] => Ok(self.phone_refused(visit)),
            ["panel"] => self.panel(visit, peer),
            ["live", "panel"] => self.panel_part(visit, peer),
            _ => match &visit.person {
                Some(person) => self.get_own(visit, person, words.as_slice()),
                None if words.first() == Some(&"live") => Ok(gone()),
                None => Ok(Answer::See("/".to_owned())),
            },
        }
    }

    fn get_own(&self, visit: &Visit, person: &Person, words: &[&str]) -> Result<Answer, Fault> {
        match words {
            ["jobs"] => self.jobs(visit, person, told(visit)),
            ["jobs", number] => self.options(visit, person, number, None),
            ["progress"] => Ok(self.progress(visit, person)),
            ["account"] => Ok(self.account(visit, person)),
            ["live", "progress"] => Ok(ok(self.progress_part(visit, person))),
            ["live", "printers"] => {
                let frame = self.frame(visit, Word::JobsTitle, Topic::Jobs);
                let rows = facts::printers(&self.node, visit.language);
                Ok(ok(view::printers(&frame, &rows)))
            }
            _ => Err(Fault::NoPage),
        }
    }

    /// The first page: the jobs of somebody who is logged in, else the login.
    fn start(&self, visit: &Visit) -> Answer {
        let idle = visit.query.one("idle").is_some();
        if visit.person.is_some() {
            // A page that sends itself here when its time is up keeps nobody logged in.
            let place = if idle { "/jobs?again=1" } else { "/jobs" };
            return Answer::See(place.to_owned());
        }
        let word = match (idle, visit.query.one("out").is_some()) {
            (true, _) => Some(Word::LoggedOutIdle),
            (false, true) => Some(Word::LoggedOutNow),
            (false, false) => None,
        };
        let told = word.map(|word| (login::Kind::Good, say(visit.language, word).to_owned()));
        let login = login::Login {
            told,
            ..login::Login::default()
        };
        self.login_page(visit, login)
    }

    fn help(&self, visit: &Visit, topic: Option<Topic>) -> Answer {
        let frame = self.frame(visit, Word::Help, topic.unwrap_or(Topic::LogIn));
        ok(help::page(&frame, topic))
    }

    pub(super) fn jobs(
        &self,
        visit: &Visit,
        person: &Person,
        told: Option<(bool, Word)>,
    ) -> Result<Answer, Fault> {
        let (rows, cut) = facts::waiting(&self.node, &person.login.identity)?;
        let jobs = jobs::Jobs {
            rows,
            printers: facts::printers(&self.node, visit.language),
            told: told.map(|(good, word)| (good, say(visit.language, word).to_owned())),
            cut,
            queue: self.node.config.announce.name.clone(),
        };
        let frame = self.frame(visit, Word::JobsTitle, Topic::Jobs);
        Ok(ok(jobs::page(&frame, &jobs)))
    }

    pub(super) fn options(
        &self,
        visit: &Visit,
        person: &Person,
        number: &str,
        bad_copies: Option<String>,
    ) -> Result<Answer, Fault> {
        let number = number.parse().map(JobNumber).map_err(|_| Fault::NoPage)?;
        let job = facts::own(&self.node, &person.login.identity, number).ok_or(Fault::NoPage)?;
        if job.state.is_ended() {
            return Err(Fault::NoPage);
        }
        let printers = facts::printers(&self.node, visit.language);
        let options = options::Options {
            row: facts::row(&self.node, &job),
            bad_copies,
            duplex: printers.iter().any(|printer| printer.duplex),
            color: printers.iter().any(|printer| printer.color),
        };
        let frame = self.frame(visit, Word::OptionsTitle, Topic::Options);
        Ok(ok(options::page(&frame, &options)))
    }

    fn progress(&self, visit: &Visit, person: &Person) -> Answer {
        let numbers = numbers(visit.query.all("job"));
        let rows = facts::progress(&self.node, person, &numbers, visit.language);
        let goes_on = rows.iter().any(|row| row.stage.goes_on());
        let is_done = |row: &view::ProgressRow| matches!(row.stage, view::Stage::Done { .. });
        let title = match (goes_on, rows.is_empty()) {
            (true, _) => Word::ProgressTitle,
            (false, false) if rows.iter().all(is_done) => Word::ProgressDoneTitle,
            (false, _) => Word::ProgressTroubleTitle,
        };
        let mut frame = self.frame(visit, title, Topic::Progress);
        let (page, live) = progress_links(&numbers);
        frame.again = goes_on.then_some((LOOK_AGAIN_S, page));
        ok(progress::page(&frame, &rows, &live))
    }

    fn progress_part(&self, visit: &Visit, person: &Person) -> Html {
        let numbers = numbers(visit.query.all("job"));
        let rows = facts::progress(&self.node, person, &numbers, visit.language);
        let frame = self.frame(visit, Word::ProgressTitle, Topic::Progress);
        progress::part(&frame, &rows, &progress_links(&numbers).1)
    }

    fn account(&self, visit: &Visit, person: &Person) -> Answer {
        let account = account::Account {
            balances: facts::balances(&self.node, &person.login.identity, visit.language),
            confirmed_s: facts::confirmed_s(&self.node),
            provisional: person.login.identity.provisional,
        };
        ok(account::page(
            &self.frame(visit, Word::AccountTitle, Topic::Account),
            &account,
        ))
    }

    fn fault(&self, visit: &Visit, fault: Fault) -> Answer {
        let frame = self.frame(visit, Word::FaultTitle, Topic::Trouble);
        Answer::Page(fault.status(), fault::page(&frame, fault))
    }
}

/// Answers one request.
pub(crate) async fn handle(
    web: Arc<Web>,
    request: Request<Incoming>,
    peer: PeerInfo,
) -> Response<ReplyBody> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if !peer.tls {
        let host = parts.headers.get(hyper::header::HOST);
        let host = web.node.authority(host.and_then(|host| host.to_str().ok()));
        let rest = parts.uri.path_and_query().map_or("/", |rest| rest.as_str());
        return to_tls(&format!("https://{host}{rest}"));
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    match path {
        "/style.css" if reads => {
            return file("text/css; charset=utf-8", include_str!("files/style.css"));
        }
        "/live.js" if reads => {
            return file(
                "text/javascript; charset=utf-8",
                include_str!("files/live.js"),
            );
        }
        "/icon.svg" if reads => return file("image/svg+xml", include_str!("files/icon.svg")),
        _ => {}
    }
    let by_itself = path.starts_with("/live/");
    let (sessions, clock) = (&web.sessions, &web.node.clock);
    let query = parts.uri.query();
    let visit = Visit::read(path, query, &parts.headers, sessions, &**clock, by_itself);
    let Ok(mut visit) = visit else {
        log::error!("the system gave no random bytes");
        return unable();
    };
    web.look_again(&mut visit);
    let answer = match parts.method {
        Method::GET | Method::HEAD => web.get(&visit, peer),
        Method::POST => web.post(&mut visit, body, peer).await,
        _ => Err(Fault::Method),
    };
    let answer = answer.unwrap_or_else(|fault| web.fault(&visit, fault));
    finish(answer, &visit)
}

/// A page that is there.
pub(super) fn ok(html: Html) -> Answer {
    Answer::Page(StatusCode::OK, html)
}

/// Tells the script of a page that its session has ended.
fn gone() -> Answer {
    Answer::Page(StatusCode::FORBIDDEN, Html::default())
}

/// Job numbers of a form or a query; what is none is left out.
pub(super) fn numbers<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<JobNumber> {
    let numbers = texts.filter_map(|text| text.parse().ok().map(JobNumber));
    let mut numbers: Vec<JobNumber> = numbers.take(JOBS_NAMED_MAX).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Addresses of the progress of these jobs: the page that looks again, and its live part.
fn progress_links(numbers: &[JobNumber]) -> (String, String) {
    let jobs: String = numbers
        .iter()
        .map(|number| format!("&job={number}"))
        .collect();
    (
        format!("/progress?again=1{jobs}"),
        format!("/live/progress?again=1{jobs}"),
    )
}

/// What the form before this page led to, by its keyword in the address.
fn told(visit: &Visit) -> Option<(bool, Word)> {
    match visit.query.one("told")? {
        "deleted" => Some((true, Word::DeletedDone)),
        "partly" => Some((false, Word::DeletedPartly)),
        "saved" => Some((true, Word::SavedDone)),
        "late" => Some((false, Word::NotChangeable)),
        "none" => Some((false, Word::SelectFirst)),
        _ => None,
    }
}
