//! Mistakes in the files are named with file, line and a hint.

use crate::support::Files;

#[track_caller]
fn findings(path: &str, from: &str, to: &str) -> String {
    let files = Files::harbor();
    let full = files.path(path);
    let text = std::fs::read_to_string(&full).unwrap_or_default();
    assert!(text.contains(from), "{from} stands in {path}");
    files.write(path, text.replacen(from, to, 1));
    let root = files.folder.path().display().to_string();
    match files.config("sqlite::memory:") {
        Ok(_) => String::new(),
        Err(findings) => findings.to_string().replace(&format!("{root}/platforms/harbor/"), ""),
    }
}

#[track_caller]
fn check(path: &str, from: &str, to: &str, expected: &str) {
    let found = findings(path, from, to);
    assert!(found.contains(expected), "expected {expected:?} in:\n{found}");
}

#[test]
fn references_must_point_at_something() {
    check(
        "platforms/harbor/platform.yaml",
        "owner: olga",
        "owner: nobody",
        "error: platform.yaml:3: the owner nobody is not in people",
    );
    check(
        "platforms/harbor/platform.yaml",
        "support_channel: ask-harbor",
        "support_channel: ask-habror",
        "error: platform.yaml:4: the channel ask-habror is not in channels\n  hint: there are: ask-harbor, everything",
    );
    check("platforms/harbor/platform.yaml", "folder: runbooks", "folder: runboks", "is not a folder");
    check("platforms/harbor/platform.yaml", "Europe/Berlin", "Europe/Berlim", "unknown time zone Europe/Berlim");
}

#[test]
fn shapes_must_be_right() {
    check("platforms/harbor/platform.yaml", "mode: questions", "mode: question", "platform.yaml:");
    check("platforms/harbor/platform.yaml", "summary:", "sumary:", "platform.yaml:2");
    check("platforms/harbor/platform.yaml", "name: Harbor", "name: [Harbor", "platform.yaml:");
    check(
        "platforms/harbor/platform.yaml",
        "    folder: kb\n",
        "    folder: kb\n    git: { url: https://x/y }\n",
        "a source has one of folder, git and site",
    );
    check(
        "platforms/harbor/platform.yaml",
        "https://docs.harbor.example/",
        "docs.harbor.example",
        "is not a web address",
    );
    check("platforms/harbor/platform.yaml", "- id: dot", "- id: dev", "the person dev is there twice");
}

#[test]
fn ids_have_the_shape_that_their_chat_system_gives() {
    let check = |from: &str, to: &str, expected: &str| check("platforms/harbor/platform.yaml", from, to, expected);
    check("slack: C0ASK", "slack: U0ASK", "platform.yaml:19: `U0ASK` is not the id of a channel at Slack\n  hint: ");
    check(
        "discord: \"2001\"",
        "discord: ask-harbor",
        "platform.yaml:19: `ask-harbor` is not the id of a channel at Discord",
    );
    check(
        "slack: C0ASK",
        "slak: C0ASK",
        "platform.yaml:19: `slak` is no chat system that has channels\n  hint: write slack,",
    );
    check("slack: U0DEV", "slack: C0DEV", "platform.yaml:34: `C0DEV` is not the id of a person at Slack");
    check("slack: S0PAY", "slack: payments", "platform.yaml:54: `payments` is not the id of a user group at Slack");
    check("groups: { slack: S0PAY", "groups: { console: x", "`console` is no chat system that has groups");
    check("dot@harbor.example", "dot", "platform.yaml:40: `dot` is not an e-mail address");
    check("discord: \"3002\"", "discord: \"3001\"", "platform.yaml:41: dev and dot are both 3001 at discord");
    check("groups: {", "groups: { slack: S0PAY }\n  - id: payments\n    groups: {", "the team payments is there twice");
}

