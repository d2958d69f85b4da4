//! The service catalogue: files become forms, and the forms fit the chat systems.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};
use stationmaster::{
    chat::{Capabilities, FormFieldKind, Platform as _},
    config::{Diagnostics, Platform, platform},
    console::{self, Console},
    discord, domain,
    domain::{
        ids::ActionId,
        service::{Fulfilment, Service, WorkKind, form::Typed},
    },
    ops::forms::{self, Directory, Shown},
    slack,
};

use crate::support::{Files, root, validate};

fn load(folder: &Path) -> (Vec<Platform>, Diagnostics) {
    let mut findings = Diagnostics::default();
    let platforms = platform::load_all(folder, &mut findings);
    (platforms, findings)
}

fn trellis() -> Platform {
    let (mut platforms, findings) = load(&root().join("config/platforms"));
    assert!(findings.findings.is_empty(), "{findings}");
    platforms.retain(|platform| platform.id == "trellis");
    platforms.pop().expect("the sample platform")
}

/// The pages of a service for what is typed into each field: its first option, its default, or a word.
fn pages(service: &Service, shown: Shown<'_>, known: &[(&str, &str)]) -> Vec<forms::Page> {
    let mut typed = Typed::new();
    let mut pages = Vec::new();
    while let Some(page) = forms::next_page(&service.form, &typed, shown) {
        for field in &page.fields {
            let first = match &field.kind {
                FormFieldKind::Choice { options } | FormFieldKind::Many { options, .. } => options[0].0.clone(),
                _ => String::new(),
            };
            let given = known.iter().find(|(id, _)| *id == field.id).map(|(_, value)| (*value).to_owned());
            typed.insert(field.id.clone(), given.or_else(|| field.value.clone()).unwrap_or(first));
        }
        pages.push(page);
    }
    pages
}

#[track_caller]
fn check_pages(id: &str, capabilities: Capabilities, known: &[(&str, &str)], expected: &[&[&str]]) {
    let platform = trellis();
    let directory = Directory::of(&platform);
    let service = platform.service(id).expect("the service is there");
    let pages = pages(service, Shown { capabilities, directory: &directory }, known);
    let ids: Vec<Vec<&str>> =
        pages.iter().map(|page| page.fields.iter().map(|field| field.id.as_str()).collect()).collect();
    assert_eq!(ids, expected);
    let last: Vec<bool> = pages.iter().map(|page| page.last).collect();
    assert_eq!(last.iter().filter(|last| **last).count(), 1, "{last:?}");
    assert_eq!(last.last(), Some(&true));
}

#[test]
fn a_branch_comes_on_the_page_after_its_choice() {
    let slack = slack::CAPABILITIES;
    let all = ["service", "name", "version", "size", "extensions", "needed_by"];
    // `last` is said only where nothing can follow, so the form without the branch ends on the page before.
    let platform = trellis();
    let directory = Directory::of(&platform);
    let shown = Shown { capabilities: slack, directory: &directory };
    let postgres = platform.service("postgres").expect("the service");
    let first = forms::next_page(&postgres.form, &Typed::new(), shown).expect("a page");
    assert_eq!(first.fields.iter().map(|field| field.id.as_str()).collect::<Vec<_>>(), all);
    assert!(!first.last, "a large size asks for a reason");
    check_pages("postgres", slack, &[("size", "db.large")], &[&all, &["reason"]]);
    check_pages(
        "new-service",
        slack,
        &[("kind", "consumer")],
        &[&["name", "owner", "summary", "language"], &["kind", "replicas"], &["topics"]],
    );
    check_pages(
        "new-service",
        slack,
        &[("kind", "job")],
        &[&["name", "owner", "summary", "language"], &["kind", "replicas"], &["schedule"]],
    );
}

#[test]
fn pages_hold_what_the_chat_system_takes() {
    check_pages(
        "postgres",
        discord::CAPABILITIES,
        &[("size", "db.medium")],
        &[&["service", "name", "version", "size"], &["reason", "extensions", "needed_by"]],
    );
    let topic = ["topic", "stage", "rate", "event_size"];
    check_pages("courier-topic-rate", discord::CAPABILITIES, &[], &[&topic, &["owner"]]);
    let whole = ["topic", "stage", "rate", "event_size", "owner"];
    check_pages("courier-topic-rate", Console.capabilities(), &[], &[&whole]);
}

