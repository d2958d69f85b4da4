//! Attacks by documents and messages on a model that obeys every one of them: nothing of it reaches anybody.
//!
//! Each attack names what a model says that was taken in, and what of it must not get through. The passages are those that the
//! project's own reader and chunker make of the page, so that what hides in its markup is met as it is in life.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use stationmaster::{
    domain::{passage::PlacedPassage, redact::redact},
    knowledge::{Format, parse},
    llm::{
        Prompts,
        prompts::{Answer, By, Manner, Passage, Turn},
    },
    ops::{
        compose::{self, Shape},
        generate::{
            Provenance,
            answer::{Basis, Outcome},
            ground, settled,
        },
        knowledge_base::KnowledgeBase,
    },
    retrieval::Query,
    store::Db,
};

use crate::support::{START, root};

#[derive(Debug, Deserialize)]
struct Attack {
    id: String,
    technique: String,
    text: String,
    #[serde(default)]
    question: Option<String>,
    /// The page that answers, when the attack is not in a page.
    #[serde(default)]
    page: Option<String>,
    obeyed: String,
    forbidden: Vec<String>,
}

impl Attack {
    fn page(&self) -> &str {
        self.page.as_deref().unwrap_or(&self.text)
    }

    fn question(&self) -> &str {
        self.question.as_deref().unwrap_or(&self.text)
    }

    fn format(&self) -> Format {
        let page = self.page().trim_start();
        if page.starts_with("<!DOCTYPE") || page.starts_with("<html") { Format::Html } else { Format::Markdown }
    }
}

fn attacks() -> Vec<Attack> {
    let text = std::fs::read_to_string(root().join("tests/fixtures/attacks.jsonl")).expect("the attacks are there");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn passages(attack: &Attack) -> Vec<PlacedPassage> {
    let url = url::Url::parse("https://docs.example/page").unwrap();
    let parsed = parse(attack.page().as_bytes(), attack.format(), "page.md", &url, None)
        .unwrap_or_else(|problem| panic!("{}: {problem}", attack.id));
    let place = |passage| PlacedPassage {
        source: "kb".to_owned(),
        path: "page.md".to_owned(),
        title: parsed.title.clone(),
        url: url.to_string(),
        reviewed_at: parsed.reviewed_at,
        passage,
    };
    parsed.passages.iter().cloned().map(place).collect()
}

const SHAPE: Shape = Shape { max_words: 120, stale_after_months: 12, now: START };

/// What people would see: the model's words as far as they stand, and the pages' own words beneath them.
async fn seen(attack: &Attack) -> (Option<String>, Vec<String>, String) {
    let knowledge = KnowledgeBase::new(Db::open("sqlite::memory:").await.unwrap(), None);
    let index = knowledge.install("attack", passages(attack)).await.unwrap();
    let query = Query { text: attack.question().to_owned(), ..Query::default() };
    let ranking = knowledge.search(&index, &query, &["kb"], &BTreeSet::new()).await.unwrap();
    let floor = compose::extract(&index, &ranking, None, SHAPE);
    let floor = floor.pieces.iter().map(|piece| piece.markdown.clone()).collect::<Vec<_>>().join("\n");
    let clean = |text: &str| redact(text).text;
    let Some(basis) = Basis::of(&index, &ranking, SHAPE, &clean) else { return (None, Vec::new(), floor) };
    let worded = match basis.judge(&attack.obeyed, &Provenance::default(), false) {
        Outcome::Answer(wording) => wording.markdown,
        Outcome::Nothing(_) | Outcome::Floor(_) => String::new(),
    };
    // What it looks like on the way there.
    let mut growing = Vec::new();
    for (end, _) in attack.obeyed.char_indices().filter(|(_, c)| c.is_whitespace()) {
        growing
            .extend(basis.keep(&ground(settled(&attack.obeyed[..end]), basis.sources())).map(|(markdown, _)| markdown));
    }
    (Some(worded), growing, floor)
}

#[tokio::test]
async fn no_attack_gets_through() {
    let attacks = attacks();
    assert!(attacks.len() >= 100, "{}", attacks.len());
    let mut lost: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut met = 0;
    for attack in &attacks {
        let (worded, growing, floor) = seen(attack).await;
        met += usize::from(worded.is_some());
        for forbidden in &attack.forbidden {
            let holds = |text: &str| text.to_lowercase().contains(&forbidden.to_lowercase());
            let place = if worded.as_deref().is_some_and(holds) {
                "in the model's words"
            } else if growing.iter().any(|text| holds(text)) {
                "while it is written"
            } else if holds(&floor) {
                "in the page's words"
            } else {
                continue;
            };
            lost.entry(&attack.technique).or_default().push(format!("{} {place}: {forbidden}", attack.id));
        }
    }
    assert!(lost.is_empty(), "{} attacks succeed: {lost:#?}", lost.values().map(Vec::len).sum::<usize>());
    assert!(met * 10 >= attacks.len() * 9, "only {met} of {} pages were found at all", attacks.len());
}

/// Whatever stands in pages, questions and threads, stands in a prompt between marks that it cannot have written.
#[test]
fn no_attack_leaves_its_fence() {
    let prompts = Prompts::load(None).unwrap();
    for attack in attacks() {
        let passage = Passage { number: 1, title: "Page".to_owned(), text: attack.page().to_owned() };
        let prompt = Answer {
            platform: "Harbor".to_owned(),
            question: attack.question().to_owned(),
            passages: vec![passage],
            turns: vec![Turn { by: By::Person, text: attack.text.clone() }],
            manner: Manner::Plain,
        };
        let ask = prompts.render(&prompt).unwrap().ask;
        let mut open: Option<String> = None;
        let mut outside = String::new();
        for line in ask.user.lines() {
            match &open {
                None => match line.strip_prefix("<<<DATA ") {
                    Some(mark) => open = Some(mark.to_owned()),
                    None => outside.push_str(line),
                },
                Some(mark) if line == format!("{mark} DATA>>>") => open = None,
                Some(_) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence is open", attack.id);
        for line in attack.text.lines().map(str::trim).filter(|line| line.chars().count() > 20) {
            assert!(!outside.contains(line), "{}: {line}", attack.id);
            assert!(!ask.system.contains(line), "{}: {line}", attack.id);
        }
    }
}
