//! Published answers: written for a gap or on their own, given to whoever asks alike, changed, and retired.

use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
};

use anyhow::Context as _;
use serde_json::json;

use super::{
    Core, Failure, UserError, changed_meanwhile, gaps,
    meaning::{self, meanings},
    record, tended, words,
};
use crate::{
    clock::Timestamp,
    config::Platform,
    domain::{
        cluster::Meaning,
        embedding::TextVectors,
        gap::{GapState, NearPage},
        ids::CuratedId,
        people::Person,
    },
    store::{self, Tx, curated::Curated, gaps::Gap},
};

/// Longest title and answer, in characters.
const MOST_TITLE: usize = 200;
const MOST_ANSWER: usize = 8000;
/// Phrasings of one answer, and the longest of them in characters.
const MOST_PHRASINGS: usize = 40;
const MOST_PHRASING: usize = 600;
/// Words in a row that make a quotation: fewer stand by chance in many texts.
const QUOTED: usize = 8;

/// An answer as a person wants to publish it.
#[derive(Debug, Clone)]
pub struct Publication {
    pub title: String,
    pub markdown: String,
    /// Where more can be read.
    pub url: Option<String>,
    /// Questions it is to be given to; for a gap also the gap's own questions, when this is empty.
    pub phrasings: Vec<String>,
    /// When somebody will look at it again.
    pub review_by: Timestamp,
    /// The person has seen the warning that it quotes a page that not everybody may read.
    pub confirmed: bool,
}

/// Checked words of a publication.
struct Checked {
    title: String,
    markdown: String,
    url: Option<String>,
    phrasings: Vec<String>,
    review_by: Timestamp,
}

fn check(core: &Core, platform: &Platform, publication: &Publication) -> Result<Checked, Failure> {
    let Publication { title, markdown, url, phrasings, review_by, confirmed } = publication;
    let title = words(core, title, MOST_TITLE, "The title")?;
    let markdown = words(core, markdown, MOST_ANSWER, "The answer")?;
    if *review_by <= core.clock.now() {
        let next = "Choose a day on which somebody looks at it again.";
        return Err(UserError::new("The day of the review is over already.", next).into());
    }
    let url = match url.as_deref().map(str::trim).filter(|url| !url.is_empty()) {
        None => None,
        Some(text) => {
            let web = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let next = "Write an address that begins with https://.";
            Some(web.ok_or_else(|| UserError::new("That is no address of a page.", next))?.to_string())
        }
    };
    if !confirmed {
        refuse_quotations(core, platform, &markdown, None)?;
    }
    let mut clean: Vec<String> = Vec::new();
    for phrasing in phrasings {
        let phrasing: String = core.clean(phrasing.trim()).text.chars().take(MOST_PHRASING).collect();
        if !phrasing.is_empty() && !clean.contains(&phrasing) {
            clean.push(phrasing);
        }
    }
    clean.truncate(MOST_PHRASINGS);
    Ok(Checked { title, markdown, url, phrasings: clean, review_by: *review_by })
}

/// Everybody on the platform reads what is published, so a quotation of a page that not everybody may read is refused, and
/// the page is named to the person, who may read it.
pub(super) fn refuse_quotations(
    core: &Core,
    platform: &Platform,
    markdown: &str,
    target: Option<&str>,
) -> Result<(), Failure> {
    let quoted = quotations(core, platform, markdown, target);
    let Some(page) = quoted.first() else { return Ok(()) };
    let message = format!("This quotes “{}”, a page that not everybody may read.", page.title);
    Err(UserError::new(message, "Take the words out, or confirm that everybody may read them.").into())
}

/// Pages that not everybody may read, and that a text quotes or links. Pages of the source `target` do not count.
pub fn quotations(core: &Core, platform: &Platform, markdown: &str, target: Option<&str>) -> Vec<NearPage> {
    let Some(index) = core.knowledge.index(&platform.id) else { return Vec::new() };
    let said = runs_of_words(markdown);
    let mut pages: Vec<NearPage> = Vec::new();
    for number in 0..index.len() {
        let passage = index.passage(number);
        if target == Some(passage.source.as_str()) || !gaps::is_restricted_source(platform, &passage.source) {
            continue;
        }
        if pages.iter().any(|page| page.source == passage.source && page.path == passage.path) {
            continue;
        }
        let linked = !passage.url.is_empty() && markdown.contains(&passage.url);
        if linked || runs_of_words(&passage.passage.plain()).iter().any(|run| said.contains(run)) {
            pages.push(NearPage {
                source: passage.source.clone(),
                path: passage.path.clone(),
                title: passage.title.clone(),
                url: passage.url.clone(),
                restricted: true,
            });
        }
    }
    pages
}

