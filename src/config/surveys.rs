//! `surveys/*.yaml` of a platform: a few questions of fixed wording, now and then, to some of those who use it.

use std::{collections::BTreeSet, path::Path, time::Duration};

use jiff::civil::Date;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Diagnostics, diagnostics::parse_yaml};
use crate::domain::{embedding::TextHash, instrument};

/// As many as every chat system shows in one form.
const MOST_QUESTIONS: usize = 5;
const SMALLEST_GROUP: i64 = 3;

/// A survey, validated.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The file's name without its ending.
    pub id: String,
    pub title: String,
    /// Version and a mark of the words: whoever changes a word begins a new series.
    pub wording: String,
    pub starts: Date,
    /// From the beginning of a round to that of the next; `None`: there is one round.
    pub every: Option<Duration>,
    /// How long a round can be answered.
    pub open_for: Duration,
    pub sample: Sample,
    /// When those who have not answered are reminded, once.
    pub remind_after: Option<Duration>,
    /// Results of fewer people are not shown.
    pub smallest_group: i64,
    pub questions: Vec<Question>,
}

/// How many of the people who use the platform are asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    People(usize),
    /// 0 to 1.
    Share(f64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub id: String,
    pub kind: QuestionKind,
    pub text: String,
}

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// 1 (strongly disagree) to 7 (strongly agree).
    Agreement,
    /// The effort question, in its fixed wording: 1 to 7.
    Effort,
    /// The recommendation question, in its fixed wording: 0 to 10.
    Recommendation,
    /// A few words.
    Text,
}

impl QuestionKind {
    /// The lowest and highest score; none for words.
    pub const fn range(self) -> Option<(i64, i64)> {
        match self {
            Self::Agreement | Self::Effort => Some((1, 7)),
            Self::Recommendation => Some((0, 10)),
            Self::Text => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SurveyFile {
    title: Spanned<String>,
    version: Spanned<u32>,
    starts: Spanned<String>,
    every: Option<Spanned<String>>,
    open_for: Spanned<String>,
    sample: Spanned<String>,
    remind_after: Option<Spanned<String>>,
    smallest_group: Option<Spanned<i64>>,
    questions: Vec<QuestionFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionFile {
    id: Spanned<String>,
    kind: Spanned<QuestionKind>,
    text: Option<Spanned<String>>,
}

/// Reads every survey in the folder; a missing folder means there are none.
pub(super) fn load(folder: &Path, platform: &str, findings: &mut Diagnostics) -> Vec<Survey> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"))
        .collect();
    files.sort();
    files.iter().filter_map(|file| load_one(file, platform, findings)).collect()
}

fn load_one(file: &Path, platform: &str, findings: &mut Diagnostics) -> Option<Survey> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            findings.error(file, None, format!("cannot be read: {error}"), "it must be a UTF-8 text file");
            return None;
        }
    };
    let parsed: SurveyFile = parse_yaml(file, &text, 1, findings)?;
    let mut checker = Checker { file, findings, sound: true };
    let survey = checker.survey(file.file_stem()?.to_string_lossy().into_owned(), platform, parsed);
    survey.filter(|_| checker.sound)
}

struct Checker<'a> {
    file: &'a Path,
    findings: &'a mut Diagnostics,
    sound: bool,
}