#[test]
fn an_audience_without_people_is_a_warning() {
    let files = Files::harbor();
    let path = "platforms/harbor/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    files.write(path, text.replacen("      roles: [support, owner]", "      teams: [cart, carts, payments]", 1));
    files.config("sqlite::memory:").unwrap_or_else(|findings| panic!("only a warning:\n{findings}"));
    let (_, findings) = stationmaster::config::Config::load(Some(files.path("server.toml"))).unwrap();
    let warned: Vec<String> = findings.findings.iter().map(ToString::to_string).collect();
    assert_eq!(warned.len(), 1, "{findings}");
    assert!(warned[0].contains("platform.yaml:31: nobody is in the team carts"), "{}", warned[0]);
    assert!(warned[0].contains("cart, payments"), "{}", warned[0]);
}

#[test]
fn an_account_is_one_persons_on_all_platforms() {
    let files = Files::harbor_and_loom();
    let path = "platforms/loom/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    let stranger = "people:\n  - id: somebody-else\n    name: S\n    identities: { slack: U0DEV }\n";
    files.write(path, text.replacen("people:\n", stranger, 1));
    let found = files.config("sqlite::memory:").unwrap_err().to_string();
    assert!(found.contains("somebody-else is U0DEV at slack, as is dev of harbor"), "{found}");
}

#[test]
fn curated_answers_are_checked() {
    check("platforms/harbor/answers/who.md", "phrases: [who runs harbor]", "pattern: '(unclosed'", "answers/who.md:5:");
    check(
        "platforms/harbor/answers/who.md",
        "phrases: [who runs harbor]",
        "pattern: '.*'",
        "the pattern matches everything",
    );
    check(
        "platforms/harbor/answers/who.md",
        "review_by: 2027-01-01",
        "review_by: soon",
        "answers/who.md:4: review_by is not a date",
    );
    check("platforms/harbor/answers/who.md", "phrases: [who runs harbor]", "phrases: [a]", "is too short");
    check("platforms/harbor/answers/who.md", "---\ntitle", "title", "has no front matter");
}

const PLATFORM: &str = "platforms/harbor/platform.yaml";
const DAYS: &str = "days: { mon-fri: \"09:00-17:00\" }";

#[test]
fn hours_are_checked() {
    check(PLATFORM, DAYS, "days: { mon-fry: \"09:00-17:00\" }", "platform.yaml:7: `fry` is not a day of the week");
    check(PLATFORM, DAYS, "days: { mon: \"17:00-09:00\" }", "platform.yaml:7: `17:00-09:00` ends before it begins");
    check(PLATFORM, DAYS, "days: { mon-fri: \"\" }", "platform.yaml:7: no day has any hours");
    check(PLATFORM, DAYS, "days: {}", "platform.yaml:7: no day has any hours");
    check(PLATFORM, DAYS, &format!("{DAYS}\n  holidays: [soon]"), "platform.yaml:8: a holiday is no date: soon");
    let backwards = format!("{DAYS}\n  holidays: [{{ from: 2026-12-26, to: 2026-12-24 }}]");
    check(PLATFORM, DAYS, &backwards, "platform.yaml:8: the holiday from 2026-12-26 ends on 2026-12-24");
    let endless = format!("{DAYS}\n  holidays: [{{ from: 2026-12-24, to: 2062-12-26 }}]");
    check(PLATFORM, DAYS, &endless, "platform.yaml:8: the holiday from 2026-12-24 to 2062-12-26 is longer than a year");
}

#[test]
fn hours_without_days_are_assumed() {
    let files = Files::harbor();
    let text = std::fs::read_to_string(files.path(PLATFORM)).unwrap();
    files.write(PLATFORM, text.replace(DAYS, ""));
    let config = files.config("sqlite::memory:").unwrap();
    let hours = config.platforms[0].hours.as_ref().unwrap();
    assert_eq!(
        (hours.text.as_str(), hours.business.text().as_str()),
        ("Monday to Friday, 9 to 17", "Monday to Friday, 09:00 to 17:00")
    );
    let (_, findings) = stationmaster::config::Config::load(Some(files.path("server.toml"))).unwrap();
    assert!(findings.to_string().contains("platform.yaml:6: hours has no days"), "{findings}");
}

const PROMISES: &str = "platforms/harbor/promises.yaml";

