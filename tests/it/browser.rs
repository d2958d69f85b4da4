//! The console in a real browser.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, key::Key, wd::Capabilities};
use serde_json::json;

use crate::{support::say, web::Served};

/// A driver of its own, ended with the test.
struct Driver {
    process: Child,
    port: u16,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn driver() -> Option<Driver> {
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

async fn connect(driver: &Driver) -> Client {
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
async fn wait_for(client: &Client, css: &str) -> fantoccini::elements::Element {
    client
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(Locator::Css(css))
        .await
        .unwrap_or_else(|error| panic!("{css} does not appear: {error}"))
}

/// Waits until an element with this test id holds the text.
async fn wait_for_text(client: &Client, id: &str, text: &str) {
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
