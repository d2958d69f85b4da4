//! The review site over real HTTP: who gets in, what each role sees, and what decisions do.

use std::time::Duration;

use regex::Regex;
use reqwest::{Client, Response, StatusCode, header, redirect};
use serde_json::Value;
use stationmaster::{
    console::{self, decode},
    ops::command,
    store,
};

use crate::{
    support::{Files, World, on_both},
    web::Served,
};

/// A browser at the site: nobody follows its redirects, and its cookie is its session.
pub struct Browser {
    client: Client,
    address: String,
    pub cookie: String,
}

impl Browser {
    pub fn new(served: &Served) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, address: served.address.clone(), cookie: String::new() }
    }

    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.address));
        request.header(header::COOKIE, &self.cookie).send().await.unwrap()
    }

    /// The page of a path that must be there.
    pub async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    pub async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.address)).header(header::COOKIE, &self.cookie);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).send().await.unwrap()
    }

    /// Sends a form with what its page holds: the session's mark, and the version that was seen.
    pub async fn send(&self, page: &str, path: &str, form: &[(&str, &str)]) -> Response {
        let html = self.page(page).await;
        let mut all: Vec<(String, String)> = Vec::new();
        for name in ["csrf", "version", "seen"] {
            if let Some(value) = hidden(&html, name) {
                all.push((name.to_owned(), value));
            }
        }
        let own: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(path, &[&own[..], form].concat()).await
    }
}