/// As [`check`], of a file that harbor does not have.
#[track_caller]
fn check_new(path: &str, text: &str, expected: &str) {
    let files = Files::harbor();
    files.write(path, text);
    let found = files.config("sqlite::memory:").map(drop).unwrap_err().to_string();
    assert!(found.contains(expected), "expected {expected:?} in:\n{found}");
}

#[test]
fn promises_are_checked() {
    let good = "promises:\n  normal: { first: 4h }\n";
    check_new(PROMISES, "promises:\n  normal: { first: 1d }\n", "promises.yaml:2: `1d` is not a time span");
    check_new(PROMISES, "promises:\n  normal: { first: 0m }\n", "promises.yaml:2: `0m` is not a time span");
    check_new(PROMISES, "promises:\n  normal: { first: -4h }\n", "promises.yaml:2: `-4h` is not a time span");
    check_new(PROMISES, "promises:\n  soonish: { first: 4h }\n", "promises.yaml:2");
    check_new(
        PROMISES,
        "promises:\n  normal: { first: 4h, resolve: 2h }\n",
        "promises.yaml:2: first is longer than resolve",
    );
    check_new(PROMISES, &format!("warn_at: 100%\n{good}"), "promises.yaml:1: warn_at `100%` is not between");
    check_new(
        PROMISES,
        &format!("{good}escalate_to: [ines]\n"),
        "promises.yaml:3: ines, who is told of a breach, is not",
    );
    check_new(PROMISES, &format!("{good}close_after: soon\n"), "promises.yaml:3: `soon` is not a time span");
    check_new(PROMISES, &format!("{good}close: 4h\n"), "promises.yaml:3");
    let loom = Files::harbor_and_loom();
    loom.write("platforms/loom/promises.yaml", good);
    let found = loom.config("sqlite::memory:").map(drop).unwrap_err().to_string();
    assert!(
        found.contains("promises.yaml:2: this promise counts working hours, and platform.yaml has none"),
        "{found}"
    );
}

#[test]
fn secrets_are_looked_for_by_name() {
    let files = Files::harbor();
    let service = |fulfilment: &str| {
        format!(
            "name: A topic\nsummary: A stream.\nfields: [{{id: name, label: Name}}]\nfulfilment: {{{fulfilment}}}\n"
        )
    };
    let webhook = |name: &str| service(&format!("webhook: {{url: \"https://x.example\", secret_env: {name}}}"));
    files.write("platforms/harbor/catalog/none.yaml", webhook("NOT_SET"));
    files.write("platforms/harbor/catalog/short.yaml", webhook("SHORT"));
    files.write("platforms/harbor/catalog/long.yaml", webhook("LONG"));
    let scaffolder =
        "backstage: {base_url: \"https://b.example\", template_ref: \"template:default/x\", token_env: GONE}";
    files.write("platforms/harbor/catalog/scaffolded.yaml", service(scaffolder));
    let config = files.config("sqlite::memory:").unwrap();
    let mut found = stationmaster::config::Diagnostics::default();
    let variable = |name: &str| match name {
        "SHORT" => Some("short".into()),
        "LONG" => Some("0123456789abcdef".into()),
        _ => None,
    };
    stationmaster::config::secrets::look_over(&config, variable, &mut found);
    assert!(!found.has_errors() && found.findings.len() == 3, "{found}");
    let found = found.to_string();
    for expected in [
        "catalog: the service none: NOT_SET, its secret_env, is not set\n  hint: set NOT_SET on both sides",
        "catalog: the service short: SHORT, its secret_env, has only 5 characters and could be guessed",
        "catalog: the service scaffolded: GONE, its token_env, is not set\n  hint: set GONE to a token that Backstage takes",
    ] {
        assert!(found.contains(expected), "expected {expected:?} in:\n{found}");
    }
}

const ROUTES: &str = "platforms/harbor/routes.yaml";

/// A `routes.yaml` with these routes.
fn routes(ids: &[&str]) -> String {
    let route = |id: &&str| format!("  - {{ id: {id}, name: {id}, description: What belongs to {id}. }}\n");
    format!("default: {}\nroutes:\n{}", ids[0], ids.iter().map(route).collect::<String>())
}