#[test]
fn what_a_chat_system_lacks_falls_back() {
    #[track_caller]
    fn check(id: &str, capabilities: Capabilities, expected: &[(&str, &str)]) {
        let platform = trellis();
        let directory = Directory::of(&platform);
        let shown = Shown { capabilities, directory: &directory };
        let found = forms::fallbacks(&platform.service(id).expect("the service").form, shown);
        let found: Vec<(&str, &str)> =
            found.iter().map(|fallback| (fallback.field.as_str(), fallback.instead.as_str())).collect();
        assert_eq!(found, expected);
    }
    check("namespace-quota", slack::CAPABILITIES, &[]);
    check(
        "namespace-quota",
        discord::CAPABILITIES,
        &[
            ("cpu", "a line of text that must be a number"),
            ("memory", "a line of text that must be a number"),
            ("until", "a line of text that must be a day"),
        ],
    );
    let bare = Capabilities { max_form_options: 0, form_people: false, ..discord::CAPABILITIES };
    check(
        "join-trellis",
        bare,
        &[
            ("first_maintainer", "a line of text with a person's id"),
            ("second_maintainer", "a line of text with a person's id"),
            ("cost_owner", "a line of text with a person's id"),
            ("on_call", "a line of text that is held against the list of options"),
        ],
    );
}

#[test]
fn errors_come_back_on_their_page() {
    let platform = trellis();
    let directory = Directory::of(&platform);
    let shown = Shown { capabilities: discord::CAPABILITIES, directory: &directory };
    let service = platform.service("courier-topic-rate").expect("the service");
    let typed: Typed =
        [("topic", "orders"), ("stage", "prod"), ("rate", "50"), ("event_size", ""), ("owner", "checkout")]
            .map(|(id, value)| (id.to_owned(), value.to_owned()))
            .into();
    let page: BTreeSet<String> = typed.keys().cloned().collect();
    let errors = forms::page_errors(&service.form, &typed, &page);
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["rate", "topic"]);
    assert_eq!(errors["rate"], "Must be 20 or less.");
    let wrong = service.form.validate(&typed).expect_err("two mistakes");
    let mend = forms::mend_page(&service.form, &typed, &wrong, shown);
    let filled: Vec<(&str, Option<&str>)> =
        mend.fields.iter().map(|field| (field.id.as_str(), field.value.as_deref())).collect();
    assert_eq!(filled, [("topic", Some("orders")), ("rate", Some("50"))]);
    // The page alone is judged, not what is still to come.
    let first: Typed = typed.into_iter().filter(|(id, _)| id == "stage").collect();
    assert!(forms::page_errors(&service.form, &first, &BTreeSet::from(["stage".to_owned()])).is_empty());
}

#[test]
fn the_sample_catalogue_says_what_its_files_say() {
    let platform = trellis();
    let ids: Vec<&str> = platform.services.iter().map(|service| service.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "courier-topic-rate",
            "freeze-exception",
            "join-trellis",
            "namespace-quota",
            "new-service",
            "partner-connection",
            "postgres"
        ]
    );
    let service = |id: &str| platform.service(id).expect("the service is there");
    let new = service("new-service");
    assert_eq!((new.name.as_str(), new.capability.as_deref()), ("A new service", Some("runtime")));
    assert_eq!((new.work, &new.fulfilment), (WorkKind::Project, &Fulfilment::People { route: None }));
    assert!(new.policy.approval.as_ref().is_some_and(|approval| approval.team_lead));
    let postgres = service("postgres");
    let values = json!({ "size": "db.medium" });
    let cost = postgres.cost.as_ref().map(|cost| cost.of(values.as_object().expect("an object")));
    assert_eq!(
        (cost, postgres.policy.approvers_needed(cost), postgres.policy.approvers_needed(Some(95))),
        (Some(310), 1, 0)
    );
    let dana = domain::people::Person::stranger("dana", "Dana");
    let topic = service("courier-topic-rate");
    assert!(topic.policy.may_ask("trellis", &dana, Some("ask-trellis")));
    assert!(!topic.policy.may_ask("trellis", &dana, None));
}

