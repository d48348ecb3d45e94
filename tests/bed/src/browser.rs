// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A real Chromium without a screen, driven by chromedriver: the WebDriver protocol (W3C), JSON over
//! plain HTTP on loopback. It takes any certificate, resolves no name outside this machine, keeps
//! its profile in the test's folder, and ends with the value that stands for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{BedError, Program, installed_program};
use crate::wait;

/// How long driver and browser may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one answer may take; the driver waits for pages to load.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How long something may take to appear on a page.
const APPEAR_LIMIT: Duration = Duration::from_secs(20);
/// What the protocol calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How a browser is.
#[derive(Clone, Debug)]
pub struct BrowserOptions {
    /// What it says it reads, such as `zh-CN`.
    pub language: String,
    /// Whether pages may run script.
    pub script: bool,
    /// Whether it asks for dark colours.
    pub dark: bool,
    /// Size of the page, in CSS pixels.
    pub size: (u32, u32),
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self {
            language: "en-GB".to_owned(),
            script: true,
            dark: false,
            size: (800, 480),
        }
    }
}

/// A running browser with one window. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    // Dropped after `drop` has closed the session.
    _driver: Program,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// Starts one with its profile and logs below `folder`.
    ///
    /// # Errors
    /// [`BedError`]: not installed, or it does not start.
    pub fn start(folder: &Path, options: &BrowserOptions) -> Result<Self, BedError> {
        std::fs::create_dir_all(folder)
            .map_err(BedError::io(format!("make {}", folder.display())))?;
        let mut command = Command::new(installed_program("chromedriver")?);
        command.arg("--port=0").env("HOME", folder);
        let mut driver = Program::start("chromedriver", command, folder)?;
        let line = driver.wait_for_line("ChromeDriver was started successfully", START_LIMIT)?;
        let port = line.trim_end_matches('.').rsplit(' ').next();
        let port = port
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| answer(&line))?;
        let mut browser = Self {
            _driver: driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
        };
        let wanted = capabilities(folder, options)?;
        let made = browser.ask("POST", "/session", Some(wanted))?;
        made["sessionId"]
            .as_str()
            .ok_or_else(|| answer(&made.to_string()))?
            .clone_into(&mut browser.session);
        browser.resize(options.size)?;
        Ok(browser)
    }

    /// Gives the page another size, in CSS pixels.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn resize(&self, (width, height): (u32, u32)) -> Result<(), BedError> {
        let wanted = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false } });
        self.tell("goog/cdp/execute", wanted).map(drop)
    }

    /// Opens an address and waits until it has loaded.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn open(&self, url: &str) -> Result<(), BedError> {
        self.tell("url", json!({ "url": url })).map(drop)
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn reload(&self) -> Result<(), BedError> {
        self.tell("refresh", json!({})).map(drop)
    }

    /// Where it is.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn url(&self) -> Result<String, BedError> {
        text(&self.get("url")?)
    }

    /// The whole page, as it is now.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn source(&self) -> Result<String, BedError> {
        text(&self.get("source")?)
    }

    /// How many elements fit a CSS selector.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn count(&self, css: &str) -> Result<usize, BedError> {
        let found = self.tell("elements", by(css))?;
        Ok(found.as_array().map_or(0, Vec::len))
    }

    /// The text that people see of an element.
    ///
    /// # Errors
    /// [`BedError`]: also when there is none.
    pub fn text(&self, css: &str) -> Result<String, BedError> {
        let element = self.element(css)?;
        text(&self.get(&format!("element/{element}/text"))?)
    }

    /// A property of an element, such as `value`.
    ///
    /// # Errors
    /// [`BedError`]: also when there is none.
    pub fn property(&self, css: &str, name: &str) -> Result<Value, BedError> {
        let element = self.element(css)?;
        self.get(&format!("element/{element}/property/{name}"))
    }

    /// Presses an element, as a mouse would: it must be in view and not covered.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn click(&self, css: &str) -> Result<(), BedError> {
        let element = self.element(css)?;
        let click = format!("element/{element}/click");
        self.tell(&click, json!({})).map(drop)
    }

    /// Types into a field what is to stand there.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn fill(&self, css: &str, typed: &str) -> Result<(), BedError> {
        let element = self.element(css)?;
        self.tell(&format!("element/{element}/clear"), json!({}))?;
        let value = format!("element/{element}/value");
        self.tell(&value, json!({ "text": typed })).map(drop)
    }

    /// Waits until an element's text has `part` in it, and returns the text.
    ///
    /// # Errors
    /// [`BedError::Timeout`].
    pub fn wait_for(&self, css: &str, part: &str) -> Result<String, BedError> {
        let what = format!("`{css}` to say `{part}`");
        let found = wait::until(&what, APPEAR_LIMIT, || {
            // The page may just be another one.
            Ok(self.text(css).ok().filter(|text| text.contains(part)))
        });
        found.map_err(|error| match error {
            BedError::Timeout { limit, .. } => BedError::Timeout {
                what: format!("{what}; the page says: {:?}", self.text("body")),
                limit,
            },
            error => error,
        })
    }

    /// Runs script in the page, with the test's own rights, and returns its value.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn run(&self, script: &str) -> Result<Value, BedError> {
        self.tell("execute/sync", json!({ "script": script, "args": [] }))
    }

    /// The cookies of this page.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn cookies(&self) -> Result<Vec<Value>, BedError> {
        let cookies = self.get("cookie")?;
        Ok(cookies.as_array().cloned().unwrap_or_default())
    }

    /// Writes a picture of the page as PNG.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn screenshot(&self, file: &Path) -> Result<(), BedError> {
        let picture = text(&self.get("screenshot")?)?;
        let bytes = base64(&picture).ok_or_else(|| answer("a picture that is not base64"))?;
        std::fs::write(file, bytes).map_err(BedError::io(format!("write {}", file.display())))
    }

    /// How many CSS pixels the page is wider than its window; more than 0 scrolls sideways.
    ///
    /// # Errors
    /// [`BedError`].
    pub fn overflow(&self) -> Result<i64, BedError> {
        let script =
            "const page = document.documentElement; return page.scrollWidth - page.clientWidth;";
        let value = self.run(script)?;
        value.as_i64().ok_or_else(|| answer(&value.to_string()))
    }

    fn element(&self, css: &str) -> Result<String, BedError> {
        text(&self.tell("element", by(css))?[ELEMENT])
    }

    fn get(&self, path: &str) -> Result<Value, BedError> {
        self.ask("GET", &format!("/session/{}/{path}", self.session), None)
    }

    fn tell(&self, path: &str, message: Value) -> Result<Value, BedError> {
        let path = format!("/session/{}/{path}", self.session);
        self.ask("POST", &path, Some(message))
    }

    /// One request on a connection of its own.
    fn ask(&self, method: &str, path: &str, message: Option<Value>) -> Result<Value, BedError> {
        let body = message.map_or_else(String::new, |message| message.to_string());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let exchange = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(ANSWER_LIMIT))?;
            stream.write_all(request.as_bytes())?;
            read_answer(&mut stream)
        };
        let body = exchange().map_err(BedError::io(format!("ask chromedriver for {path}")))?;
        let told: Value =
            serde_json::from_slice(&body).map_err(|_| answer(&String::from_utf8_lossy(&body)))?;
        let value = told["value"].clone();
        match value["error"].as_str() {
            None => Ok(value),
            Some(error) => Err(answer(&format!("{path}: {error}: {}", value["message"]))),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // The driver ends the browser with the session; a driver that is gone has ended it.
            let _ = self.ask("DELETE", &format!("/session/{}", self.session), None);
        }
    }
}

