//! `stationmaster eval`: figures on labelled files, for development and for choosing settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value as Json;
use url::Url;

use super::{eval_clusters, eval_grounding, eval_routes, eval_similar};
use crate::{
    clock::{Clock as _, SystemClock},
    config::{self, Diagnostics, Server},
    domain::{
        audience::Audience,
        passage::{BlockKind, Passage, PassageBlock, PlacedPassage},
    },
    knowledge::{
        self,
        sources::{self, Limits},
    },
    llm::{self, Classifier, Confusion, Example, Guess, prompts::Prompts},
    ops::{
        compose::Shape,
        evaluate::{self, Conditions, CorpusLine},
        evaluate_words::Wordsmith,
        json_lines::json_lines,
        knowledge_base::KnowledgeBase,
        understand,
    },
    retrieval::Gate,
    store::Db,
};

#[derive(Debug, Args)]
pub struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Ask labelled questions of a folder of pages, or of a BEIR corpus
    Answers(Answers),
    /// Guess the kind of labelled messages
    Messages(Messages),
    /// Route labelled requests
    Routes(eval_routes::Arguments),
    /// Compare labelled pairs of requests
    Similar(eval_similar::Arguments),
    /// The check of generated sentences, against labelled pairs of sentence and passage
    Grounding(eval_grounding::Grounding),
    /// Group labelled questions by meaning, and match published answers
    Clusters(eval_clusters::Arguments),
}

#[derive(Debug, Args)]
struct Messages {
    /// Messages as JSON lines with text and label
    #[arg(long = "messages", value_name = "FILE", required_unless_present = "cross_validate")]
    file: Option<PathBuf>,
    /// Measure on the training examples themselves, each fold guessed by a classifier that has not seen it
    #[arg(long)]
    cross_validate: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Keep vectors in this SQLite file instead of computing them each time
    #[arg(long, value_name = "FILE", default_value = "data/eval.sqlite")]
    cache: PathBuf,
    /// Print each message that was guessed wrong
    #[arg(long)]
    wrong: bool,
}

#[derive(Debug, Args)]
struct Answers {
    /// Folder of pages, or a folder with a BEIR corpus.jsonl
    #[arg(long, value_name = "DIR")]
    kb: PathBuf,
    /// Questions as JSON lines
    #[arg(long, value_name = "FILE")]
    questions: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write how each question went to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    details: Option<PathBuf>,
    /// Keep vectors in this SQLite file instead of computing them each time
    #[arg(long, value_name = "FILE", default_value = "data/eval.sqlite")]
    cache: PathBuf,
    /// Hide the pages that answer each question: every question becomes unanswerable
    #[arg(long)]
    hide_relevant: bool,
    /// Have the configured language model word the answers, and measure its words too; each question is paid for
    #[arg(long)]
    with_model: bool,
}

pub async fn run(config: Option<PathBuf>, eval: Eval) -> anyhow::Result<ExitCode> {
    let mut findings = Diagnostics::default();
    let Some(server) = Server::load(config, &mut findings) else { anyhow::bail!("{findings}") };
    match eval.what {
        What::Answers(arguments) => answers(&server, arguments).await,
        What::Messages(arguments) => messages(&server, arguments).await,
        What::Routes(arguments) => eval_routes::run(&server, arguments).await,
        What::Grounding(arguments) => eval_grounding::run(&arguments),
        What::Similar(arguments) => eval_similar::run(&server, arguments).await,
        What::Clusters(arguments) => eval_clusters::run(&server, arguments).await,
    }
}

