//! The owner's pages over real HTTP: gaps and themes with their rights and decisions, and numbers that are those of the
//! operations.

use regex::Regex;
use reqwest::{StatusCode, header};
use stationmaster::{
    domain::{feedback::Status, gap::GapState, ids::ThemeId, statistics::Rate},
    ops::insight::{
        Window,
        adoption::{self, Adoption},
        numbers::{self, Overview},
    },
    store,
};

use crate::{
    backlog::{gaps_of, gather, in_vain, themes_of, three_and_one, will_be_told},
    numbers::{fill, with_own_team},
    review::{Browser, hidden, log_in},
    support::{Files, on_both},
    web::Served,
};

/// Harbor with two teams that use it, and somebody who may only look.
fn harbor() -> Files {
    let files = crate::backlog::harbor();
    let path = files.path("platforms/harbor/platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let viewer = "people:\n  - id: vera\n    name: Vera Viewer\n    roles: [viewer]\n";
    std::fs::write(path, text.replacen("people:\n", viewer, 1)).unwrap();
    files
}

const GAPS: &str = "/review/p/harbor/gaps";
const DAY_OF_REVIEW: (&str, &str) = ("review_by", "2027-01-01");

#[tokio::test]
async fn a_gap_becomes_an_answer_by_those_who_may() {
    on_both(harbor, |world| async move {
        in_vain(&world, "dev", "ask-harbor", "how do I get a <script>alert(1)</script> node with a GPU?").await;
        in_vain(&world, "dot", "dm:dot", "we need a secret node with a GPU, how do I get a node with a GPU?").await;
        gather(&world).await;
        let gap = gaps_of(&world, GapState::Open).await.remove(0);
        let page = format!("{GAPS}/{}", gap.number);
        let served = Served::over(world).await;
        let (olga, sam) = (log_in(&served, "olga").await, log_in(&served, "sam").await);
        let (vera, dev) = (log_in(&served, "vera").await, log_in(&served, "dev").await);
        // What somebody wrote is shown, and never run; what was asked in a direct message has no name.
        for path in [GAPS, &page] {
            let html = sam.page(path).await;
            assert!(html.contains("&#60;script&#62;alert(1)") && !html.contains("<script>alert"), "{path}: {html}");
        }
        let desk = sam.page(&page).await;
        assert!(desk.contains("secret node") && !desk.contains("Dot Matrix") && desk.contains("Dev Eloper"), "{desk}");
        let looked = vera.page(&page).await;
        assert!(!looked.contains("secret node") && !looked.contains("Dev Eloper"), "{looked}");
        assert!(!looked.contains("name=\"markdown\"") && !looked.contains("Put it aside"), "{looked}");
        // The questions are filled in; those of direct messages are not.
        let phrasings = Regex::new(r#"(?s)name="phrasings"[^>]*>(.*?)</textarea>"#).unwrap();
        let filled = phrasings.captures(&desk).unwrap()[1].to_owned();
        assert!(filled.contains("node with a GPU?") && !filled.contains("secret"), "{filled}");

        let publish = format!("{page}/publish");
        let answer = [
            ("title", "Graphics cards"),
            ("markdown", "Ask for the queue **gpu** <b>now</b>."),
            ("phrasings", "how do I get a node with a GPU?"),
            ("url", "https://docs.harbor.example/gpu"),
            DAY_OF_REVIEW,
        ];
        let forged = [&answer[..], &[("csrf", "x"), ("version", "1")]].concat();
        assert_eq!(sam.post(&publish, &forged).await.status(), 422);
        assert_eq!(vera.send(&page, &publish, &answer).await.status(), 404);
        assert_eq!(dev.post(&publish, &forged).await.status(), 404);
        // What cannot be kept stays on the page, with what is wrong with it.
        let secret =
            std::fs::read_to_string(served.world.files.path("platforms/harbor/runbooks/break-glass.md")).unwrap();
        let quoting = [("title", "t"), ("markdown", secret.as_str()), ("phrasings", "p"), DAY_OF_REVIEW];
        let refused = sam.send(&page, &publish, &quoting).await;
        assert_eq!(refused.status(), 422);
        let refused = refused.text().await.unwrap();
        assert!(refused.contains("name=\"confirmed\"") && refused.contains("not everybody may read"), "{refused}");
        let late =
            sam.send(&page, &publish, &[("title", "t"), ("markdown", "Kept words."), ("review_by", "2001-01-01")]);
        assert!(late.await.text().await.unwrap().contains("Kept words."));
        assert_eq!(sam.send(&page, &publish, &answer).await.status(), 303);
        let csrf = hidden(&desk, "csrf").unwrap();
        let old = [&answer[..], &[("csrf", csrf.as_str()), ("version", "1")]].concat();
        assert!(sam.post(&publish, &old).await.text().await.unwrap().contains("at the same moment"));
        let after = olga.page(&page).await;
        assert!(after.contains("data-testid=\"state\">Answered") && after.contains("published an answer"), "{after}");
        let world = served.close().await;
        let asked = world.say("dev", "ask-harbor", "@stationmaster how do I get a node with a GPU?").await;
        assert!(world.reply_to(asked).await.text.contains("queue **gpu**"));

        // The published answer is seen, retired, and given no more.
        let served = Served::over(world).await;
        let (olga, vera) = (log_in(&served, "olga").await, log_in(&served, "vera").await);
        let list = vera.page("/review/p/harbor/answers").await;
        let link = Regex::new(r#"href="(/review/p/harbor/answers/[0-9a-f-]{36})""#).unwrap();
        let answer = link.captures(&list).unwrap()[1].to_owned();
        let shown = vera.page(&answer).await;
        assert!(!shown.contains("<b>now</b>") && !shown.contains("Retire it"), "{shown}");
        let retire = format!("{answer}/retire");
        assert_eq!(vera.send(&answer, &retire, &[]).await.status(), 404);
        assert_eq!(olga.send(&answer, &retire, &[]).await.status(), StatusCode::SEE_OTHER);
        let world = served.close().await;
        let asked = world.say("dev", "dm:dev", "how do I get a node with a GPU?").await;
        assert!(!world.reply_to(asked).await.text.contains("queue **gpu**"));
        world
    })
    .await;
}

#[tokio::test]
async fn a_gap_is_put_aside_with_a_reason_and_taken_away_as_a_page() {
    on_both(harbor, |world| async move {
        in_vain(&world, "dev", "ask-harbor", crate::backlog::GPU).await;
        gather(&world).await;
        let served = Served::over(world).await;
        let sam = log_in(&served, "sam").await;
        let page = format!("{GAPS}/{}", gaps_of(&served.world, GapState::Open).await[0].number);
        let form = |verb: &str| format!("{page}/{verb}");
        assert_eq!(sam.send(&page, &form("draft"), &[("markdown", "My own words.")]).await.status(), 303);
        assert!(sam.page(&page).await.contains("My own words."));
        assert_eq!(sam.send(&page, &form("rename"), &[("name", "Graphics <i>cards</i>")]).await.status(), 303);
        assert!(sam.page(GAPS).await.contains("Graphics &#60;i&#62;cards"));
        assert_eq!(sam.send(&page, &form("dismiss"), &[("why", " ")]).await.status(), 422, "it needs a reason");
        assert_eq!(sam.send(&page, &form("dismiss"), &[("why", "Bought elsewhere.")]).await.status(), 303);
        assert!(sam.page(&page).await.contains("Bought elsewhere."));
        assert!(!sam.page(GAPS).await.contains("data-testid=\"gap\""));
        assert!(sam.page(&format!("{GAPS}?state=dismissed")).await.contains("data-testid=\"gap\""));
        assert_eq!(sam.send(&page, &form("reopen"), &[]).await.status(), 303);
        let source = Regex::new(r#"id="g-source" name="source"><option value="([^"]+)""#).unwrap();
        let html = sam.page(&page).await;
        let source = source.captures(&html).unwrap()[1].to_owned();
        let words = [("title", "Graphics cards"), ("markdown", "Take the queue."), ("source", source.as_str())];
        let patch = sam.send(&page, &form("patch"), &words).await;
        assert!(patch.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().contains("attachment; filename=\"gap-"));
        let patch = patch.text().await.unwrap();
        assert!(patch.contains("graphics-cards.md") && patch.contains("+Take the queue."), "{patch}");
        assert!(sam.page(&format!("{GAPS}?state=exported")).await.contains("data-testid=\"gap\""));
        assert_eq!(sam.send(&page, &form("nothing"), &[]).await.status(), 404);
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn a_theme_is_decided_by_its_owner_and_everybody_is_told() {
    on_both(harbor, |world| async move {
        let (said, _, theme) = three_and_one(&world).await;
        let page = format!("/review/p/harbor/themes/{}", theme.number);
        let form = |verb: &str| format!("{page}/{verb}");
        let served = Served::over(world).await;
        let (olga, sam) = (log_in(&served, "olga").await, log_in(&served, "sam").await);
        let vera = log_in(&served, "vera").await;
        let html = olga.page(&page).await;
        assert!(html.contains("If it is shipped, 3 people are told"), "{html}");
        assert!(html.contains("Dev Eloper"), "{html}");
        let seen = sam.page(&page).await;
        assert!(seen.contains("Dev Eloper") && !seen.contains("data-testid=\"decide\""), "{seen}");
        assert!(!vera.page(&page).await.contains("Dev Eloper"));
        let ship = [("status", "shipped"), ("reply", "One <form> does it now.")];
        assert_eq!(sam.send(&page, &form("decide"), &ship).await.status(), 404, "support does not decide");
        let forged = [&ship[..], &[("csrf", "x"), ("version", "1")]].concat();
        assert_eq!(olga.post(&form("decide"), &forged).await.status(), 422);
        assert_eq!(
            olga.send(&page, &form("decide"), &[("status", "shipped")]).await.status(),
            422,
            "without a sentence"
        );
        assert_eq!(olga.send(&page, &form("effort"), &[("days", "2,5")]).await.status(), 303);
        assert_eq!(olga.send(&page, &form("move"), &[("capability", "ovens")]).await.status(), 422);
        assert_eq!(olga.send(&page, &form("move"), &[("capability", "")]).await.status(), 303);
        assert_eq!(olga.send(&page, &form("rename"), &[("name", "Restores in one step")]).await.status(), 303);
        assert_eq!(olga.send(&page, &form("merge"), &[("into", "77")]).await.status(), 422, "there is no such item");
        // Chosen items become one of their own, and come back.
        let html = olga.page(&page).await;
        let item = Regex::new(r#"name="item" value="([^"]+)""#).unwrap().captures(&html).unwrap()[1].to_owned();
        let split = olga.send(&page, &form("split"), &[("item", &item), ("name", "Another")]).await;
        let other = split.headers()[header::LOCATION].to_str().unwrap().to_owned();
        assert!(olga.page(&other).await.contains("Another"));
        assert!(olga.page("/review/p/harbor/themes?minutes=0&teams=0&effort=4").await.contains("Another"));
        let number = theme.number.to_string();
        assert_eq!(olga.send(&other, &format!("{other}/merge"), &[("into", &number)]).await.status(), 303);
        assert!(olga.page(&other).await.contains("Restores in one step"), "what was merged leads to what stands");

        assert_eq!(olga.send(&page, &form("decide"), &ship).await.status(), 303);
        for feedback in &said {
            will_be_told(&served.world, feedback, "does it now").await;
        }
        let after = olga.page(&page).await;
        assert!(after.contains("data-testid=\"status\">Shipped") && after.contains("too early to tell"), "{after}");
        assert!(after.contains("If it is shipped, nobody is told"), "{after}");
        assert!(after.contains("One &#60;form&#62; does it now."), "{after}");
        let (owners, viewers) = (after, vera.page(&page).await);
        let of_told = |html: &str| html.split("data-testid=\"told\"").nth(1).unwrap().to_owned();
        assert!(of_told(&owners).contains("Dev Eloper") && !of_told(&viewers).contains("Dev Eloper"));
        let ledger = vera.page("/review/p/harbor/decisions").await;
        assert!(ledger.contains("Restores in one step") && !ledger.contains("Dev Eloper"), "{ledger}");
        assert!(!vera.page("/review/p/harbor/decisions?year=2025").await.contains("Restores in one step"));
        let shipped = olga.page("/review/p/harbor/export/themes.csv?status=shipped").await;
        assert_eq!(shipped.lines().count(), 2, "{shipped}");
        assert_eq!(themes_of(&served.world).await[0].status, Status::Shipped);
        served.close().await
    })
    .await;
}

/// What a figure of a page says: its value, and its small print.
fn figure(html: &str, id: &str) -> (String, String) {
    let pattern = format!(r#"(?s)data-figure="{id}">(.*?)</li>"#);
    let found = Regex::new(&pattern).unwrap().captures(html).unwrap_or_else(|| panic!("no figure {id}"))[1].to_owned();
    let value = Regex::new(r#"class="value">([^<]*)<"#).unwrap().captures(&found).unwrap()[1].to_owned();
    let notes = Regex::new(r#"class="note">([^<]*)<"#).unwrap();
    let notes: Vec<&str> = notes.captures_iter(&found).map(|note| note.get(1).unwrap().as_str()).collect();
    (value, notes.join("; "))
}

/// The cells of the row of a table that begins with a label.
fn row(html: &str, label: &str) -> Vec<String> {
    let label = regex::escape(label);
    let pattern = format!(r#"(?s)<th scope="row"[^>]*>(?:<a[^>]*>)?{label}(?:</a>)?</th>(.*?)</tr>"#);
    let found = Regex::new(&pattern).unwrap().captures(html).unwrap_or_else(|| panic!("no row {label}"))[1].to_owned();
    let cell = Regex::new(r"<td[^>]*>([^<]*)</td>").unwrap();
    cell.captures_iter(&found).map(|cell| cell[1].to_owned()).collect()
}

/// A rate as somebody would write it.
fn written(rate: &Rate) -> String {
    match (rate.share(), rate.interval()) {
        (Some(share), Some(it)) => {
            let (share, low, high) = (share * 100.0, it.low * 100.0, it.high * 100.0);
            format!("{share:.0} % ({} of {}, {low:.0} to {high:.0} %)", rate.hits, rate.n)
        }
        _ => "of none".to_owned(),
    }
}

fn check_overview(html: &str, overview: &Overview) {
    let (now, before) = (&overview.now, &overview.before);
    let check = |id: &str, value: u64, small: &str| {
        let (shown, notes) = figure(html, id);
        assert_eq!(shown, value.to_string(), "{id}");
        assert!(notes.contains(small), "{id}: {notes:?} does not say {small:?}");
    };
    check("asked", now.questions.asked, &format!("before: {}", before.questions.asked));
    check("asked", now.questions.asked, &format!("{} teams, before: {}", now.teams.active, before.teams.active));
    check("lost", now.lost_minutes, &format!("before: {}", before.lost_minutes));
    check("lost", now.lost_minutes, &format!("{} questions", now.questions.unanswered));
    check("support", now.support.minutes, &format!("before: {}", before.support.minutes));
    check("support", now.support.minutes, &format!("{} requests, {} told", now.support.requests, now.support.told));
    check("open-requests", overview.standing.open_requests, "");
    check("new-feedback", overview.standing.new_feedback, "");
    check("open-gaps", overview.standing.open_gaps, "");
    let (_, closed) = figure(html, "closed-ever");
    let ever = overview.standing.closed_feedback;
    assert!(closed.contains(&format!("of all ever: {} of {}", ever.hits, ever.n)), "{closed}");
    for (id, rate) in [("resolved", now.deflection.resolved), ("promises", now.promises.first_response)] {
        let (value, notes) = figure(html, id);
        assert_eq!(format!("{value} ({})", notes.split(';').next().unwrap()), written(&rate), "{id}");
    }
    assert!(figure(html, "resolved").1.contains(&format!("unknown: {}", now.deflection.unknown)));
    for (label, now, before) in [
        ("Answered, of all questions", now.answered, before.answered),
        ("Helped, of the answers that were rated", now.helpful, before.helpful),
        ("Resolved, of the questions we know of", now.deflection.resolved, before.deflection.resolved),
        ("First words in the promised time", now.promises.first_response, before.promises.first_response),
        ("Resolved in the promised time", now.promises.resolution, before.promises.resolution),
        ("Feedback closed with a reply", now.feedback.closed, before.feedback.closed),
    ] {
        assert_eq!(row(html, label), [written(&now), written(&before)], "{label}");
    }
    let deflection = now.deflection;
    let unresolved = deflection.resolved.n - deflection.resolved.hits - deflection.returned;
    for (label, n) in [
        ("Resolved", deflection.resolved.hits),
        ("Came back", deflection.returned),
        ("Not resolved", unresolved),
        ("Unknown", deflection.unknown),
        ("Too early to say", deflection.open),
    ] {
        assert_eq!(row(html, label), [n.to_string()], "{label}");
    }
}

fn check_teams(html: &str, adoption: &Adoption) {
    let counts = [
        ("active", adoption.active.len().to_string()),
        ("newcomers", adoption.newcomers.n.to_string()),
        ("operational", adoption.operational.minutes.to_string()),
        ("project", adoption.project.minutes.to_string()),
    ];
    for (id, value) in counts {
        assert_eq!(figure(html, id).0, value, "{id}");
    }
    assert!(figure(html, "newcomers").1.contains(&format!("{} helped", adoption.newcomers.helped)));
    for team in &adoption.active {
        let own = adoption.support.iter().filter(|row| row.team.as_ref() == Some(&team.team));
        let minutes: u64 = own.map(|row| row.operational.minutes + row.project.minutes).sum();
        let cells = row(html, &team.team);
        let expected = [team.questions, team.requests, minutes].map(|n| n.to_string());
        assert_eq!(cells[..3], expected, "{}", team.team);
    }
    for week in &adoption.weeks {
        assert!(html.contains(&format!("<td class=\"n\">{}</td>", week.teams)), "{week:?}");
    }
}

#[tokio::test]
async fn numbers_of_the_pages_are_those_of_the_operations() {
    on_both(with_own_team, |world| async move {
        fill(&world).await;
        let served = Served::over(world).await;
        let olga = log_in(&served, "olga").await;
        let core = &served.world.core;
        let platform = core.config.platform("harbor").cloned().unwrap();
        for weeks in [1, 4, 13] {
            let end = core.clock.now();
            let window = Window { begin: Window::weeks_until(end, weeks)[0].begin, end };
            let mut tx = core.db.read().await.unwrap();
            let overview = numbers::overview(core, &mut tx, &platform, window).await.unwrap();
            let adoption = adoption::adoption(core, &mut tx, &platform, window, 13).await.unwrap();
            drop(tx);
            check_overview(&olga.page(&format!("/review/p/harbor?weeks={weeks}")).await, &overview);
            check_teams(&olga.page(&format!("/review/p/harbor/teams?weeks={weeks}")).await, &adoption);
        }
        assert_eq!(olga.status("/review/p/harbor?weeks=100").await, 200);
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn the_backlog_is_read_in_pages() {
    on_both(harbor, |world| async move {
        let (_, _, theme) = three_and_one(&world).await;
        let mut tx = world.core.db.write().await.unwrap();
        for (n, status) in (0..120).zip([Status::New, Status::Declined].into_iter().cycle()) {
            let number = store::themes::next_number(&mut tx).await.unwrap();
            let title = format!("Wish {n}");
            let id = ThemeId::new(&*world.core.clock);
            let minutes = theme.minutes + i64::from(n);
            let copy = store::themes::Theme { id, number, title, status, minutes, ..theme.clone() };
            store::themes::insert(&mut tx, &copy).await.unwrap();
        }
        world.core.db.commit(tx).await.unwrap();
        let served = Served::over(world).await;
        let olga = log_in(&served, "olga").await;
        let shown = Regex::new(r#"data-testid="theme">([^<]*)"#).unwrap();
        let onward = Regex::new(r#"rel="next" href="([^"]*)""#).unwrap();
        for (filter, all, pages) in [("", 61, 2), ("?minutes=0", 61, 2), ("?status=declined", 60, 2)] {
            let file = olga.get(&format!("/review/p/harbor/export/themes.json{filter}")).await;
            let rows: Vec<serde_json::Value> = file.json().await.unwrap();
            let titles: Vec<&str> = rows.iter().filter_map(|row| row["title"].as_str()).collect();
            assert_eq!(titles.len(), all, "{filter}");
            let (mut seen, mut path, mut read) = (Vec::new(), format!("/review/p/harbor/themes{filter}"), 0);
            loop {
                let page = olga.page(&path).await;
                seen.extend(shown.captures_iter(&page).map(|found| found[1].to_owned()));
                read += 1;
                let Some(next) = onward.captures(&page) else { break };
                path = next[1].replace("&#38;", "&").replace("&amp;", "&");
            }
            assert_eq!((seen.iter().map(String::as_str).collect::<Vec<_>>(), read), (titles, pages), "{filter}");
        }
        assert_eq!(olga.status("/review/p/harbor/themes?after=x").await, 422);
        served.close().await
    })
    .await;
}

#[tokio::test]
async fn an_invented_year_says_so_on_every_page() {
    on_both(Files::harbor, |world| async move {
        const WORDS: &str = "This store holds an invented year. Nothing here was measured.";
        let served = Served::over(world).await;
        let olga = log_in(&served, "olga").await;
        assert!(!olga.page("/review/p/harbor").await.contains(WORDS));
        let mut tx = served.world.core.db.write().await.unwrap();
        store::demo::mark(&mut tx, 7).await.unwrap();
        served.world.core.db.commit(tx).await.unwrap();
        for path in ["", "/questions", "/gaps", "/themes", "/teams", "/surveys", "/knowledge", "/system", "/tokens"] {
            assert!(olga.page(&format!("/review/p/harbor{path}")).await.contains(WORDS), "{path}");
        }
        assert!(olga.page("/review/mine").await.contains(WORDS));
        assert!(Browser::new(&served).page("/review/login").await.contains(WORDS));
        let nothing = olga.get("/review/p/harbor/nothing").await.text().await.unwrap();
        assert!(nothing.contains(WORDS), "{nothing}");
        served.close().await
    })
    .await;
}
