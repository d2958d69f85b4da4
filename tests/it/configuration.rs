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