async fn answers(server: &Server, arguments: Answers) -> anyhow::Result<ExitCode> {
    let questions = evaluate::read_questions(&arguments.questions)?;
    let passages = if arguments.kb.join("corpus.jsonl").exists() {
        read_corpus(&arguments.kb.join("corpus.jsonl"))?
    } else {
        read_folder(server, &arguments.kb).await?
    };
    anyhow::ensure!(!passages.is_empty(), "{} holds no readable page", arguments.kb.display());
    let db = Db::open(&format!("sqlite:{}", arguments.cache.display())).await?;
    let knowledge = KnowledgeBase::new(db, llm::embedder(&server.embeddings)?);
    let bar = super::progress_bar("Computing vectors");
    knowledge
        .embed(&passages, &|done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        })
        .await?;
    bar.finish_and_clear();
    let index = knowledge.install("eval", passages).await?;
    let shape = Shape {
        max_words: server.answers.max_words,
        stale_after_months: server.answers.stale_after_months,
        now: SystemClock.now(),
    };
    let prompts = Prompts::load(server.model.prompts_folder()).map_err(|findings| anyhow::anyhow!("{findings}"))?;
    let words = if arguments.with_model {
        let model = llm::model(&server.model, &server.network, Arc::new(SystemClock))?;
        let model = model.context("no language model is configured: set model.kind, as config/default.toml shows")?;
        Some(Wordsmith { model, prompts: &prompts, settings: &server.model })
    } else {
        None
    };
    let conditions = Conditions { shape, hide_relevant: arguments.hide_relevant, words };
    let outcomes = evaluate::ask_all(&knowledge, &index, &Gate::default(), &questions, &conditions).await?;
    if let Some(path) = &arguments.details {
        let mut text = String::new();
        for outcome in &outcomes {
            text.push_str(&serde_json::to_string(outcome).context("write an outcome")?);
            text.push('\n');
        }
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    let figures = if arguments.with_model {
        evaluate::figures_with_model(&questions, &outcomes, &server.model.currency)
    } else {
        evaluate::figures(&questions, &outcomes)
    };
    if arguments.json {
        super::out!("{figures}");
    } else {
        print_figures(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

async fn messages(server: &Server, arguments: Messages) -> anyhow::Result<ExitCode> {
    let labelled = arguments.file.as_deref().map(json_lines::<Example>).transpose()?;
    let db = Db::open(&format!("sqlite:{}", arguments.cache.display())).await?;
    let knowledge = KnowledgeBase::new(db, llm::embedder(&server.embeddings)?);
    let examples = understand::read_examples(&server.messages.examples)?;
    let training = understand::with_vectors(&knowledge, examples).await?;
    let mut confusion = Confusion::default();
    let mut report = |example: &Example, guess: &Guess| {
        confusion.add(example.kind, guess.kind());
        if arguments.wrong && guess.kind() != example.kind {
            super::out!("{} guessed {}: {}", example.kind.id(), guess.kind().id(), example.text.replace('\n', " "));
        }
    };
    if let Some(labelled) = labelled {
        let classifier = Classifier::train(&training);
        for (example, vectors) in understand::with_vectors(&knowledge, labelled).await? {
            report(&example, &classifier.classify(&example.text, &vectors));
        }
    } else {
        const FOLDS: usize = 5;
        for fold in 0..FOLDS {
            let rest: Vec<_> =
                training.iter().enumerate().filter(|(n, _)| n % FOLDS != fold).map(|(_, e)| e.clone()).collect();
            let classifier = Classifier::train(&rest);
            for (example, vectors) in training.iter().skip(fold).step_by(FOLDS) {
                report(example, &classifier.classify(&example.text, vectors));
            }
        }
    }
    let figures = evaluate::message_figures(&confusion);
    if arguments.json {
        super::out!("{figures}");
    } else {
        print_figures(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print_figures(figures: &Json) {
    let Some(figures) = figures.as_object() else { return };
    for (name, value) in figures {
        super::out!("{name:>24}  {value}");
    }
}

/// Every page of a folder, as a source would read it.
async fn read_folder(server: &Server, folder: &Path) -> anyhow::Result<Vec<PlacedPassage>> {
    let source = config::Source {
        id: "kb".to_owned(),
        kind: config::SourceKind::Folder { path: folder.to_owned() },
        base_url: None,
        audience: Audience::Everyone,
    };
    let limits = Limits {
        max_page_bytes: server.knowledge.max_page_bytes,
        cache_folder: server.knowledge.cache_folder.clone(),
        timeout: Duration::from_secs(server.knowledge.timeout_seconds),
    };
    let fetched = sources::fetch("eval", &source, &BTreeMap::new(), None, &limits, &|_| {}).await?;
    for (path, problem) in &fetched.problems {
        eprintln!("passed over {path}: {problem}");
    }
    let base = Url::parse("https://kb.invalid/").context("build an address")?;
    let mut passages = Vec::new();
    for page in fetched.pages {
        let url = sources::page_url(&base, &page.path, fetched.links);
        match knowledge::parse(&page.bytes, page.format, &page.path, &url, page.title.as_deref()) {
            Ok(parsed) => passages.extend(parsed.passages.into_iter().map(|passage| PlacedPassage {
                source: "kb".to_owned(),
                path: page.path.clone(),
                title: parsed.title.clone(),
                url: url.to_string(),
                reviewed_at: parsed.reviewed_at,
                passage,
            })),
            Err(problem) => eprintln!("passed over {}: {problem}", page.path),
        }
    }
    Ok(passages)
}

/// A BEIR corpus: each document is a page.
fn read_corpus(path: &Path) -> anyhow::Result<Vec<PlacedPassage>> {
    let lines: Vec<CorpusLine> = json_lines(path)?;
    let base = Url::parse("https://kb.invalid/").context("build an address")?;
    Ok(lines
        .into_iter()
        .flat_map(|line| {
            let mut passages = knowledge::chunk::split(&line.text, Some(&line.title), &base).passages;
            if passages.is_empty() {
                let units = vec![line.title.clone()];
                let block = PassageBlock { kind: BlockKind::Paragraph, markdown: line.title.clone(), units };
                passages.push(Passage { headings: Vec::new(), anchor: String::new(), blocks: vec![block] });
            }
            passages.into_iter().map(move |passage| PlacedPassage {
                source: "kb".to_owned(),
                path: line.id.clone(),
                title: line.title.clone(),
                url: line.id.clone(),
                reviewed_at: None,
                passage,
            })
        })
        .collect())
}