#[test]
fn a_route_may_promise_otherwise() {
    use stationmaster::domain::{promise::Promise, request::Priority};
    use std::time::Duration;
    let files = Files::harbor();
    files.write(ROUTES, routes(&["runtime", "security"]));
    files.write(
        PROMISES,
        "warn_at: 70%\nescalate_to: [olga, lead]\npromises:\n  urgent: { first: 15m, hours: always }\n  \
         normal: { first: 4h, resolve: 24h }\nroutes:\n  security:\n    normal: { first: 1h 30m, resolve: none }\n",
    );
    let config = files.config("sqlite::memory:").unwrap();
    let promises = config.platforms[0].promises.as_ref().unwrap();
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    let normal = Promise { first_response: minutes(240), resolution: minutes(1440), ..Promise::default() };
    assert_eq!(promises.promise("runtime", Priority::Normal), normal);
    let secure = Promise { first_response: minutes(90), ..Promise::default() };
    assert_eq!(promises.promise("security", Priority::Normal), secure);
    let urgent = Promise { first_response: minutes(15), around_the_clock: true, ..Promise::default() };
    assert_eq!(promises.promise("security", Priority::Urgent), urgent);
    assert_eq!(promises.promise("runtime", Priority::Low), Promise::default());
}

const ROTA: &str = "platforms/harbor/rota.yaml";

#[test]
fn rotas_are_checked() {
    let rota = |lines: &str| format!("rotas:\n  - id: days\n{lines}");
    let turns = "    starts: 2026-05-04T09:00\n    every: 1w\n    people: [sam]\n";
    let bad = |from: &str, to: &str| rota(&turns.replace(from, to));
    check_new(ROTA, &rota("    people: [sam]\n"), "rota.yaml:2: the rota days has no starts or no every");
    check_new(ROTA, &bad("1w", "1m"), "rota.yaml:4: `1m` is not the length of a turn");
    check_new(ROTA, &bad("1w", "0d"), "rota.yaml:4: `0d` is not the length of a turn");
    check_new(ROTA, &bad("2026-05-04T09:00", "monday"), "rota.yaml:3: `monday` is not a local date and time");
    check_new(ROTA, &bad("[sam]", "[]"), "rota.yaml:2: a rotation has no people");
    check_new(ROTA, &bad("[sam]", "[sam, ravi]"), "rota.yaml:5: the person ravi is not in people");
    let zone = format!("    timezone: Europe/Berlim\n{turns}");
    check_new(ROTA, &rota(&zone), "rota.yaml:3: unknown time zone Europe/Berlim");
    let stand_in = |from: &str, to: &str| {
        rota(&format!("{turns}    overrides:\n      - {{ person: olga, from: {from}, to: {to} }}\n"))
    };
    check_new(ROTA, &stand_in("2026-05-06T09:00", "2026-05-05T09:00"), "the override of olga ends before it begins");
    let twice = format!("{}  - id: days\n{turns}", rota(turns));
    check_new(ROTA, &twice, "rota.yaml:6: the rota days is there twice");
    check_new(ROTA, &rota("    pagerduty: {}\n"), "pagerduty has one of schedule and escalation_policy");
    let both = "    pagerduty: { schedule: P1 }\n    opsgenie: { schedule: s }\n";
    check_new(ROTA, &rota(both), "rota.yaml:2: a rota asks PagerDuty or Opsgenie, not both");
    let mixed = format!("    pagerduty: {{ schedule: P1 }}\n{turns}");
    check_new(ROTA, &rota(&mixed), "rota.yaml:2: a rota of a service has no timezone, starts");
    let away = "absences:\n  - { person: sam, from: 2026-05-05, to: 2026-05-04 }\n";
    check_new(ROTA, away, "rota.yaml:2: sam is away from 2026-05-05 to 2026-05-04");
    let files = Files::harbor();
    files.write(ROUTES, routes(&["runtime"]));
    files.write(ROTA, rota(&format!("{turns}    routes: [runtme]\n")));
    files.write(PROMISES, "promises: {}\nroutes:\n  runtme:\n    low: { first: 8h }\n");
    let found = files.config("sqlite::memory:").map(drop).unwrap_err().to_string();
    assert!(
        found.contains("rota.yaml:6: the route runtme is not in routes.yaml\n  hint: there are: runtime"),
        "{found}"
    );
    assert!(found.contains("the route runtme is not in routes.yaml"), "{found}");
}