/// Every [`QUOTED`] words in a row, in lower case.
fn runs_of_words(text: &str) -> HashSet<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(QUOTED).map(|run| run.join(" ")).collect()
}

/// Publishes an answer for a gap: from now on the bot gives it. `at`: the gap's number, and the version that was seen.
///
/// # Errors
/// [`Failure::User`] when the gap is not theirs or was changed meanwhile, when words are missing, or when it quotes a page
/// that not everybody may read and this was not confirmed.
pub async fn publish(
    core: &Core,
    person: &Person,
    at: (i64, i64),
    publication: &Publication,
) -> Result<Curated, Failure> {
    let mut tx = core.db.write().await?;
    let gap = gaps::of_number(core, &mut tx, person, at.0).await?;
    let platform = tended(core, person, &gap.platform)?;
    let mut checked = check(core, &platform, publication)?;
    if checked.phrasings.is_empty() {
        let limit = i64::try_from(MOST_PHRASINGS).unwrap_or(i64::MAX);
        let members = store::gaps::members(&mut tx, gap.id, limit).await?;
        let mut own = Publication { phrasings: members.into_iter().map(|it| it.text).collect(), ..publication.clone() };
        own.confirmed = true;
        checked = check(core, &platform, &own)?;
    }
    let draft = checked.markdown.clone();
    let gap = gaps::change(core, &mut tx, person, at, ("gap.answer", None), |gap| {
        Ok(Gap { state: GapState::Answered, draft: Some(draft), ..gap })
    })
    .await?;
    let curated = insert(core, &mut tx, person, &platform, checked, Some(&gap)).await?;
    core.db.commit(tx).await?;
    tracing::info!(gap.number, "An answer was published for gap {}.", gap.number);
    Ok(curated)
}

/// Publishes an answer that belongs to no gap; it needs a phrasing.
///
/// # Errors
/// As [`publish`].
pub async fn publish_alone(
    core: &Core,
    person: &Person,
    platform: &str,
    publication: &Publication,
) -> Result<Curated, Failure> {
    let platform = tended(core, person, platform)?;
    let checked = check(core, &platform, publication)?;
    must_have_phrasing(&checked)?;
    let mut tx = core.db.write().await?;
    let curated = insert(core, &mut tx, person, &platform, checked, None).await?;
    core.db.commit(tx).await?;
    Ok(curated)
}

fn must_have_phrasing(checked: &Checked) -> Result<(), Failure> {
    if checked.phrasings.is_empty() {
        let next = "Write at least one question as people ask it.";
        return Err(UserError::new("Nothing says which questions it answers.", next).into());
    }
    Ok(())
}

async fn insert(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    platform: &Platform,
    checked: Checked,
    gap: Option<&Gap>,
) -> Result<Curated, Failure> {
    let Checked { title, markdown, url, phrasings, review_by } = checked;
    let curated = Curated {
        id: CuratedId::new(&*core.clock),
        platform: platform.id.clone(),
        title,
        markdown,
        url,
        phrasings,
        gap: gap.map(|gap| gap.id),
        author: person.id.clone(),
        published_at: core.clock.now(),
        review_by,
        retired_at: None,
        version: 1,
    };
    store::curated::insert(tx, &curated).await?;
    let detail = json!({ "gap": gap.map(|gap| gap.number), "confirmed": true });
    record(core, tx, person, "answer.publish", (&platform.id, curated.id.uuid()), detail).await?;
    Ok(curated)
}

/// The published answer, when the person looks after its platform and saw its newest version.
async fn seen(
    core: &Core,
    tx: &mut Tx,
    person: &Person,
    id: CuratedId,
    version: i64,
) -> Result<(Curated, Arc<Platform>), Failure> {
    let gone = || UserError::new("There is no such answer.", "Choose one from the list.");
    let curated = store::curated::by_id(tx, id).await?.ok_or_else(gone)?;
    let platform = tended(core, person, &curated.platform)?;
    if curated.version != version {
        return Err(changed_meanwhile());
    }
    Ok((curated, platform))
}