impl Checker<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.sound = false;
        self.findings.error(self.file, Some(at.referenced.line()), message, hint);
    }

    fn survey(&mut self, id: String, platform: &str, file: SurveyFile) -> Option<Survey> {
        let open_for = self.time(&file.open_for)?;
        let every = match &file.every {
            Some(every) => Some(self.time(every)?),
            None => None,
        };
        if let (Some(length), Some(every)) = (every, &file.every)
            && length < open_for
        {
            self.error(every, "a round would begin before the last one ended", "make every longer than open_for");
        }
        let remind_after = match &file.remind_after {
            Some(after) => Some(self.time(after)?),
            None => None,
        };
        if let (Some(length), Some(after)) = (remind_after, &file.remind_after)
            && length >= open_for
        {
            self.error(after, "the reminder would come after the end", "make it shorter than open_for");
        }
        let Ok(starts) = file.starts.value.parse::<Date>() else {
            self.error(&file.starts, "starts is not a date", "write 2027-01-31");
            return None;
        };
        let smallest_group = file.smallest_group.as_ref().map_or(5, |group| group.value);
        if smallest_group < SMALLEST_GROUP {
            let at = file.smallest_group.as_ref()?;
            let hint = format!("the results of so few people would show who said what; write {SMALLEST_GROUP} or more");
            self.error(at, format!("smallest_group is {smallest_group}"), hint);
        }
        let sample = self.sample(&file.sample)?;
        let questions = self.questions(&file.title, platform, file.questions)?;
        let words: Vec<String> =
            questions.iter().map(|question| format!("{} {:?} {}", question.id, question.kind, question.text)).collect();
        let mark = TextHash::of(&words.join("\n")).to_string();
        Some(Survey {
            id,
            title: file.title.value,
            wording: format!("{}-{}", file.version.value, &mark[..8]),
            starts,
            every,
            open_for,
            sample,
            remind_after,
            smallest_group,
            questions,
        })
    }

    fn questions(
        &mut self,
        title: &Spanned<String>,
        platform: &str,
        files: Vec<QuestionFile>,
    ) -> Option<Vec<Question>> {
        if files.is_empty() || files.len() > MOST_QUESTIONS {
            let hint = "chat systems show five fields at once, and people answer short surveys";
            self.error(
                title,
                format!("the survey has {} questions; 1 to {MOST_QUESTIONS} can be asked", files.len()),
                hint,
            );
            return None;
        }
        let mut ids = BTreeSet::new();
        let mut questions = Vec::new();
        for file in files {
            if !ids.insert(file.id.value.clone()) {
                self.error(&file.id, format!("the question {} is there twice", file.id.value), "give each its own id");
            }
            let text = match (file.kind.value, &file.text) {
                (QuestionKind::Effort, None) => instrument::effort_statement(platform),
                (QuestionKind::Recommendation, None) => instrument::recommendation_question(platform),
                (QuestionKind::Effort | QuestionKind::Recommendation, Some(text)) => {
                    self.error(
                        text,
                        "the wording of this kind of question is fixed",
                        "leave text out, or use agreement",
                    );
                    continue;
                }
                (QuestionKind::Agreement | QuestionKind::Text, None) => {
                    self.error(&file.id, format!("the question {} has no text", file.id.value), "write what is asked");
                    continue;
                }
                (QuestionKind::Agreement | QuestionKind::Text, Some(text)) => text.value.trim().to_owned(),
            };
            questions.push(Question { id: file.id.value, kind: file.kind.value, text });
        }
        Some(questions)
    }

    /// `14d` or `13w`.
    fn time(&mut self, text: &Spanned<String>) -> Option<Duration> {
        let (number, days) = match text.value.trim() {
            weeks if weeks.ends_with('w') => (weeks.trim_end_matches('w'), 7),
            days => (days.trim_end_matches('d'), 1),
        };
        let count = number.parse::<u64>().ok().filter(|count| (1..=1000).contains(count));
        if count.is_none() || !text.value.trim().ends_with(['d', 'w']) {
            self.error(text, format!("{} is no length of time", text.value), "write 14d or 13w");
            return None;
        }
        count.map(|count| Duration::from_hours(24 * days * count))
    }

    fn sample(&mut self, text: &Spanned<String>) -> Option<Sample> {
        let share = text.value.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
        let sample = match share {
            Some(percent) if percent > 0.0 && percent <= 100.0 => Some(Sample::Share(percent / 100.0)),
            Some(_) => None,
            None => text.value.trim().parse().ok().filter(|people| *people > 0).map(Sample::People),
        };
        if sample.is_none() {
            self.error(text, format!("{} is no sample", text.value), "write a number of people, or a share as in 25%");
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "title: Pulse\nversion: 1\nstarts: 2026-11-30\nevery: 13w\nopen_for: 14d\nsample: 25%\n\
                        questions:\n  - {id: ease, kind: effort}\n  - {id: change, kind: text, text: What first?}\n";

    fn read(text: &str) -> (Option<Survey>, String) {
        let mut findings = Diagnostics::default();
        let parsed = parse_yaml::<SurveyFile>(Path::new("pulse.yaml"), text, 1, &mut findings);
        let survey = parsed.and_then(|parsed| {
            let mut checker = Checker { file: Path::new("pulse.yaml"), findings: &mut findings, sound: true };
            checker.survey("pulse".to_owned(), "Harbor", parsed).filter(|_| checker.sound)
        });
        (survey, findings.to_string())
    }

    #[test]
    fn a_survey_is_read() {
        let (survey, findings) = read(GOOD);
        let survey = survey.expect(&findings);
        assert_eq!(survey.questions[0].text, "Harbor made it easy for me to handle my issue.");
        assert_eq!((survey.every, survey.sample), (Some(Duration::from_hours(24 * 91)), Sample::Share(0.25)));
        let (other, _) = read(&GOOD.replace("What first?", "What next?"));
        assert_ne!(survey.wording, other.expect("it is as good").wording, "a changed word is another series");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        #[track_caller]
        fn check(from: &str, to: &str, expected: &str) {
            let (survey, findings) = read(&GOOD.replace(from, to));
            assert!(survey.is_none(), "{to}");
            assert!(findings.contains(expected), "{findings}");
        }
        check("13w", "1w", "a round would begin before the last one ended");
        check("13w", "13", "is no length of time");
        check("2026-11-30", "soon", "starts is not a date");
        check("25%", "0%", "is no sample");
        check("25%", "all", "is no sample");
        check("kind: effort", "kind: effort, text: How hard?", "the wording of this kind of question is fixed");
        check("text: What first?", "", "has no text");
        check("id: change", "id: ease", "is there twice");
        check("sample:", "smallest_group: 2\nsample:", "smallest_group is 2");
    }
}