/// Every page of every service, as the chat systems' own schemas want them.
#[test]
fn forms_fit_the_chat_systems() {
    let platform = trellis();
    let directory = Directory::of(&platform);
    let action = ActionId::from_uuid(uuid::Uuid::from_u128(7));
    let (mut to_slack, mut to_discord) = (Vec::new(), Vec::new());
    let request = |url: &str, body: &Value| {
        json!({ "method": "POST", "url": url, "ct": "application/json", "body": body.to_string() }).to_string()
    };
    for service in &platform.services {
        for page in pages(service, Shown { capabilities: slack::CAPABILITIES, directory: &directory }, &[]) {
            let view = slack::render::form(&page.form(action, service));
            to_slack.push(request("/api/views.open", &json!({ "trigger_id": "1.2.3", "view": view })));
        }
        for page in pages(service, Shown { capabilities: discord::CAPABILITIES, directory: &directory }, &[]) {
            let form = page.form(action, service);
            let typed = discord::forms::pages(&form).len();
            assert!(typed <= 1, "a page is one modal at most");
            let callback = "/api/v10/interactions/1/token/callback";
            if typed == 1 {
                let modal = discord::forms::modal(&form, 0, &Typed::new(), false);
                to_discord.push(request(callback, &json!({ "type": 9, "data": modal })));
            }
            if !discord::forms::choices(&form).is_empty() {
                let message = discord::forms::chooser(&form, &Typed::new());
                to_discord.push(request(callback, &json!({ "type": 4, "data": message })));
            }
        }
        for page in pages(service, Shown { capabilities: Console.capabilities(), directory: &directory }, &[]) {
            let shown = console::render::form(&page.form(action, service));
            assert!(shown["fields"].as_array().is_some_and(|fields| !fields.is_empty()), "{shown}");
        }
    }
    validate::record(&to_slack, "validate-slack.py", Some("slack-requests.schema.json"));
    validate::record(&to_slack, "validate-blocks.py", None);
    validate::record(&to_discord, "validate-discord.py", Some("discord-openapi.json"));
}

const SERVICE: &str = "name: A bucket
summary: Somewhere to put things.
capability: databases
fields:
  - {id: size, label: Size, type: choice, options: {small: S, large: L}, default: small}
  - id: reason
    label: Why?
    type: paragraph
    when: {size: large}
