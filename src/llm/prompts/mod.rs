//! Prompts: files that say what a model is asked, and for each of them a type that says what they may speak of.
//!
//! A prompt's file is built in, and replaced by a file of the same name in the installation's folder (`model.prompts`). Its
//! front matter says how it is asked; its parts `# System` and `# User` are templates. Whatever a template prints has to pass a
//! filter that makes it harmless (`fence`); a template that prints a text bare does not load.

mod answer;
mod classify;
mod digest;
mod draft;
mod fence;
mod file;
mod name_theme;
mod rewrite;
mod summarise;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use minijinja::{Environment, Value, value::Serde};
use serde::Serialize;

use self::file::{Head, Template};
pub use self::{
    answer::{Answer, Manner, Worded},
    classify::{Classified, Classify, Kind},
    digest::{Digest, Opening},
    draft::{Draft, Drafted},
    name_theme::{NameTheme, ThemeName},
    rewrite::{Rewrite, Rewritten},
    summarise::{Summarise, Summary},
};
use super::{Ask, ModelError};
use crate::config::{Diagnostics, diagnostics::read_if_there};

/// A prompt: its fields are what its file may speak of.
pub trait Prompt: Serialize {
    /// The file's name without its ending.
    const NAME: &'static str;
    type Output;

    /// Reads what a model said.
    ///
    /// # Errors
    /// `Unusable` when it is not what was asked for.
    fn read(&self, said: &str) -> Result<Self::Output, ModelError>;
}

/// A passage that was found, under the number by which it is cited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passage {
    /// From 1.
    pub number: u32,
    /// The page's title and the headings above the passage.
    pub title: String,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Person,
    Bot,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    pub by: By,
    pub text: String,
}

/// A prompt, ready to be asked.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub ask: Ask,
    /// Names the file as it stood: the first twelve hexadecimal digits of its SHA-256.
    pub hash: String,
}

/// A prompt that is built in, with a sample that its templates are tried on.
struct BuiltIn {
    name: &'static str,
    text: &'static str,
    sample: Value,
}

impl BuiltIn {
    fn of<P: Prompt>(text: &'static str, sample: &P) -> Self {
        Self { name: P::NAME, text, sample: Value::from(Serde(sample)) }
    }

    fn all() -> Vec<Self> {
        vec![
            Self::of(include_str!("../../../prompts/answer.md"), &Answer::sample()),
            Self::of(include_str!("../../../prompts/classify.md"), &Classify::sample()),
            Self::of(include_str!("../../../prompts/digest.md"), &Digest::sample()),
            Self::of(include_str!("../../../prompts/draft.md"), &Draft::sample()),
            Self::of(include_str!("../../../prompts/name_theme.md"), &NameTheme::sample()),
            Self::of(include_str!("../../../prompts/rewrite.md"), &Rewrite::sample()),
            Self::of(include_str!("../../../prompts/summarise.md"), &Summarise::sample()),
        ]
    }
}

/// What is known of a prompt besides its templates.
#[derive(Debug)]
struct Entry {
    head: Head,
    schema: Option<Arc<serde_json::Value>>,
    hash: String,
    /// It came from the installation's folder.
    own: bool,
}

/// All prompts.
#[derive(Debug)]
pub struct Prompts {
    environment: Environment<'static>,
    entries: BTreeMap<&'static str, Entry>,
}

impl Prompts {
    /// Reads all prompts, and tries each on a sample.
    ///
    /// # Errors
    /// Everything that is wrong with them, with file and line.
    pub fn load(folder: Option<&Path>) -> Result<Self, Diagnostics> {
        let mut findings = Diagnostics::default();
        let mut prompts = Self { environment: fence::environment(), entries: BTreeMap::new() };
        let built_in = BuiltIn::all();
        if let Some(folder) = folder {
            strangers(folder, &built_in, &mut findings);
        }
        for prompt in &built_in {
            prompts.add(prompt, folder, &mut findings);
        }
        if findings.findings.is_empty() { Ok(prompts) } else { Err(findings) }
    }

