//! The review site in a real browser: from the link in chat to a decision, and whether everybody can use its pages.

use std::path::PathBuf;

use fantoccini::{Client, Locator, wd::WebDriverCompatibleCommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    backlog::{self, gather},
    browser::{Hands, connect, driver, wait_for, wait_for_text},
    review::seed,
    support::{Files, TestStore, World, say},
    web::Served,
};

/// axe-core (Deque Systems, MPL-2.0), where there is one.
fn axe() -> Option<String> {
    let path = std::env::var_os("STATIONMASTER_TEST_AXE").map(PathBuf::from);
    let source = path.and_then(|path| std::fs::read_to_string(path).ok());
    if source.is_none() {
        assert!(
            std::env::var_os("STATIONMASTER_REQUIRE_BROWSER").is_none(),
            "axe-core is required: `npm pack axe-core`, and set STATIONMASTER_TEST_AXE to its axe.min.js"
        );
        say("SKIPPED: axe-core on the review site (set STATIONMASTER_TEST_AXE to axe.min.js to run it)");
    }
    source
}

/// What axe-core has against the page that is open: rules, and where they are broken.
async fn violations(client: &Client, axe: &str) -> Vec<String> {
    client.execute(axe, Vec::new()).await.unwrap();
    let run = "const done = arguments[arguments.length - 1];
               axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations), (error) => done([String(error)]));";
    let found: Value = client.execute_async(run, Vec::new()).await.unwrap();
    let rule = |violation: &Value| {
        let nodes: Vec<String> = violation["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|node| format!("{} ({})", node["html"], node["failureSummary"]))
            .collect();
        format!("{}: {}", violation["id"], nodes.join("; "))
    };
    found.as_array().unwrap().iter().map(rule).collect()
}

/// Keeps a picture of the page, where somebody wants one (STATIONMASTER_TEST_SCREENSHOTS names a folder).
async fn picture(client: &Client, name: &str) {
    if let Some(folder) = std::env::var_os("STATIONMASTER_TEST_SCREENSHOTS") {
        std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), client.screenshot().await.unwrap()).unwrap();
    }
}

/// Does the page fit its width, so that nobody has to push it to and fro?
async fn fits(client: &Client) -> bool {
    let script = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth;";
    client.execute(script, Vec::new()).await.unwrap() == json!(true)
}

const PAGES: [(&str, &str); 22] = [
    ("overview", "/review/p/harbor"),
    ("questions", "/review/p/harbor/questions"),
    ("requests", "/review/p/harbor/requests"),
    ("board", "/review/p/harbor/requests/board"),
    ("request", "/review/p/harbor/requests/1"),
    ("feedback", "/review/p/harbor/feedback"),
    ("feedback-1", "/review/p/harbor/feedback/1"),
    ("gaps", "/review/p/harbor/gaps"),
    ("gap", "/review/p/harbor/gaps/1"),
    ("answers", "/review/p/harbor/answers"),
    ("answer", "/review/p/harbor/answers/new"),
    ("backlog", "/review/p/harbor/themes?minutes=0&teams=2"),
    ("theme", "/review/p/harbor/themes/1"),
    ("decisions", "/review/p/harbor/decisions"),
    ("surveys", "/review/p/harbor/surveys"),
    ("statement", "/review/p/harbor/teams/cart?month=2026-05"),
    ("services", "/review/p/harbor/services"),
    ("teams", "/review/p/harbor/teams"),
    ("knowledge", "/review/p/harbor/knowledge"),
    ("audit", "/review/p/harbor/audit"),
    ("system", "/review/p/harbor/system"),
    ("tokens", "/review/p/harbor/tokens"),
];

/// Asks for the link in chat as the owner does, and opens it.
async fn follow_link(client: &Client, served: &Served) {
    let hands = Hands(client);
    client.goto(&format!("{}/", served.address)).await.unwrap();
    hands.become_in(("olga", "Olga Owner"), "ask-harbor").await;
    hands.write("composer", "/platform review").await;
    let link = wait_for(client, "a[href*='/review/login/']").await;
    let link = url::Url::parse(&link.attr("href").await.unwrap().unwrap()).unwrap();
    client.goto(&format!("{}{}", served.address, link.path())).await.unwrap();
}