fn capabilities(folder: &Path, options: &BrowserOptions) -> Result<Value, BedError> {
    let browser: PathBuf = installed_program("chromium")?;
    let mut args = vec![
        "--headless=new".to_owned(),
        // Containers and root have no user namespaces for it; it sees pages of this machine alone.
        "--no-sandbox".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-gpu".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost".to_owned(),
        format!("--lang={}", options.language),
        format!("--user-data-dir={}", folder.join("profile").display()),
    ];
    if options.dark {
        args.push("--force-dark-mode".to_owned());
    }
    let mut preferences = json!({ "intl.accept_languages": options.language });
    if !options.script {
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    Ok(json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "acceptInsecureCerts": true,
        "timeouts": { "pageLoad": 30_000, "script": 10_000, "implicit": 0 },
        "goog:chromeOptions": {
            "binary": browser.display().to_string(), "args": args, "prefs": preferences },
    } } }))
}

/// The body of an answer with a stated length; the driver keeps the connection open.
fn read_answer(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|length| length.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Ok(bytes[end + 4..end + 4 + length].to_vec());
            }
        }
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

fn by(css: &str) -> Value {
    json!({ "using": "css selector", "value": css })
}

fn text(value: &Value) -> Result<String, BedError> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| answer(&value.to_string()))
}

fn answer(answer: &str) -> BedError {
    BedError::Answer {
        from: "chromedriver".to_owned(),
        answer: answer.chars().take(500).collect(),
    }
}

/// RFC 4648 §4, without line breaks.
fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|own| *own == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        assert_eq!(base64("UGxhdGVu").unwrap(), b"Platen");
        assert_eq!(base64("UGxhdGU=").unwrap(), b"Plate");
        assert_eq!(base64("UGxhdA==").unwrap(), b"Plat");
        assert_eq!(base64("UG*a"), None);
    }
}