/// The value of a form's hidden field.
pub fn hidden(html: &str, name: &str) -> Option<String> {
    let pattern = Regex::new(&format!(r#"name="{name}" value="([^"]*)""#)).unwrap();
    pattern.captures(html).map(|found| found[1].to_owned())
}

/// The path of the link that the command `review` gives.
pub async fn link(world: &World, person: &str, words: &str) -> String {
    let person = console::person(&world.core.config, person).unwrap();
    let given = decode::command(&person, "ask-harbor", ("review", words), &world.key());
    let card = command::run(&world.core, &given).await.unwrap().card.unwrap();
    let text = card.to_markdown();
    let found = Regex::new(r"\(https?://[^/]+(/review/login/[A-Za-z0-9_-]{43})\)").unwrap();
    found.captures(&text).unwrap_or_else(|| panic!("no link in {text}"))[1].to_owned()
}

/// Logs somebody in.
pub async fn log_in(served: &Served, person: &str) -> Browser {
    let mut browser = Browser::new(served);
    let path = link(&served.world, person, "").await;
    let entered = browser.post(&path, &[]).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    let cookie = entered.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().clone_into(&mut browser.cookie);
    browser
}

/// Questions, a request, and feedback.
pub async fn seed(world: &World) {
    world.say("dev", "ask-harbor", "how long are production database backups kept?").await;
    let words = "@stationmaster our nightly sourdough export dies with signal 9 on the loading dock, what now?";
    let question = world.say("dot", "everything", words).await;
    let reply = world.reply_to(question).await;
    world.fill("dot", &reply, "Get a person", &[("text", "The oven of the canteen is cold.")]).await.unwrap();
    let dev = console::person(&world.core.config, "dev").unwrap();
    let given = decode::command(&dev, "ask-harbor", ("feedback", "Deploys <b>take</b> an hour."), &world.key());
    let form = command::run(&world.core, &given).await.unwrap().form.unwrap();
    world.send("dev", &form, &[("kind", "friction")]).await.unwrap();
    world.drain().await;
}

#[tokio::test]
async fn a_link_logs_its_person_in_once() {
    on_both(Files::harbor, |world| async move {
        let served = Served::over(world).await;
        let browser = Browser::new(&served);
        let away = browser.get("/review/p/harbor/questions?verdict=abstained").await;
        assert_eq!(away.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            away.headers()[header::LOCATION],
            "/review/login?next=%2Freview%2Fp%2Fharbor%2Fquestions%3Fverdict%3Dabstained"
        );
        let path = link(&served.world, "olga", "/review/p/harbor/feedback").await;
        // Whatever looks at links in chat does not use them up.
        for _ in 0..2 {
            let shown = browser.page(&path).await;
            assert!(shown.contains("Log in as Olga Owner"), "{shown}");
        }
        let entered = browser.post(&path, &[]).await;
        assert_eq!(entered.headers()[header::LOCATION], "/review/p/harbor/feedback");
        let cookie = entered.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        for part in ["stationmaster=", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert_eq!(browser.post(&path, &[]).await.status(), StatusCode::GONE, "it works once");
        assert_eq!(browser.get(&path).await.status(), StatusCode::GONE);
        let late = link(&served.world, "olga", "").await;
        served.world.clock.advance(Duration::from_mins(10));
        assert_eq!(browser.post(&late, &[]).await.status(), StatusCode::GONE, "it works for ten minutes");
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_by_itself_and_by_its_person() {
    on_both(Files::harbor, |world| async move {
        let served = Served::over(world).await;
        let mut olga = log_in(&served, "olga").await;
        assert_eq!(olga.status("/review/p/harbor").await, 200);
        // Used now and then it lives on, but not for ever.
        for _ in 0..14 {
            served.world.clock.advance(Duration::from_hours(11));
            assert_eq!(olga.status("/review/p/harbor").await, 200);
        }
        served.world.clock.advance(Duration::from_hours(11));
        served.world.clock.advance(Duration::from_hours(4));
        assert_eq!(olga.status("/review/p/harbor").await, 303, "after seven days it is over");
        olga = log_in(&served, "olga").await;
        served.world.clock.advance(Duration::from_hours(12));
        assert_eq!(olga.status("/review/p/harbor").await, 303, "left alone it is over");
        olga = log_in(&served, "olga").await;
        assert_eq!(olga.post("/review/logout", &[("csrf", "guessed")]).await.status(), 422);
        assert_eq!(olga.send("/review/p/harbor", "/review/logout", &[]).await.status(), StatusCode::SEE_OTHER);
        assert_eq!(olga.status("/review/p/harbor").await, 303, "the cookie opens nothing any more");
        served.close().await
    })
    .await;
}

/// Harbor with somebody who may only look.
pub fn with_a_viewer() -> Files {
    let files = Files::harbor();
    let path = files.path("platforms/harbor/platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let viewer = "people:\n  - id: vera\n    name: Vera Viewer\n    roles: [viewer]\n";
    std::fs::write(path, text.replacen("people:\n", viewer, 1)).unwrap();
    files
}

#[tokio::test]
async fn each_role_sees_its_own_pages() {
    on_both(with_a_viewer, |world| async move {
        seed(&world).await;
        crate::backlog::gather(&world).await;
        let served = Served::over(world).await;
        let (olga, sam) = (log_in(&served, "olga").await, log_in(&served, "sam").await);
        let (vera, dev) = (log_in(&served, "vera").await, log_in(&served, "dev").await);
        for (path, owner, support, viewer, member) in [
            ("", 200, 200, 200, 404),
            ("/questions", 200, 200, 200, 404),
            ("/requests", 200, 200, 200, 404),
            ("/requests/board", 200, 200, 200, 404),
            ("/requests/1", 200, 200, 200, 404),
            ("/feedback", 200, 200, 200, 404),
            ("/feedback/1", 200, 200, 200, 404),
            ("/services", 200, 200, 200, 404),
            ("/teams", 200, 200, 200, 404),
            ("/teams/cart", 200, 404, 404, 200),
            ("/teams/payments", 200, 404, 404, 404),
            ("/surveys", 200, 200, 200, 404),
            ("/gaps", 200, 200, 200, 404),
            ("/gaps/1", 200, 200, 200, 404),
            ("/gaps/99", 404, 404, 404, 404),
            ("/export/gaps.csv", 200, 200, 200, 404),
            ("/answers", 200, 200, 200, 404),
            ("/answers/new", 200, 200, 404, 404),
            ("/themes", 200, 200, 200, 404),
            ("/themes/1", 200, 200, 200, 404),
            ("/export/themes.json", 200, 200, 200, 404),
            ("/decisions", 200, 200, 200, 404),
            ("/knowledge", 200, 200, 200, 404),
            ("/export/questions.csv", 200, 200, 200, 404),
            ("/audit", 200, 200, 404, 404),
            ("/export/audit.json", 200, 200, 404, 404),
            ("/system", 200, 200, 404, 404),
            ("/tokens", 200, 404, 404, 404),
            ("/nothing", 404, 404, 404, 404),
        ] {
            let path = format!("/review/p/harbor{path}");
            let seen =
                (olga.status(&path).await, sam.status(&path).await, vera.status(&path).await, dev.status(&path).await);
            assert_eq!(seen, (owner, support, viewer, member), "{path}");
        }
        assert_eq!(olga.status("/review/p/loom").await, 404, "there is no such platform");
        // Numbers without people's names.
        for path in [
            "/questions",
            "/requests/1",
            "/feedback",
            "/gaps/1",
            "/themes/1",
            "/export/requests.csv",
            "/export/questions.csv",
        ] {
            let path = format!("/review/p/harbor{path}");
            let (owners, viewers) = (olga.page(&path).await, vera.page(&path).await);
            assert!(owners.contains("Dot Matrix") || owners.contains("Dev Eloper"), "{path}: {owners}");
            assert!(!viewers.contains("Dot Matrix") && !viewers.contains("Dev Eloper"), "{path}: {viewers}");
        }
        // Whoever asked sees their own request, and nobody else's.
        let dot = log_in(&served, "dot").await;
        assert!(dot.page("/review/mine").await.contains("/review/p/harbor/requests/1"));
        assert!(dot.page("/review/p/harbor/requests/1").await.contains("The oven of the canteen is cold."));
        assert!(!dev.page("/review/mine").await.contains("/review/p/harbor/requests/1"));
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn lists_are_narrowed_by_their_address() {
    on_both(Files::harbor, |world| async move {
        seed(&world).await;
        let served = Served::over(world).await;
        let olga = log_in(&served, "olga").await;
        let sees = async |query: &str, export: bool, backups: bool| {
            let page = olga.page(&format!("/review/p/harbor/questions{query}")).await;
            assert_eq!(
                (page.contains("nightly sourdough"), page.contains("backups kept")),
                (export, backups),
                "{query}"
            );
        };
        sees("", true, true).await;
        sees("?verdict=abstained", true, false).await;
        sees("?verdict=answered&capability=databases", false, true).await;
        sees("?team=cart", true, true).await;
        sees("?team=payments", false, false).await;
        sees("?channel=console:ask-harbor", false, true).await;
        sees("?person=dev", false, true).await;
        sees("?outcome=resolved", false, false).await;
        sees("?from=2026-05-12&to=2026-05-12", true, true).await;
        sees("?from=2026-05-13", false, false).await;
        sees("?to=2026-05-11", false, false).await;
        // Words in any form, and no sign means anything.
        sees("?q=backup", false, true).await;
        sees("?q=exports+sourdough", true, false).await;
        sees("?q=sourdough+backups", false, false).await;
        sees("?q=%22backup", false, true).await;
        sees("?q=backup&verdict=abstained", false, false).await;
        assert_eq!(olga.status("/review/p/harbor/questions?after=x").await, 422);
        assert_eq!(olga.status("/review/p/harbor/questions?from=x").await, 422);
        let requests = olga.page("/review/p/harbor/requests?state=active").await;
        assert!(requests.contains("#1"), "{requests}");
        assert!(!olga.page("/review/p/harbor/requests?state=closed").await.contains("data-testid=\"request\""));
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn a_list_goes_on_where_it_ended_and_is_exported_whole() {
    on_both(Files::harbor, |world| async move {
        seed(&world).await;
        let mut tx = world.core.db.write().await.unwrap();
        let first = store::lists::questions(
            &mut tx,
            "harbor",
            &store::lists::QuestionFilter::default(),
            store::lists::Span::ALL,
            store::lists::Page { after: store::lists::Cursor::FIRST, limit: 1 },
        )
        .await
        .unwrap();
        let model = store::answers::question(&mut tx, first[0].id).await.unwrap().unwrap();
        let message = store::messages::by_id(&mut tx, model.message).await.unwrap().unwrap();
        // 118 more, many of them in the same microsecond.
        for n in 0..118 {
            let at = stationmaster::clock::Timestamp::from_micros(model.asked_at.micros() - i64::from(n / 7));
            let id = stationmaster::domain::ids::MessageId::new(&*world.core.clock);
            let message = store::messages::Message { id, external_id: format!("many {n}"), ..message.clone() };
            assert!(store::messages::insert(&mut tx, &message).await.unwrap());
            let question = store::answers::Question {
                id: stationmaster::domain::ids::QuestionId::new(&*world.core.clock),
                message: id,
                text: format!("=question {n:03}"),
                asked_at: at,
                ..model.clone()
            };
            store::answers::ask(&mut tx, &question).await.unwrap();
        }
        world.core.db.commit(tx).await.unwrap();
        let served = Served::over(world).await;
        let olga = log_in(&served, "olga").await;
        let ids = |page: &str| -> Vec<String> {
            let link = Regex::new(r#"href="/review/p/harbor/questions/([0-9a-f-]{36})" data-testid"#).unwrap();
            link.captures_iter(page).map(|found| found[1].to_owned()).collect()
        };
        let next = Regex::new(r#"rel="next" href="([^"]+)""#).unwrap();
        for filter in ["", "?team=cart", "?q=question"] {
            let (mut path, mut seen) = (format!("/review/p/harbor/questions{filter}"), Vec::new());
            loop {
                let page = olga.page(&path).await;
                seen.extend(ids(&page));
                let Some(found) = next.captures(&page) else { break };
                path = found[1].replace("&#38;", "&").replace("&amp;", "&");
            }
            let expected = if filter == "?q=question" { 118 } else { 120 };
            assert_eq!(seen.len(), expected, "{filter}");
            let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
            assert_eq!(distinct.len(), expected, "each once: {filter}");
        }
        let csv = olga.page("/review/p/harbor/export/questions.csv").await;
        assert_eq!(csv.matches("\r\n").count(), 121);
        assert!(csv.starts_with("id,asked_at,text,asker,"), "{}", &csv[..80]);
        assert!(csv.contains(",'=question 000,"), "no formulas: {}", &csv[..400]);
        let json: Value =
            serde_json::from_str(&olga.page("/review/p/harbor/export/questions.json?q=sourdough").await).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 1);
        assert_eq!(json[0]["verdict"], "abstained");
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn decisions_are_guarded_told_and_audited() {
    on_both(Files::harbor, |world| async move {
        seed(&world).await;
        let served = Served::over(world).await;
        let (olga, sam) = (log_in(&served, "olga").await, log_in(&served, "sam").await);
        let page = "/review/p/harbor/feedback/1";
        let html = olga.page(page).await;
        assert!(html.contains("Deploys &#60;b&#62;take&#60;/b&#62; an hour."), "{html}");
        let decision = [("status", "planned"), ("capability", "databases"), ("reply", "In autumn.")];
        assert_eq!(olga.post(page, &[&decision[..], &[("csrf", "x"), ("seen", "0")]].concat()).await.status(), 422);
        let supports = [&decision[..], &[("seen", "0")]].concat();
        assert_eq!(sam.send(page, page, &supports).await.status(), 404, "support reads, the owner decides");
        assert_eq!(olga.send(page, page, &decision).await.status(), StatusCode::SEE_OTHER);
        let after = olga.page(page).await;
        assert!(after.contains("Planned") && after.contains("In autumn."), "{after}");
        // What was decided on an old page is not taken.
        let old = [("csrf", hidden(&html, "csrf").unwrap()), ("seen", hidden(&html, "seen").unwrap())];
        let old: Vec<(&str, &str)> = old.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = olga.post(page, &[&old[..], &[("status", "declined")]].concat()).await;
        assert_eq!(refused.status(), 422);
        assert!(refused.text().await.unwrap().contains("Somebody else has just changed"));
        // A request is moved as its card does it, by whoever saw its newest state.
        let request = "/review/p/harbor/requests/1";
        let seen = sam.page(request).await;
        let claim = format!("{request}/claim");
        assert_eq!(sam.send(request, &claim, &[]).await.status(), StatusCode::SEE_OTHER);
        assert!(sam.page(request).await.contains("data-testid=\"assignee\">Sam Support"));
        let old = [("csrf", hidden(&seen, "csrf").unwrap()), ("version", hidden(&seen, "version").unwrap())];
        let old: Vec<(&str, &str)> = old.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(sam.post(&claim, &old).await.status(), 422);
        let resolve = format!("{request}/resolve");
        let end = [("cause", "planned_change"), ("text", "It is warm again.")];
        assert_eq!(sam.send(request, &resolve, &end).await.status(), StatusCode::SEE_OTHER);
        assert!(olga.page(request).await.contains("It is warm again."));
        let audit = olga.page("/review/p/harbor/audit").await;
        for verb in ["feedback.triaged", "request.opened", "request.claimed", "request.resolved"] {
            assert!(audit.contains(verb), "{verb}: {audit}");
        }
        served.world.drain().await;
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn what_was_asked_in_private_stays_without_a_name() {
    on_both(with_a_viewer, |world| async move {
        world.say("dev", "dm:dev", "how long are production database backups kept?").await;
        let served = Served::over(world).await;
        let (olga, vera) = (log_in(&served, "olga").await, log_in(&served, "vera").await);
        for path in ["/review/p/harbor/questions", "/review/p/harbor/export/questions.csv"] {
            let (owner, viewer) = (olga.page(path).await, vera.page(path).await);
            assert!(owner.contains("backups kept") && !owner.contains("Dev Eloper"), "{owner}");
            assert!(!viewer.contains("backups kept") && !viewer.contains("Dev Eloper"), "{viewer}");
        }
        let story = Regex::new(r#"href="(/review/p/harbor/questions/[0-9a-f-]{36})""#).unwrap();
        let path = story.captures(&olga.page("/review/p/harbor/questions").await).unwrap()[1].to_owned();
        assert!(olga.page(&path).await.contains("35 days"));
        let viewer = vera.page(&path).await;
        assert!(!viewer.contains("35 days") && !viewer.contains("backups kept"), "{viewer}");
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn pages_take_nothing_from_elsewhere_and_foreign_forms_are_refused() {
    on_both(Files::harbor, |world| async move {
        let served = Served::over(world).await;
        let olga = log_in(&served, "olga").await;
        let page = olga.get("/review/p/harbor").await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(page.headers()["x-content-type-options"], "nosniff");
        assert_eq!(page.headers()["cache-control"], "no-store");
        let html = page.text().await.unwrap();
        for foreign in [" style=", "<style", "onclick", "src=\"http", "href=\"http"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        let link = link(&served.world, "sam", "").await;
        let foreign = served.client.post(format!("{}{link}", served.address)).header("origin", "https://evil.example");
        assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
        // Nobody guesses links for long.
        let browser = Browser::new(&served);
        let mut last = 0;
        for n in 0..30 {
            last = browser.get(&format!("/review/login/{n}")).await.status().as_u16();
        }
        assert_eq!(last, 429);
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn a_request_shows_what_was_said_and_done() {
    fn files() -> Files {
        let files = Files::harbor_with_routes();
        let path = files.path("platforms/harbor/platform.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let viewer = "people:\n  - id: vera\n    name: Vera Viewer\n    roles: [viewer]\n";
        std::fs::write(path, text.replacen("people:\n", viewer, 1)).unwrap();
        files
    }
    on_both(files, |world| async move {
        let words = "@stationmaster our nightly sourdough export dies with signal 9 on the loading dock, what now?";
        let question = world.say("dot", "everything", words).await;
        let reply = world.reply_to(question).await;
        world.fill("dot", &reply, "Get a person", &[("text", "The oven of the canteen is cold.")]).await.unwrap();
        world.drain().await;
        let said = world.reply("dot", question, "It smells of **burnt** yeast <b>too</b>.").await;
        let slip = world.reply("dot", question, "My slip of the tongue.").await;
        world.edit(said, "It smells of **burnt** flour <b>too</b>.").await;
        let mut tx = world.core.db.write().await.unwrap();
        assert!(store::messages::delete(&mut tx, slip, world.core.clock.now()).await.unwrap());
        world.core.db.commit(tx).await.unwrap();
        let served = Served::over(world).await;
        let (sam, olga) = (log_in(&served, "sam").await, log_in(&served, "olga").await);
        let page = "/review/p/harbor/requests/1";
        for (verb, form) in [
            ("route", [("route", "storage"), ("", "")]),
            ("priority", [("priority", "low"), ("", "")]),
            ("assign", [("person", "olga"), ("", "")]),
            ("resolve", [("cause", "planned_change"), ("minutes", "45")]),
        ] {
            let form = [&form[..], &[("text", "It is warm again.")]].concat();
            assert_eq!(
                sam.send(page, &format!("{page}/{verb}"), &form).await.status(),
                StatusCode::SEE_OTHER,
                "{verb}"
            );
        }
        let seen = olga.page(page).await;
        for shown in [
            "It smells of <strong>burnt</strong> flour",
            "(Taken back by its author.)",
            "rerouted from The desk to Storage",
            "to low <span",
            "assigned to Olga Owner",
            "resolved (Planned change, 45 min of work)",
            "It is warm again.",
        ] {
            assert!(seen.contains(shown), "{shown}: {seen}");
        }
        assert!(!seen.contains("<b>too</b>") && !seen.contains("My slip"), "{seen}");
        let own = log_in(&served, "dot").await.page(page).await;
        assert!(own.contains("burnt") && own.contains("assigned to Olga Owner"), "{own}");
        let looked = log_in(&served, "vera").await.page(page).await;
        assert!(!looked.contains("burnt") && !looked.contains("Olga Owner"), "{looked}");
        assert!(looked.contains("to low <span"), "{looked}");
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_on_a_page_that_leads_on() {
    on_both(Files::harbor, |world| async move {
        seed(&world).await;
        let served = Served::over(world).await;
        let (sam, olga) = (log_in(&served, "sam").await, log_in(&served, "olga").await);
        let page = "/review/p/harbor/requests/1";
        // Nothing is cut: what is too long is refused with the limit.
        let long = "x".repeat(3001);
        let note = sam.send(page, &format!("{page}/note"), &[("text", &long)]).await;
        assert_eq!(note.status(), 422);
        let note = note.text().await.unwrap();
        assert!(note.contains("3001 characters, and 3000 is the most") && note.contains("Pages of Harbor"), "{note}");
        let reply = [("status", "planned"), ("reply", long.as_str())];
        let feedback = "/review/p/harbor/feedback/1";
        let refused = olga.send(feedback, feedback, &reply).await.text().await.unwrap();
        assert!(refused.contains("3000 is the most"), "{refused}");
        assert!(olga.page(feedback).await.contains("maxlength=\"3000\""));
        let huge = "y".repeat(250_000);
        let cut = sam.send(page, &format!("{page}/note"), &[("text", &huge)]).await;
        assert_eq!(cut.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(cut.text().await.unwrap().contains("longer than the site takes"));
        let half = sam.post("/review/theme", &[("theme", "dark")]).await;
        assert_eq!(half.status(), 422);
        assert!(half.text().await.unwrap().contains("The form was not complete"));
        // A refusal leads back to where its form was.
        let from = format!("{}{page}?x=1", served.address);
        let refused = served.client.post(format!("{}{page}/note", served.address));
        let refused = refused.header(header::COOKIE, &sam.cookie).header(header::REFERER, from);
        let refused =
            refused.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("csrf=x&version=1");
        let refused = refused.send().await.unwrap().text().await.unwrap();
        assert!(refused.contains(&format!("href=\"{page}?x=1\" data-testid=\"back\"")), "{refused}");
        // What is not there is not there in the site's own words.
        for path in [
            "/review/p/harbor/gaps/xyz",
            "/review/p/harbor/themes/xyz",
            "/review/p/harbor/feedback/xyz",
            "/review/p/harbor/requests/xyz",
            "/review/p/harbor/teams/nobody-knows-it",
            "/review/nothing/at/all",
        ] {
            let answer = olga.get(path).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert!(answer.text().await.unwrap().contains("There is no such page"), "{path}");
        }
        assert_eq!(olga.get("/review/").await.headers()[header::LOCATION], "/review");
        assert_eq!(olga.status("/review/logout").await, 405);
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn filters_offer_what_the_lists_show() {
    on_both(Files::harbor, |world| async move {
        seed(&world).await;
        // A team that no file names.
        let mut tx = world.core.db.write().await.unwrap();
        store::Sql("UPDATE questions SET team = 'night-shift' WHERE person = 'dev'")
            .bare()
            .execute(&mut tx)
            .await
            .unwrap();
        world.core.db.commit(tx).await.unwrap();
        let served = Served::over(world).await;
        let olga = log_in(&served, "olga").await;
        let questions = olga.page("/review/p/harbor/questions").await;
        assert!(questions.contains("<option value=\"night-shift\">"), "{questions}");
        assert!(questions.contains("autocomplete=\"off\""));
        assert_eq!(olga.status("/review/p/harbor/teams/night-shift").await, 200);
        let audit = olga.page("/review/p/harbor/audit").await;
        for verb in ["request.opened", "feedback.given"] {
            let listed = audit.contains(&format!("<code>{verb}</code>")) || audit.contains(&format!(">{verb}<"));
            assert!(!listed || audit.contains(&format!("<option value=\"{verb}\">")), "{verb}: {audit}");
        }
        assert!(audit.contains("<option value=\"request.opened\">"), "{audit}");
        // A value that nobody knows narrows nothing, and the page says so.
        for (list, note) in [
            ("requests?state=zzz", "There is no state zzz; showing all."),
            ("questions?verdict=zzz", "There is no verdict zzz; showing all."),
            ("feedback?kind=zzz", "There is no kind zzz; showing all."),
            ("themes?status=zzz", "There is no status zzz; showing all."),
            ("gaps?state=zzz", "There is no state zzz; showing all."),
        ] {
            let page = olga.page(&format!("/review/p/harbor/{list}")).await;
            assert!(page.contains(note), "{list}: {page}");
        }
        assert!(olga.page("/review/p/harbor/requests?state=zzz").await.contains("data-testid=\"request\""));
        assert!(!olga.page("/review/p/harbor/requests?promise=broken").await.contains("data-testid=\"request\""));
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn a_request_that_waits_for_its_requester_waits_on_every_route() {
    on_both(Files::harbor_with_routes, |world| async move {
        seed(&world).await;
        let served = Served::over(world).await;
        let sam = log_in(&served, "sam").await;
        let page = "/review/p/harbor/requests/1";
        let ask = sam.send(page, &format!("{page}/ask"), &[("text", "Which oven?")]).await;
        assert_eq!(ask.status(), StatusCode::SEE_OTHER);
        let sent = sam.send(page, &format!("{page}/route"), &[("route", "storage")]).await;
        assert_eq!(sent.status(), StatusCode::SEE_OTHER);
        let shown = sam.page(page).await;
        assert!(shown.contains("<span class=\"tag waiting\">"), "{shown}");
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn a_new_token_is_shown_once() {
    on_both(Files::harbor, |world| async move {
        let served = Served::over(world).await;
        let mut olga = log_in(&served, "olga").await;
        let page = "/review/p/harbor/tokens";
        let made = olga.send(page, page, &[("name", "reports"), ("scope", "read"), ("days", "30")]).await;
        assert_eq!(made.status(), StatusCode::SEE_OTHER, "a page that is loaded anew makes no other");
        let fresh = made.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(fresh.contains("HttpOnly") && fresh.contains("SameSite=Strict"), "{fresh}");
        let session = olga.cookie.clone();
        let fresh = fresh.split(';').next().unwrap().to_owned();
        olga.cookie = format!("{session}; {fresh}");
        let shown = olga.get(page).await;
        let over =
            shown.headers().get_all(header::SET_COOKIE).iter().any(|it| it.to_str().unwrap().contains("token=;"));
        assert!(over, "the browser forgets it");
        let token = fresh.split_once('=').unwrap().1;
        assert!(shown.text().await.unwrap().contains(token));
        olga.cookie = session;
        let again = olga.page(page).await;
        assert!(!again.contains(token) && again.matches("Take away reports").count() == 1, "{again}");
        served.close().await
    })
    .await;
}