/// Writes into a field in place of what is there.
async fn type_anew(client: &Client, css: &str, words: &str) {
    let field = wait_for(client, css).await;
    field.clear().await.unwrap();
    field.send_keys(words).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_publishes_an_answer_and_ships_an_item() {
    let Some(driver) = driver() else { return };
    let files = backlog::harbor();
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let (said, ..) = backlog::three_and_one(&world).await;
    backlog::in_vain(&world, "dev", "everything", backlog::GPU).await;
    gather(&world).await;
    let served = Served::over(world).await;
    let client = connect(&driver).await;
    let hands = Hands(&client);
    follow_link(&client, &served).await;
    wait_for(&client, "[data-testid=enter]").await.click().await.unwrap();
    // From a gap to an answer, which the bot gives.
    wait_for(&client, "nav a[data-key=g]").await.click().await.unwrap();
    wait_for(&client, "[data-testid=gap]").await.click().await.unwrap();
    type_anew(&client, "#g-title", "Graphics cards").await;
    type_anew(&client, "#g-markdown", "Ask for the queue **gpu** in the portal.").await;
    picture(&client, "gap-written").await;
    hands.click("//*[@data-testid='publish']").await;
    wait_for_text(&client, "state", "Answered").await;
    client.goto(&format!("{}/", served.address)).await.unwrap();
    hands.become_in(("dot", "Dot Matrix"), "everything").await;
    hands.write("composer", &format!("@stationmaster {}", backlog::GPU)).await;
    wait_for_text(&client, "thread", "Ask for the queue gpu in the portal.").await;
    wait_for_text(&client, "thread", "Published by Olga Owner").await;
    // An item is shipped, and everybody who asked is told.
    client.goto(&format!("{}/review/p/harbor/themes", served.address)).await.unwrap();
    hands.click("//*[@data-testid='theme'][contains(., 'restore') or contains(., 'Restoring')]").await;
    wait_for_text(&client, "tells", "3 people are told").await;
    wait_for(&client, "#t-status").await.select_by_value("shipped").await.unwrap();
    wait_for(&client, "#t-reply").await.send_keys("One form does it now.").await.unwrap();
    hands.click("//*[@data-testid='decide']").await;
    wait_for_text(&client, "status", "Shipped").await;
    let page = client.current_url().await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let all_told = "//*[@data-testid='told']//*[@class='count'][.='3']";
    while client.find_all(Locator::XPath(all_told)).await.unwrap().is_empty() {
        assert!(std::time::Instant::now() < deadline, "not everybody is told");
        client.goto(page.as_str()).await.unwrap();
    }
    picture(&client, "theme-shipped").await;
    client.close().await.unwrap();
    for feedback in &said {
        backlog::will_be_told(&served.world, feedback, "One form does it now.").await;
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_logs_in_from_chat_looks_and_decides() {
    let Some(driver) = driver() else { return };
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    seed(&world).await;
    gather(&world).await;
    let served = Served::over(world).await;
    let client = connect(&driver).await;
    let (hands, at) = (Hands(&client), |path: &str| format!("{}{path}", served.address));
    follow_link(&client, &served).await;
    picture(&client, "enter").await;
    let axe = axe();
    if let Some(axe) = &axe {
        assert_eq!(violations(&client, axe).await, Vec::<String>::new(), "the page of the link");
    }
    wait_for(&client, "[data-testid=enter]").await.click().await.unwrap();
    // A list is narrowed, and one question's story opened.
    wait_for(&client, "nav a[data-key=q]").await.click().await.unwrap();
    wait_for(&client, "#f-verdict").await.select_by_value("abstained").await.unwrap();
    wait_for(&client, "[data-search]").await.send_keys("sourdough").await.unwrap();
    hands.click("//form[contains(@class, 'filters')]//button[.='Show']").await;
    let address = client.current_url().await.unwrap();
    assert!(address.query().unwrap().contains("verdict=abstained"), "{address}");
    let found = client.find_all(Locator::Css("[data-testid=question]")).await.unwrap();
    assert_eq!(found.len(), 1);
    found[0].click().await.unwrap();
    wait_for_text(&client, "why", "On topic").await;
    let story = client.current_url().await.unwrap().path().to_owned();
    // By keys: to the feedback, and to its first row.
    client.execute("document.activeElement.blur()", Vec::new()).await.unwrap();
    let body = wait_for(&client, "body").await;
    body.send_keys("gf").await.unwrap();
    wait_for(&client, "[data-testid=feedback]").await;
    wait_for(&client, "body").await.send_keys("j").await.unwrap();
    client.active_element().await.unwrap().click().await.unwrap();
    wait_for(&client, "#d-status").await.select_by_value("planned").await.unwrap();
    wait_for(&client, "#d-reply").await.send_keys("It comes in autumn.").await.unwrap();
    hands.click("//*[@data-testid='decide']").await;
    wait_for_text(&client, "status", "Planned").await;
    wait_for(&client, ".notice").await;

    let more = [
        ("question", story.as_str()),
        ("login", "/review/login"),
        ("nothing", "/review/p/harbor/nothing"),
        ("mine", "/review/mine"),
    ];
    for (width, theme) in [(1280, "light"), (1280, "dark"), (390, "light"), (320, "light")] {
        client.issue_cmd(Width(width)).await.unwrap();
        let cookie = format!("document.cookie = 'stationmaster_theme={theme}; path=/review'");
        client.execute(&cookie, Vec::new()).await.unwrap();
        for (name, path) in PAGES.into_iter().chain(more) {
            client.goto(&at(path)).await.unwrap();
            assert!(fits(&client).await, "{name} is wider than {width}");
            picture(&client, &format!("{name}-{width}-{theme}")).await;
            if let Some(axe) = axe.as_ref().filter(|_| width != 390) {
                assert_eq!(violations(&client, axe).await, Vec::<String>::new(), "{name}, {width} wide, {theme}");
            }
        }
    }
    client.close().await.unwrap();
    served.end().await;
}

/// Makes the page as wide as a telephone's, which no window is.
#[derive(Debug)]
struct Width(u32);

impl WebDriverCompatibleCommand for Width {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        let size = json!({ "width": self.0, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        (Method::POST, Some(json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size }).to_string()))
    }
}