    fn add(&mut self, prompt: &BuiltIn, folder: Option<&Path>, findings: &mut Diagnostics) {
        let file_name = format!("{}.md", prompt.name);
        let own_path = folder.map(|folder| folder.join(&file_name));
        let own = own_path.as_deref().and_then(|path| read_if_there(path, findings));
        let path = own_path.filter(|_| own.is_some()).unwrap_or_else(|| PathBuf::from("prompts").join(&file_name));
        let text = own.as_deref().unwrap_or(prompt.text);
        let Some(parsed) = file::parse(&path, text, findings) else { return };
        let needs_schema = || file::parse(&path, prompt.text, &mut Diagnostics::default())?.head.schema;
        if parsed.head.schema.is_none() && own.is_some() && needs_schema().is_some() {
            let hint = format!("its answer is read as JSON: copy the schema of prompts/{file_name}");
            findings.error(&path, Some(1), "has no schema", hint);
        }
        for (part, template) in [("system", &parsed.system), ("user", &parsed.user)] {
            let name = format!("{}/{part}", prompt.name);
            if let Err(problem) = self.try_out(&name, template, &prompt.sample) {
                findings.error(&path, Some(problem.line), problem.message, problem.hint);
            }
        }
        let schema = parsed.head.schema.clone().map(Arc::new);
        let entry = Entry { head: parsed.head, schema, hash: file::hash(text), own: own.is_some() };
        self.entries.insert(prompt.name, entry);
    }

    /// Keeps a template, if it is one and prints nothing that it may not.
    fn try_out(&mut self, name: &str, template: &Template, sample: &Value) -> Result<(), Problem> {
        let wrong = |error: &minijinja::Error| Problem {
            line: template.line + error.line().map_or(0, |line| line as u64 - 1),
            message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
            hint: fence::advice(error),
        };
        self.environment.add_template_owned(name.to_owned(), template.text.clone()).map_err(|error| wrong(&error))?;
        let compiled = self.environment.get_template(name).map_err(|error| wrong(&error))?;
        let known: Vec<String> = sample.try_iter().into_iter().flatten().map(|key| key.to_string()).collect();
        let mut unknown: Vec<String> = compiled.undeclared_variables(false).into_iter().collect();
        unknown.retain(|variable| !known.contains(variable));
        unknown.sort();
        if let Some(variable) = unknown.first() {
            return Err(Problem {
                line: template.line_of(variable),
                message: format!("unknown variable {variable}"),
                hint: format!("this prompt knows {}", known.join(", ")),
            });
        }
        compiled.render(sample.clone()).map(drop).map_err(|error| wrong(&error))
    }

    /// # Errors
    /// When a template fails after all: with a loop without an end, or in a part that the sample does not reach.
    pub fn render<P: Prompt>(&self, prompt: &P) -> anyhow::Result<Rendered> {
        let entry = self.entries.get(P::NAME).with_context(|| format!("find the prompt {}", P::NAME))?;
        let fields = Value::from(Serde(prompt));
        let part = |part: &str| -> anyhow::Result<String> {
            let template = self.environment.get_template(&format!("{}/{part}", P::NAME))?;
            Ok(template.render(fields.clone())?.trim().to_owned())
        };
        let render = || format!("render the prompt {}", P::NAME);
        let ask = Ask {
            system: format!("{}\n\n{}", part("system").with_context(render)?, fence::MEANING),
            user: part("user").with_context(render)?,
            schema: entry.schema.clone(),
            max_tokens: entry.head.max_tokens,
            temperature: entry.head.temperature,
        };
        Ok(Rendered { ask, hash: entry.hash.clone() })
    }

    /// How many there are, and the names of those that are the installation's own.
    pub fn count(&self) -> (usize, Vec<&'static str>) {
        let own = self.entries.iter().filter(|(_, entry)| entry.own).map(|(name, _)| *name);
        (self.entries.len(), own.collect())
    }
}

struct Problem {
    line: u64,
    message: String,
    hint: String,
}

/// Files that replace nothing: their names are slips of the pen.
fn strangers(folder: &Path, built_in: &[BuiltIn], findings: &mut Diagnostics) {
    let names: Vec<&str> = built_in.iter().map(|prompt| prompt.name).collect();
    let files = match std::fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) => {
            let hint = "set model.prompts to a folder, or leave it empty";
            findings.error(folder, None, format!("cannot be read: {error}"), hint);
            return;
        }
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_prompt = path.extension().is_some_and(|ending| ending == "md") && name != "README";
        if is_prompt && !names.contains(&name.as_ref()) {
            findings.error(&path, None, "is the name of no prompt", format!("there are {}", names.join(", ")));
        }
    }
}

/// Refuses a text that is empty or longer than can be meant, in characters.
fn bounded(what: &str, text: &str, most: usize) -> Result<String, ModelError> {
    let text = no_longer(what, text, most)?;
    if text.is_empty() {
        return Err(ModelError::Unusable(format!("its {what} is empty")));
    }
    Ok(text)
}

/// As [`bounded`]; it may be empty. Control characters, which no store and no chat system has a use for, are left out.
fn no_longer(what: &str, text: &str, most: usize) -> Result<String, ModelError> {
    if text.chars().nth(most).is_some() {
        return Err(ModelError::Unusable(format!("its {what} has more than {most} characters")));
    }
    let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    Ok(kept.trim().to_owned())
}

/// A text on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