#[test]
fn a_tracker_is_named_in_full_and_needs_a_token() {
    let tracker = |text: &str, expected: &str| {
        let yaml = format!("tracker: {text}\nowner: olga");
        check("platforms/harbor/platform.yaml", "owner: olga", &yaml, expected);
    };
    tracker(
        "{ github: { repository: acme/desk } }",
        "its tracker needs github.token, which is empty\n  hint: set STATIONMASTER_GITHUB_TOKEN",
    );
    tracker("{ jira: { project: PLAT, issue_type: Task } }", "its tracker needs jira.token, which is empty");
    tracker("{ github: { repository: desk } }", "platform.yaml:3: `desk` is not a repository");
    tracker("{ github: { repository: acme/../desk } }", "is not a repository");
    tracker("{ jira: { project: platform, issue_type: Task } }", "`platform` is not a project's key");
    tracker("{}", "a tracker is one of github and jira");
}

/// The findings when harbor has these routes.
fn route_findings(routes: &str) -> String {
    let files = Files::harbor();
    files.write("platforms/harbor/routes.yaml", routes);
    let root = files.folder.path().display().to_string();
    match files.config("sqlite::memory:") {
        Ok(_) => String::new(),
        Err(findings) => findings.to_string().replace(&format!("{root}/platforms/harbor/"), ""),
    }
}

#[test]
fn routes_are_checked() {
    const ROUTES: &str = "default: help\nrules:\n  - when: { keywords: [invoice] }\n    route: help\nroutes:\n  - id: help\n    \
                          name: Help\n    description: Everything.\n";
    #[track_caller]
    fn check(from: &str, to: &str, expected: &str) {
        assert!(ROUTES.contains(from), "{from}");
        let found = route_findings(&ROUTES.replacen(from, to, 1));
        assert!(found.contains(expected), "expected {expected:?} in:\n{found}");
    }
    assert_eq!(route_findings(ROUTES), "");
    check("default: help", "default: hlep", "routes.yaml:1: the route hlep is not in routes\n  hint: there are: help");
    check("route: help", "route: nowhere", "routes.yaml:4: the route nowhere is not in routes");
    check("{ keywords: [invoice] }", "{}", "routes.yaml:3: the rule has no condition");
    check("keywords: [invoice]", "pattern: '(x'", "routes.yaml:3: error: unclosed group");
    check("keywords: [invoice]", "pattern: 'x*'", "routes.yaml:3: the pattern matches everything");
    check("keywords: [invoice]", "channel: nowhere", "routes.yaml:3: the channel nowhere is not in channels");
    check("keywords: [invoice]", "team: carts", "routes.yaml:3: the team carts is not in teams");
    check("keywords: [invoice]", "capability: dns", "routes.yaml:3: the capability dns is not in capabilities");
    check("keywords: [invoice]", "keyword: invoice", "routes.yaml:3: unknown field");
    check("Everything.", "''", "routes.yaml:8: the route help has no description");
    check("Everything.", "All.\n    members: [sma]", "routes.yaml:9: the person sma is not in people");
    check("Everything.", "All.\n    lead: sma", "routes.yaml:9: the person sma is not in people");
    check("Everything.", "All.\n    channel: quay", "routes.yaml:9: the channel quay is not in channels");
    check("Everything.", "All.\n    capabilities: [dns]", "routes.yaml:9: the capability dns is not in capabilities");
    check(
        "Everything.",
        "All.\n    restricted: true",
        "routes.yaml:6: the route help is restricted and has no members",
    );
    check("Everything.", "All.\n    assign: round_robin", "routes.yaml:6: the route help has nobody to give");
    check(
        "Everything.",
        "All.\n  - { id: help, name: H, description: x }",
        "routes.yaml:9: the route help is there twice",
    );
    check("default: help", "team_apis: [gone.yaml]", "gone.yaml: cannot be read");
}