cost: {size: {small: 1, large: 9}, currency: EUR}
approval: {people: [olga], expires: 3d}
fulfilment:
  github_workflow: {repository: a/b, workflow: x.yaml, inputs: {size: \"${{ parameters.size }}\"}}
";

/// What is found in the short form above once `from` is replaced by `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    let files = Files::harbor();
    assert!(SERVICE.contains(from), "{from}");
    files.write("platforms/harbor/catalog/bucket.yaml", SERVICE.replacen(from, to, 1));
    let (_, findings) = load(&files.path("platforms"));
    let prefix = files.path("platforms/harbor/catalog/").display().to_string();
    let found = findings.to_string().replace(&prefix, "");
    if expected.is_empty() {
        assert_eq!(found, "");
    } else {
        assert!(found.contains(expected), "expected {expected:?} in:\n{found}");
    }
}

#[test]
fn mistakes_in_a_service_are_named() {
    check("name: A bucket", "name: A bucket", "");
    check("name: A bucket", "kind: Thing\nname: A bucket", "error: bucket.yaml:1: Thing is not a kind of file");
    check("capability: databases", "capability: db", "error: bucket.yaml:3: db is not a capability of the platform");
    check("label: Size", "label: Size, colour: red", "error: bucket.yaml:5: ");
    check("type: choice", "type: chioce", "error: bucket.yaml:5: ");
    check("type: choice", "type: choice, pattern: x", "bucket.yaml:5: pattern means nothing for this type of field");
    check("options: {small: S, large: L}, ", "", "bucket.yaml:5: there is nothing to choose from");
    check("id: reason", "id: size", "bucket.yaml:6: the field size is there twice");
    check("id: reason", "id: api_token", "bucket.yaml:6: api_token asks for a secret");
    check("when: {size: large}", "when: {sise: large}", "bucket.yaml:6: reason depends on sise");
    check("large: 9", "huge: 9", "bucket.yaml:10: huge is not an option of size");
    check("{size: {small: 1, large: 9}", "{reason: {small: 1}", "bucket.yaml:10: reason is not a field to choose in");
    check(", currency: EUR", "", "bucket.yaml:10: the cost has no currency");
    check("[olga]", "[nobody]", "bucket.yaml:11: nobody is not in people");
    check("people: [olga], ", "", "bucket.yaml:11: nobody may agree");
    check("people: [olga]", "people: [olga], count: 2", "2 people must agree, but only 1 are named");
    check("expires: 3d", "expires: soon", "bucket.yaml:11: `soon` is not a time");
    check("parameters.size", "parameters.sise", "bucket.yaml:13: the form has no field sise");
    check("${{ parameters.size }}", "${{ steps.x }}", "bucket.yaml:13: `steps.x` is not understood");
    check("repository: a/b", "repository: b", "bucket.yaml:13: not a repository");
    check(
        "github_workflow: {repository: a/b, workflow: x.yaml, inputs: {size: \"${{ parameters.size }}\"}}",
        "webhook: {url: ftp://x, secret_env: secret}",
        "bucket.yaml:13: `ftp://x` is not a web address",
    );
    check(
        "github_workflow: {repository: a/b, workflow: x.yaml, inputs: {size: \"${{ parameters.size }}\"}}",
        "webhook: {url: https://x.example, secret_env: secret}",
        "bucket.yaml:13: not the name of an environment variable",
    );
}

#[test]
fn templates_of_backstage_are_read_and_their_lines_named() {
    #[track_caller]
    fn check(parameters: &str, side: &str, expected: &str) {
        let files = Files::harbor();
        let text = format!(
            "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata:\n  name: lib\n  title: A library\nspec:\n  \
             parameters:\n{parameters}\n  steps:\n    - id: x\n      input: ${{{{ anything | upper }}}}\n"
        );
        files.write("platforms/harbor/catalog/lib.yaml", text);
        if !side.is_empty() {
            files.write("platforms/harbor/catalog/lib.policy.yaml", side);
        }
        files.write(
            "platforms/harbor/platform.yaml",
            format!(
                "{}\nbackstage: {{base_url: https://portal.example, token_env: PORTAL_TOKEN}}\n",
                std::fs::read_to_string(root().join("tests/fixtures/harbor/platform.yaml")).unwrap()
            ),
        );
        let (platforms, findings) = load(&files.path("platforms"));
        let prefix = files.path("platforms/harbor/catalog/").display().to_string();
        let found = findings.to_string().replace(&prefix, "");
        if !expected.is_empty() {
            assert!(found.contains(expected), "expected {expected:?} in:\n{found}");
            return;
        }
        assert_eq!(found, "");
        let service = platforms[0].service("lib").expect("the service");
        let template_ref = "template:default/lib".to_owned();
        let (base_url, token_env) = ("https://portal.example".to_owned(), "PORTAL_TOKEN".to_owned());
        assert_eq!(service.fulfilment, Fulfilment::Backstage { base_url, template_ref, token_env });
    }
    let one = "    properties:\n      name: {type: string}";
    check(one, "", "");
    check(one, "capability: databases\nwho: {roles: [support]}\n", "");
    check(one, "capability: nothing\n", "error: lib.policy.yaml:1: nothing is not a capability");
    check(one, "steps: []\n", "error: lib.policy.yaml:1: ");
    let pages = "    - title: One\n      properties:\n        b: {type: string}\n        a:\n          type: string\n          ui:widget: password";
    check(pages, "", "error: lib.yaml:11: a asks for a secret");
    check(
        "    - title: One\n      properties:\n        b:\n          type: strng",
        "",
        "error: lib.yaml:11: not a JSON Schema",
    );
    check(
        "    - title: One\n      properties:\n        b:\n          ui:field: Moon",
        "",
        "warning: lib.yaml:10: the field extension Moon",
    );
    check("    - title: One", "", "error: lib.yaml:6: the form asks for nothing");
}