/// Changes a published answer. It says from then on who changed it and when. One that was retired is given again.
///
/// # Errors
/// As [`publish`].
pub async fn edit(
    core: &Core,
    person: &Person,
    id: CuratedId,
    version: i64,
    publication: &Publication,
) -> Result<Curated, Failure> {
    let mut tx = core.db.write().await?;
    let (curated, platform) = seen(core, &mut tx, person, id, version).await?;
    let checked = check(core, &platform, publication)?;
    must_have_phrasing(&checked)?;
    let Checked { title, markdown, url, phrasings, review_by } = checked;
    let mut after = Curated {
        title,
        markdown,
        url,
        phrasings,
        review_by,
        author: person.id.clone(),
        published_at: core.clock.now(),
        retired_at: None,
        ..curated
    };
    if !store::curated::update(&mut tx, &after).await? {
        return Err(changed_meanwhile());
    }
    after.version += 1;
    record(core, &mut tx, person, "answer.edit", (&after.platform, id.uuid()), json!({})).await?;
    core.db.commit(tx).await?;
    Ok(after)
}

/// Takes an answer back: the bot gives it no more.
///
/// # Errors
/// As [`publish`].
pub async fn retire(core: &Core, person: &Person, id: CuratedId, version: i64) -> Result<Curated, Failure> {
    let mut tx = core.db.write().await?;
    let (curated, _) = seen(core, &mut tx, person, id, version).await?;
    if curated.retired_at.is_some() {
        return Err(UserError::new("The answer is retired already.", "There is nothing to do.").into());
    }
    let mut after = Curated { retired_at: Some(core.clock.now()), ..curated };
    if !store::curated::update(&mut tx, &after).await? {
        return Err(changed_meanwhile());
    }
    after.version += 1;
    record(core, &mut tx, person, "answer.retire", (&after.platform, id.uuid()), json!({})).await?;
    core.db.commit(tx).await?;
    Ok(after)
}

/// The answers of all platforms that are given, ready to be compared: read once, and again when one has changed.
#[derive(Debug, Default)]
pub struct Published {
    kept: RwLock<Option<Arc<Edition>>>,
}

#[derive(Debug)]
struct Edition {
    number: i64,
    answers: Vec<(Curated, Vec<Meaning>)>,
}

impl Published {
    /// The answers as they now are. Costs one row when nothing has changed.
    async fn edition(&self, core: &Core) -> anyhow::Result<Arc<Edition>> {
        let known = self.kept.read().expect("no holder of the lock panics").clone();
        let mut tx = core.db.read().await.context("open a transaction")?;
        let number = store::curated::edition(&mut tx).await.context("read the edition")?;
        if let Some(known) = known.filter(|known| known.number == number) {
            return Ok(known);
        }
        let given = store::curated::given(&mut tx).await.context("read published answers")?;
        drop(tx);
        let texts: Vec<&str> = given.iter().flat_map(|answer| answer.phrasings.iter().map(String::as_str)).collect();
        let mut read = meanings(&core.knowledge, &texts).await?.into_iter();
        let answers = given
            .into_iter()
            .map(|answer| {
                let own = read.by_ref().take(answer.phrasings.len()).collect();
                (answer, own)
            })
            .collect();
        let edition = Arc::new(Edition { number, answers });
        *self.kept.write().expect("no holder of the lock panics") = Some(Arc::clone(&edition));
        Ok(edition)
    }

    /// Is anything published on a platform?
    ///
    /// # Errors
    /// When the store or the model fails.
    pub async fn has_any(&self, core: &Core, platform: &str) -> anyhow::Result<bool> {
        Ok(self.edition(core).await?.answers.iter().any(|(answer, _)| answer.platform == platform))
    }

    /// The published answer to a question: the one with the phrasing most like it, when it is alike enough.
    ///
    /// # Errors
    /// When the store or the model fails.
    pub async fn answer_to(
        &self,
        core: &Core,
        platform: &str,
        text: &str,
        vectors: Option<&TextVectors>,
    ) -> anyhow::Result<Option<Curated>> {
        let edition = self.edition(core).await?;
        let asked = meaning::of_question(&core.knowledge, text, vectors);
        let own = edition.answers.iter().filter(|(answer, _)| answer.platform == platform);
        let alike = own.map(|(answer, phrasings)| {
            (phrasings.iter().map(|phrasing| phrasing.likeness(&asked)).fold(0.0, f32::max), answer)
        });
        let sure = meaning::sure(&core.knowledge);
        let best = alike
            .filter(|(likeness, _)| *likeness >= sure)
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        Ok(best.map(|(_, answer)| answer.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_is_many_words_in_a_row() {
        #[track_caller]
        fn check(one: &str, other: &str, expected: bool) {
            let quoted = !runs_of_words(one).is_disjoint(&runs_of_words(other));
            assert_eq!(quoted, expected);
        }
        let page = "Take the key out of the safe, and turn it twice to the left.";
        check("Please take the KEY out of the safe and turn it.", page, true);
        check("Take the key out of the drawer and turn it twice.", page, false);
        check("", page, false);
    }
}