#[test]
fn a_platform_without_routes_has_one() {
    let config = Files::harbor().config("sqlite::memory:").unwrap();
    let routes = &config.platforms[0].routes;
    assert_eq!(routes.routes.len(), 1);
    assert_eq!(routes.get(&routes.default).unwrap().channel, "ask-harbor");
}

#[test]
fn catalogs_and_team_apis_say_who_owns_what() {
    let files = Files::harbor();
    let path = "platforms/harbor/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    files.write(path, text.replace("sources:\n", "catalog: [catalog-info.yaml]\nsources:\n"));
    files.write(
        "platforms/harbor/catalog-info.yaml",
        "kind: Component\nmetadata: { name: cart-db, title: The cart's database }\nspec: { owner: group:default/storage }\n",
    );
    files.write("platforms/harbor/storage.yaml", "name: storage\nchat: '#storage-help'\nservices: [buckets-api]\n");
    files.write(
        "platforms/harbor/routes.yaml",
        "team_apis: [storage.yaml]\nroutes:\n  - { id: desk, name: Desk, description: All. }\n  - { id: storage, name: \
         Storage, description: Disks., owner: storage, capabilities: [databases] }\n",
    );
    let config = files.config("sqlite::memory:").unwrap();
    let routes = &config.platforms[0].routes;
    let owner = |text: &str| routes.owned_in(text).map(|owned| owned.route.as_str());
    assert_eq!(owner("Cart-DB is slow"), Some("storage"));
    assert_eq!(owner("is buckets-api down?"), Some("storage"));
    assert_eq!(owner("is it down?"), None);
    assert_eq!(routes.get("storage").unwrap().channel, "storage-help");
    assert_eq!(routes.of_capability("databases").unwrap().id, "storage");
    assert_eq!(routes.default, "desk");
}

#[test]
fn a_channel_has_one_platform() {
    let files = Files::harbor_and_loom();
    let path = "platforms/loom/platform.yaml";
    let text = std::fs::read_to_string(files.path(path)).unwrap();
    files.write(path, text.replace("ask-loom", "ask-harbor"));
    let found = files.config("sqlite::memory:").unwrap_err().to_string();
    assert!(found.contains("the console channel ask-harbor belongs to harbor and to loom"), "{found}");
}

#[test]
fn the_sample_platform_is_right() {
    let (config, findings) =
        stationmaster::config::Config::load(Some(crate::support::root().join("config/default.toml"))).unwrap();
    assert!(findings.findings.is_empty(), "{findings}");
    assert_eq!(config.platforms.len(), 1);
    let routes = &config.platforms[0].routes;
    assert!((6..=8).contains(&routes.routes.len()));
    for capability in &config.platforms[0].capabilities {
        assert!(routes.of_capability(&capability.id).is_some(), "somebody owns {}", capability.id);
    }
    assert!(routes.get("trust").unwrap().restricted);
}

#[test]
fn digests_need_somebody_who_gets_them_and_a_time() {
    const FILE: &str = "platforms/harbor/platform.yaml";
    #[track_caller]
    fn found(digest: &str, expected: &str) {
        check(FILE, "examples:", &format!("digest:\n{digest}examples:"), expected);
    }
    found("  day: monday\n", "nobody gets this digest");
    found("  to: [nobody]\n", "error: platform.yaml:10: nobody, who gets the digest, is not in people");
    found("  day: someday\n  to: [olga]\n", "platform.yaml:10: `someday` is no day");
    found("  day: mon-fri\n  to: [olga]\n", "`mon-fri` is no day");
    found("  at: \"25:00\"\n  to: [olga]\n", "`25:00` is no time of day");
    found("  channel: owners\n", "the channel owners is not in channels");
    found("  timezone: Europe/Paris\n  to: [olga]\n", "and hours has Europe/Berlin");
    found("  hour: 9\n  to: [olga]\n", "platform.yaml:10");
    assert_eq!(findings(FILE, "examples:", "digest: { day: fri, at: \"16:30\", to: [olga] }\nexamples:"), "");
}
