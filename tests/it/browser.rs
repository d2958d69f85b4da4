//! The console in a real browser.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, error::CmdError, key::Key, wd::Capabilities};
use serde_json::json;

use crate::{support::say, web::Served};

/// A driver of its own, ended with the test.
pub struct Driver {
    process: Child,
    port: u16,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn driver() -> Option<Driver> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let started =
        Command::new("chromedriver").arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match started {
        Ok(process) => Some(Driver { process, port }),
        Err(error) => {
            assert!(
                std::env::var_os("STATIONMASTER_REQUIRE_BROWSER").is_none(),
                "a browser is required: install chromium and chromium-driver ({error})"
            );
            say("SKIPPED: the console in a browser (install chromium and chromium-driver to run it)");
            None
        }
    }
}

pub async fn connect(driver: &Driver) -> Client {
    let profile = tempfile::tempdir().unwrap();
    let mut capabilities = Capabilities::new();
    capabilities.insert(
        "goog:chromeOptions".to_owned(),
        json!({ "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900",
            format!("--user-data-dir={}", profile.path().display()),
        ] }),
    );
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let connected = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.clone())
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await;
        match connected {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < deadline, "the browser does not start: {error}"),
        }
    }
}

/// The element, once it is there.
pub async fn wait_for(client: &Client, css: &str) -> Element {
    client
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(Locator::Css(css))
        .await
        .unwrap_or_else(|error| panic!("{css} does not appear: {error}"))
}

/// Waits until an element with this test id holds the text.
pub async fn wait_for_text(client: &Client, id: &str, text: &str) {
    let path = format!("//*[@data-testid='{id}']/descendant-or-self::*[contains(., '{text}')]");
    client
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(Locator::XPath(&path))
        .await
        .unwrap_or_else(|error| panic!("{text:?} does not appear in {id}: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_developer_asks_reads_rates_and_follows_up() {
    let Some(driver) = driver() else { return };
    let served = Served::start().await;
    let client = connect(&driver).await;
    client.goto(&format!("{}/", served.address)).await.unwrap();
    let composer = wait_for(&client, "[data-testid=composer]").await;
    composer.send_keys("how long are production database backups kept?").await.unwrap();
    composer.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    let citation = wait_for(&client, "[data-testid=thread] [data-testid=citation]").await;
    assert!(citation.text().await.unwrap().contains("Database backups"));
    wait_for_text(&client, "thread", "35 days").await;
    let buttons = client.find_all(Locator::Css("[data-testid=thread] [data-testid=action]")).await.unwrap();
    let mut labels = Vec::new();
    for button in &buttons {
        labels.push(button.text().await.unwrap());
    }
    assert_eq!(labels, ["Helpful", "Not helpful", "Get a person", "Why?"]);
    buttons[1].click().await.unwrap();
    client
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(Locator::XPath("//*[@data-testid='form']//label[contains(., 'Incomplete')]"))
        .await
        .expect("the reasons are offered")
        .click()
        .await
        .unwrap();
    wait_for(&client, "[data-testid=form-submit]").await.click().await.unwrap();
    wait_for_text(&client, "notice", "Thank you").await;
    let follow_up = wait_for(&client, "[data-testid=thread-composer]").await;
    follow_up.send_keys("and how do I restore one?").await.unwrap();
    follow_up.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    wait_for_text(&client, "thread", "harbor db restore").await;
    client.close().await.unwrap();
    served.end().await;
}

const DEV: (&str, &str) = ("dev", "Dev Eloper");
const SAM: (&str, &str) = ("sam", "Sam Support");

/// What somebody does at the console, in the words of the page.
pub struct Hands<'a>(pub &'a Client);

impl Hands<'_> {
    pub async fn see(&self, xpath: &str) -> Element {
        let found = self.0.wait().at_most(Duration::from_secs(20)).for_element(Locator::XPath(xpath)).await;
        found.unwrap_or_else(|error| panic!("{xpath} does not appear: {error}"))
    }

    /// Does something to an element. The page draws anew what changed, so it may be gone between the look and the deed.
    async fn persist(&self, xpath: &str, deed: impl AsyncFn(Element) -> Result<(), CmdError>) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = deed(self.see(xpath).await).await {
            assert!(Instant::now() < deadline, "{xpath} cannot be used: {error}");
        }
    }

    pub async fn click(&self, xpath: &str) {
        self.persist(xpath, async |element| element.click().await).await;
    }

    /// Somebody else takes the seat, and opens a channel.
    pub async fn become_in(&self, (person, name): (&str, &str), channel: &str) {
        self.persist("//*[@id='identity']", async |switch| switch.select_by_value(person).await).await;
        self.see(&format!("//*[@id='identity-name'][.='{name}']")).await;
        self.click(&format!("//*[@data-testid='channel-link'][contains(., '{channel}')]")).await;
        self.see(&format!("//*[@id='channel-name'][contains(., '{channel}')]")).await;
    }

    /// Presses a button of a message that holds `about`, in the channel or in the thread.
    pub async fn press(&self, place: &str, about: &str, label: &str) {
        let message = format!("//*[@id='{place}']//*[@data-testid='message'][contains(., \"{about}\")]");
        self.click(&format!("({message}//button[@data-testid='action'][normalize-space()='{label}'])[last()]")).await;
    }

    /// Fills in the form that is open, and sends it.
    pub async fn send_form(&self, fields: &[(&str, &str)]) {
        for (field, value) in fields {
            let css = format!("[data-testid=form] [data-field={field}] :is(input, textarea, select)");
            let control = wait_for(self.0, &css).await;
            match control.tag_name().await.unwrap().as_str() {
                "select" => control.select_by_value(value).await.unwrap(),
                _ if control.attr("type").await.unwrap().as_deref() == Some("radio") => {
                    self.click(&format!("//*[@data-field='{field}']//label[input[@value='{value}']]")).await;
                }
                _ => control.send_keys(value).await.unwrap(),
            }
        }
        wait_for(self.0, "[data-testid=form-submit]").await.click().await.unwrap();
        let closed = Instant::now() + Duration::from_secs(20);
        while !self.0.find_all(Locator::Css("[data-testid=form]")).await.unwrap().is_empty() {
            assert!(Instant::now() < closed, "the form stays open");
        }
    }

    pub async fn write(&self, composer: &str, words: &str) {
        let composer = wait_for(self.0, &format!("[data-testid={composer}]")).await;
        composer.send_keys(words).await.unwrap();
        composer.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    }

    async fn open_thread(&self, about: &str) {
        let message = format!("//*[@id='main-list']//*[@data-testid='message'][contains(., '{about}')]");
        self.click(&format!("{message}//*[@data-testid='open-thread']")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_opened_worked_on_and_resolved() {
    const ASKED: &str = "our nightly export dies with signal 9 on the loading dock, what now?";
    let Some(driver) = driver() else { return };
    let served = Served::start().await;
    let client = connect(&driver).await;
    let hands = Hands(&client);
    client.goto(&format!("{}/", served.address)).await.unwrap();
    hands.become_in(DEV, "everything").await;
    hands.write("composer", &format!("@stationmaster {ASKED}")).await;
    hands.press("thread", "I found nothing", "Get a person").await;
    hands.send_form(&[("capability", "databases"), ("priority", "high")]).await;
    wait_for_text(&client, "thread", "nobody has taken it yet").await;

    hands.become_in(SAM, "storage-help").await;
    hands.press("main-list", "#1", "Claim").await;
    wait_for_text(&client, "notice", "It is yours.").await;
    hands.press("main-list", "Sam Support works on it", "Need info").await;
    hands.send_form(&[("text", "Which job is it?")]).await;

    hands.become_in(DEV, "everything").await;
    hands.open_thread("signal 9").await;
    wait_for_text(&client, "thread", "Which job is it?").await;
    hands.write("thread-composer", "It is export-stock.").await;

    hands.become_in(SAM, "storage-help").await;
    hands.open_thread("#1").await;
    wait_for_text(&client, "thread", "It is export-stock.").await;
    hands.press("main-list", "#1", "Resolve").await;
    hands.send_form(&[("cause", "documentation_gap"), ("text", "It needs 2 GB; I raised the limit.")]).await;

    hands.become_in(DEV, "everything").await;
    hands.open_thread("signal 9").await;
    wait_for_text(&client, "thread", "I raised the limit.").await;
    hands.press("thread", "Is it solved?", "Solved").await;
    hands.press("thread", "made it easy for me", "6").await;
    wait_for_text(&client, "notice", "Thank you.").await;
    client.close().await.unwrap();
    served.end().await;
}
