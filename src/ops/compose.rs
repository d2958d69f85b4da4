//! The extractive answer: from ranked passages to the few pieces that answer, each with its citation.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    clock::Timestamp,
    domain::{
        answer::Citation,
        embedding::{TextHash, TextVectors, cosine},
        injection::instructs,
        passage::{BlockKind, PassageBlock, PlacedPassage},
    },
    retrieval::{Hit, Index, Ranking, terms},
};

/// Passages an answer may draw on.
const MAX_PASSAGES: usize = 7;
/// Passages that end up in it; more would be a heap.
const MAX_PLACES: usize = 4;
/// Passages considered while only words are known: what they share is a weaker reason.
const MAX_PASSAGES_BY_WORDS: usize = 2;
/// A passage this far below the first (as a share of its score) is left out.
const PASSAGE_FLOOR: f32 = 0.55;
/// Code blocks in one answer, and lines of each.
const MAX_CODE_BLOCKS: usize = 2;
const MAX_CODE_LINES: usize = 24;
/// A group this far below the best (as a share of its score) is left out; within a cut block likewise a unit.
const GROUP_FLOOR: f32 = 0.3;
const UNIT_FLOOR: f32 = 0.6;
/// How much of a better neighbour's score a block takes on: what stands beside an answer often completes it.
const NEIGHBOUR: f32 = 0.4;
/// Commands, code and steps are more often what is wanted than the prose around them.
const CONCRETE: f32 = 1.15;
const NAMED: f32 = 1.1;
/// From this share of a unit's words on, it only repeats the question.
const ECHO: f32 = 0.55;
/// Pages named when evidence is thin.
const CLOSEST_PAGES: usize = 3;

/// A piece of an answer: words of one passage.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub markdown: String,
    /// Index into [`Extract::citations`].
    pub citation: usize,
}

/// An extractive answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extract {
    pub pieces: Vec<Piece>,
    pub citations: Vec<(Citation, TextHash)>,
}

/// Limits that shape an answer.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Words of prose; code comes on top.
    pub max_words: usize,
    pub stale_after_months: u32,
    pub now: Timestamp,
}

/// Blocks that are shown together: a sentence that leads to code, a list or a table, and what it leads to.
struct Group<'a> {
    /// Position of the passage among those considered.
    rank: usize,
    lead: Option<Candidate<'a>>,
    main: Candidate<'a>,
    score: f32,
}

/// A block that may be shown.
struct Candidate<'a> {
    block: usize,
    content: &'a PassageBlock,
    /// Score of each unit.
    units: Vec<f32>,
}

impl Candidate<'_> {
    fn best(&self) -> f32 {
        self.units.iter().copied().fold(0.0_f32, f32::max)
    }
}

/// Picks what answers the question from the first passages of the ranking.
pub fn extract(index: &Index, ranking: &Ranking, question: Option<&TextVectors>, shape: Shape) -> Extract {
    let top = ranking.hits.first().map_or(0.0, |hit| hit.score);
    let limit = if index.embedded() > 0 && question.is_some() { MAX_PASSAGES } else { MAX_PASSAGES_BY_WORDS };
    let hits: Vec<&Hit> = ranking.hits.iter().take(limit).filter(|hit| hit.score >= top * PASSAGE_FLOOR).collect();
    pick(index, ranking, question, &hits, shape, shape.max_words)
}

/// What fits best on the closest pages, as [`extract`] picks it; pages that got no word in are at least named.
pub fn closest(index: &Index, ranking: &Ranking, question: Option<&TextVectors>, shape: Shape) -> Extract {
    let mut extract = extract(index, ranking, question, shape);
    for (_, path, hits) in index.pages(ranking).into_iter().take(CLOSEST_PAGES) {
        let named = extract.citations.iter().any(|(citation, _)| citation.path == path);
        if !named {
            let number = hits[0].number;
            extract.citations.push((cite(index.passage(number), shape), index.hash(number)));
        }
    }
    extract
}

fn pick(
    index: &Index,
    ranking: &Ranking,
    question: Option<&TextVectors>,
    hits: &[&Hit],
    shape: Shape,
    max_words: usize,
) -> Extract {
    let top = hits.first().map_or(0.0, |hit| hit.score);
    let passages: Vec<_> = hits.iter().map(|hit| Arc::clone(index.passage(hit.number))).collect();
    let mut groups = Vec::new();
    for (rank, (hit, passage)) in hits.iter().zip(&passages).enumerate() {
        // Squared: the first passage is shown nearly whole before others get a word in.
        let weight = if top > 0.0 { (hit.score / top).powi(2) } else { 1.0 };
        let scores = unit_scores(index, hit.number, passage, ranking, question);
        groups.extend(grouped(rank, &passage.passage.blocks, &scores, weight));
    }
    groups.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.rank.cmp(&b.rank)).then(a.main.block.cmp(&b.main.block)));
    let chosen = choose(&groups, max_words);
    assemble(index, &chosen, &passages, &hits.iter().map(|hit| hit.number).collect::<Vec<_>>(), shape)
}

/// Puts a sentence and the code, list or table that it leads to together; a line in bold leads to what is below it.
fn grouped<'a>(rank: usize, blocks: &'a [PassageBlock], scores: &[f32], weight: f32) -> Vec<Group<'a>> {
    let mut next = 0;
    let mut lead: Option<Candidate<'a>> = None;
    let mut groups = Vec::new();
    for (block, content) in blocks.iter().enumerate() {
        let units = scores[next..next + content.units.len()].to_vec();
        next += content.units.len();
        if instructs(&content.markdown) || content.units.iter().any(|unit| instructs(unit)) {
            continue;
        }
        let candidate = Candidate { block, content, units };
        let text = content.markdown.trim();
        let title = text.starts_with("**") && text.ends_with("**") && !text[2..text.len() - 2].contains("**");
        let leads = content.kind == BlockKind::Paragraph
            && blocks.get(block + 1).is_some_and(|after| {
                title || after.kind == BlockKind::Code || (after.kind != BlockKind::Paragraph && text.ends_with(':'))
            });
        if leads {
            if let Some(earlier) = lead.replace(candidate) {
                groups.push((None, earlier));
            }
        } else {
            groups.push((lead.take(), candidate));
        }
    }
    groups.extend(lead.map(|lead| (None, lead)));
    let mut groups: Vec<Group<'a>> = groups
        .into_iter()
        .map(|(lead, main)| {
            let score = lead.as_ref().map_or(0.0, Candidate::best).max(main.best()) * weight;
            Group { rank, lead, main, score }
        })
        .collect();
    let own: Vec<f32> = groups.iter().map(|group| group.score).collect();
    for (place, group) in groups.iter_mut().enumerate() {
        let before = place.checked_sub(1).and_then(|place| own.get(place));
        let beside = before.into_iter().chain(own.get(place + 1)).copied().fold(0.0_f32, f32::max);
        group.score = group.score.max((1.0 - NEIGHBOUR) * group.score + NEIGHBOUR * beside);
        group.score *= group.concreteness();
    }
    groups
}

impl Group<'_> {
    fn concreteness(&self) -> f32 {
        let kind = if matches!(self.main.content.kind, BlockKind::Code | BlockKind::Steps) { CONCRETE } else { 1.0 };
        let named = self.main.content.markdown.contains('`')
            || self.lead.as_ref().is_some_and(|lead| lead.content.markdown.contains('`'));
        if named { kind * NAMED } else { kind }
    }
}

/// How well each unit of a passage fits the question: its cosine, and the rarity of the terms they share.
fn unit_scores(
    index: &Index,
    number: usize,
    passage: &PlacedPassage,
    ranking: &Ranking,
    question: Option<&TextVectors>,
) -> Vec<f32> {
    let total: f32 = ranking.terms.iter().map(|(_, rarity)| rarity).sum::<f32>().max(1e-6);
    let vectors = index.unit_vectors(number);
    passage
        .passage
        .units()
        .enumerate()
        .map(|(position, unit)| {
            // A sentence that speaks to machines is for nobody.
            if instructs(unit) {
                return 0.0;
            }
            // "See there." and the like point at an answer; they are none.
            if word_count(unit) < 4 && passage.passage.blocks.len() > 1 && !unit.chars().any(|c| c.is_ascii_digit()) {
                return 0.0;
            }
            let present: BTreeSet<String> = terms::all_terms(unit).into_iter().collect();
            let shared: f32 =
                ranking.terms.iter().filter(|(term, _)| present.contains(term)).map(|(_, rarity)| rarity).sum();
            let coverage = shared / total;
            // What the asker has just said is no news to them: an error they pasted, say.
            let asked = ranking.terms.iter().filter(|(term, _)| present.contains(term)).count();
            let content = present.iter().filter(|term| !terms::is_function_word(term)).count().max(1);
            #[expect(clippy::cast_precision_loss, reason = "counts of words")]
            let novelty = if asked as f32 / content as f32 > ECHO { 0.5 } else { 1.0 };
            let fit = match (question, vectors) {
                (Some(question), Some(vectors))
                    if position < vectors.len()
                        && !question.whole.is_empty()
                        && question.whole.dimensions() == vectors.dimensions() =>
                {
                    0.65 * cosine(question.whole.row(0), vectors.row(position)) + 0.35 * coverage
                }
                _ => coverage,
            };
            fit * novelty
        })
        .collect()
}

/// A block that will be shown, and which of its units; all of them when `units` is `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Chosen {
    rank: usize,
    block: usize,
    units: Option<Vec<usize>>,
}

/// Takes groups, best first, while there are words left and they are nearly as good as the best.
fn choose(groups: &[Group<'_>], max_words: usize) -> Vec<Chosen> {
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut words = 0;
    let mut codes = 0;
    let floor = groups.first().map_or(0.0, |group| group.score * GROUP_FLOOR);
    let mut places = BTreeSet::new();
    for group in groups.iter().take_while(|group| group.score >= floor) {
        if places.len() == MAX_PLACES && !places.contains(&group.rank) {
            continue;
        }
        let is_code = group.main.content.kind == BlockKind::Code;
        if is_code && codes == MAX_CODE_BLOCKS {
            continue;
        }
        let left = max_words.saturating_sub(words);
        let lead = group.lead.as_ref().map(|lead| lead_in(lead, left));
        let lead_words = lead.as_ref().map_or(0, |(_, length)| *length);
        if lead_words > left {
            continue;
        }
        let main = if is_code { Some((None, 0)) } else { fit(&group.main, left - lead_words, chosen.is_empty()) };
        // What a sentence leads to must follow it.
        let Some((units, length)) = main else { continue };
        if let (Some(lead), Some((units, _))) = (&group.lead, lead) {
            chosen.push(Chosen { rank: group.rank, block: lead.block, units });
        }
        chosen.push(Chosen { rank: group.rank, block: group.main.block, units });
        places.insert(group.rank);
        words += lead_words + length;
        codes += usize::from(is_code);
    }
    chosen.sort();
    chosen
}

/// A leading paragraph: whole where it fits, else its last sentence.
fn lead_in(lead: &Candidate<'_>, left: usize) -> (Option<Vec<usize>>, usize) {
    let total = word_count(&lead.content.units.join(" "));
    if total <= left.min(45) {
        return (None, total);
    }
    let last = lead.content.units.len().saturating_sub(1);
    (Some(vec![last]), lead.content.units.last().map_or(0, |unit| word_count(unit)))
}

/// Which units of a block fit into `left` words: all, the best few of a list, table or paragraph, or none. Steps stay
/// whole; only steps longer than a whole answer are cut, at the end.
fn fit(candidate: &Candidate<'_>, left: usize, first: bool) -> Option<(Option<Vec<usize>>, usize)> {
    let lengths: Vec<usize> = candidate.content.units.iter().map(|unit| word_count(unit)).collect();
    let total: usize = lengths.iter().sum();
    let whole = match candidate.content.kind {
        BlockKind::Steps => total <= left + left / 2,
        // A long table is cut down to what was asked for even where it would fit.
        BlockKind::Table => total <= left && total <= 80,
        BlockKind::List | BlockKind::Paragraph | BlockKind::Code => total <= left,
    };
    if whole {
        return Some((None, total));
    }
    if candidate.content.kind == BlockKind::Steps && !first {
        return None;
    }
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    if candidate.content.kind != BlockKind::Steps {
        order.sort_by(|a, b| candidate.units[*b].total_cmp(&candidate.units[*a]).then(a.cmp(b)));
    }
    let floor = if candidate.content.kind == BlockKind::Steps { 0.0 } else { candidate.best() * UNIT_FLOOR };
    let mut units = Vec::new();
    let mut words = 0;
    for unit in order {
        // A sentence that ends in a colon says nothing without what follows.
        let dangling = candidate.content.kind == BlockKind::Paragraph && candidate.content.units[unit].ends_with(':');
        if candidate.units[unit] < floor || dangling {
            continue;
        }
        if words + lengths[unit] > left {
            if units.is_empty() && first {
                units.push(unit);
                words += lengths[unit];
            }
            break;
        }
        units.push(unit);
        words += lengths[unit];
    }
    if units.is_empty() {
        return None;
    }
    units.sort_unstable();
    Some((Some(units), words))
}

fn assemble(
    index: &Index,
    chosen: &[Chosen],
    passages: &[Arc<PlacedPassage>],
    numbers: &[usize],
    shape: Shape,
) -> Extract {
    let mut extract = Extract::default();
    for (rank, passage) in passages.iter().enumerate() {
        let parts: Vec<String> = chosen
            .iter()
            .filter(|chosen| chosen.rank == rank)
            .map(|chosen| show(&passage.passage.blocks[chosen.block], chosen.units.as_deref()))
            .collect();
        if parts.is_empty() {
            continue;
        }
        let markdown = parts.join("\n\n");
        let citation = cite(passage, shape);
        // A section that was split is cited once.
        if let Some(known) = extract.citations.iter().position(|(other, _)| other.url == citation.url) {
            let piece = &mut extract.pieces[known].markdown;
            piece.push_str("\n\n");
            piece.push_str(&markdown);
            continue;
        }
        extract.pieces.push(Piece { markdown, citation: extract.citations.len() });
        extract.citations.push((citation, index.hash(numbers[rank])));
    }
    extract
}

/// A block's Markdown, cut down to some of its units.
fn show(block: &PassageBlock, units: Option<&[usize]>) -> String {
    let Some(units) = units else {
        return match block.kind {
            BlockKind::Code => shorten_code(&block.markdown),
            _ => block.markdown.clone(),
        };
    };
    match block.kind {
        BlockKind::Paragraph => {
            let text = units.iter().map(|unit| block.units[*unit].as_str()).collect::<Vec<_>>().join(" … ");
            // Sentences as plain text lose their links; a single one that stands in the Markdown keeps its marks.
            marked_sentences(&block.markdown, units, block).unwrap_or(text)
        }
        BlockKind::Table => {
            let mut lines: Vec<&str> = block.markdown.lines().take(2).collect();
            let rows: Vec<&str> = block.markdown.lines().skip(2).collect();
            lines.extend(units.iter().filter_map(|unit| rows.get(*unit)));
            let mut table = lines.join("\n");
            if units.len() < rows.len() {
                table.push_str(&format!("\n\n_… {} more rows on the page._", rows.len() - units.len()));
            }
            table
        }
        BlockKind::List | BlockKind::Steps => {
            let items = list_items(&block.markdown);
            let mut lines: Vec<String> = Vec::new();
            lines.extend(units.iter().filter_map(|unit| items.get(*unit).cloned()));
            if units.len() < items.len() {
                lines.push(format!("\n_… {} more on the page._", items.len() - units.len()));
            }
            lines.join("\n")
        }
        BlockKind::Code => shorten_code(&block.markdown),
    }
}

/// The chosen sentences with their Markdown marks, when sentence splitting gives the same count for both forms.
fn marked_sentences(markdown: &str, units: &[usize], block: &PassageBlock) -> Option<String> {
    let bare: String = markdown
        .lines()
        .map(|line| line.strip_prefix("> ").or_else(|| line.strip_prefix('>')).unwrap_or(line).trim())
        .collect::<Vec<_>>()
        .join(" ");
    let marked = crate::knowledge::chunk::sentences(&bare);
    (marked.len() == block.units.len())
        .then(|| units.iter().map(|unit| marked[*unit].as_str()).collect::<Vec<_>>().join(" … "))
}

/// Items of a Markdown list, each with what is nested in it.
fn list_items(markdown: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in markdown.lines() {
        let indented = line.starts_with(' ') || line.starts_with('\t');
        let marker = line.starts_with(['-', '*', '+'])
            || line.find(['.', ')']).is_some_and(|at| at > 0 && line[..at].chars().all(|c| c.is_ascii_digit()));
        if marker && !indented {
            items.push(line.to_owned());
        } else if let Some(item) = items.last_mut() {
            item.push('\n');
            item.push_str(line);
        } else {
            items.push(line.to_owned());
        }
    }
    items
}

fn shorten_code(markdown: &str) -> String {
    let lines: Vec<&str> = markdown.lines().collect();
    if lines.len() <= MAX_CODE_LINES + 2 {
        return markdown.to_owned();
    }
    let mut short: Vec<&str> = lines[..=MAX_CODE_LINES].to_vec();
    short.push("…");
    short.push(lines[lines.len() - 1]);
    short.join("\n")
}

/// Code that the first passages show, of these languages (as fences name them) or of any. `None`: they show none.
pub fn code(index: &Index, ranking: &Ranking, tags: Option<&[&str]>, shape: Shape) -> Option<Extract> {
    let top = ranking.hits.first()?.score;
    let mut extract = Extract::default();
    for hit in ranking.hits.iter().take(MAX_PASSAGES).filter(|hit| hit.score >= top * PASSAGE_FLOOR) {
        let passage = index.passage(hit.number);
        let blocks: Vec<String> = passage
            .passage
            .blocks
            .iter()
            .filter(|block| {
                block.kind == BlockKind::Code && tags.is_none_or(|tags| is_written_in(&block.markdown, tags))
            })
            .filter(|block| !instructs(&block.markdown))
            .take(MAX_CODE_BLOCKS - extract.pieces.len())
            .map(|block| shorten_code(&block.markdown))
            .collect();
        if !blocks.is_empty() {
            extract.pieces.push(Piece { markdown: blocks.join("\n\n"), citation: extract.citations.len() });
            extract.citations.push((cite(passage, shape), index.hash(hit.number)));
        }
        if extract.pieces.len() == MAX_CODE_BLOCKS {
            break;
        }
    }
    (!extract.pieces.is_empty()).then_some(extract)
}

fn is_written_in(markdown: &str, tags: &[&str]) -> bool {
    let fence = markdown.lines().next().unwrap_or_default().trim_start_matches(['`', '~', ' ']);
    let tag = fence.split([' ', ',', '{']).next().unwrap_or_default().to_lowercase();
    tags.contains(&tag.as_str())
}

/// Two pages that answer alike but name different figures: both, the one reviewed last first.
pub fn contradiction(
    index: &Index,
    ranking: &Ranking,
    question: Option<&TextVectors>,
    shape: Shape,
) -> Option<Extract> {
    let question = question.filter(|vectors| !vectors.whole.is_empty())?;
    let pages = index.pages(ranking);
    let top = pages.first()?.2[0].score;
    // Sentences with figures that fit the question, page by page.
    let mut stated: Vec<Vec<(usize, usize, f32)>> = Vec::new();
    for (_, _, hits) in pages.iter().take(4).filter(|(_, _, hits)| hits[0].score >= top * PASSAGE_FLOOR) {
        let mut units: Vec<(usize, usize, f32)> = hits
            .iter()
            .take(2)
            .filter_map(|hit| index.unit_vectors(hit.number).map(|vectors| (hit.number, vectors)))
            .flat_map(|(number, vectors)| {
                (0..vectors.len())
                    .filter(move |unit| !figures(index, number, *unit).is_empty())
                    .map(move |unit| (number, unit, cosine(question.whole.row(0), vectors.row(unit))))
            })
            .collect();
        units.sort_by(|a, b| b.2.total_cmp(&a.2));
        units.truncate(STATEMENTS);
        stated.push(units);
    }
    let (own, others) = stated.split_first()?;
    let (first, other) = own.iter().find_map(|first| {
        others.iter().flatten().find(|other| clash(index, *first, **other)).map(|other| (*first, *other))
    })?;
    let mut numbers = [first.0, other.0];
    numbers.sort_by_key(|number| std::cmp::Reverse(index.passage(*number).reviewed_at));
    let mut extract = Extract::default();
    for number in numbers {
        let hit = ranking.hits.iter().find(|hit| hit.number == number)?;
        let part = pick(index, ranking, Some(question), &[hit], shape, shape.max_words / 2);
        let offset = extract.citations.len();
        extract
            .pieces
            .extend(part.pieces.into_iter().map(|piece| Piece { citation: piece.citation + offset, ..piece }));
        extract.citations.extend(part.citations);
    }
    Some(extract)
}

/// Sentences of one page that are compared with those of others.
const STATEMENTS: usize = 4;
/// Least likeness of two sentences that are taken to say the same thing with other figures.
const SAME_STATEMENT: f32 = 0.68;

/// Do two units say the same thing with different figures of the same kind?
fn clash(index: &Index, a: (usize, usize, f32), b: (usize, usize, f32)) -> bool {
    let (Some(left), Some(right)) = (index.unit_vectors(a.0), index.unit_vectors(b.0)) else { return false };
    if (a.2 - b.2).abs() > 0.15 || cosine(left.row(a.1), right.row(b.1)) < SAME_STATEMENT {
        return false;
    }
    let (left, right) = (figures(index, a.0, a.1), figures(index, b.0, b.1));
    let kinds = |figures: &BTreeSet<(String, String)>| -> BTreeSet<String> {
        figures.iter().map(|(_, kind)| kind.clone()).collect()
    };
    kinds(&left).intersection(&kinds(&right)).any(|kind| {
        let values = |figures: &BTreeSet<(String, String)>| -> BTreeSet<String> {
            figures.iter().filter(|(_, other)| other == kind).map(|(value, _)| value.clone()).collect()
        };
        let (left, right) = (values(&left), values(&right));
        left.difference(&right).next().is_some() && right.difference(&left).next().is_some()
    })
}

/// Figures of a unit with what they count: a time of day, or the word behind the number.
fn figures(index: &Index, number: usize, unit: usize) -> BTreeSet<(String, String)> {
    use std::sync::LazyLock;

    use regex::Regex;
    static FIGURE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?i)\b(?P<time>\d{1,2}[:.]\d{2}|\d{1,2} ?[ap]m)\b|\b(?P<value>\d+(?:[.,]\d+)?)\s*(?P<unit>%|[a-z]+)",
        )
        .expect("constant pattern")
    });
    let passage = index.passage(number);
    let Some(text) = passage.passage.units().nth(unit) else { return BTreeSet::new() };
    FIGURE
        .captures_iter(text)
        .map(|captures| match captures.name("time") {
            Some(time) => (time.as_str().to_lowercase(), "time of day".to_owned()),
            None => (captures["value"].to_owned(), captures["unit"].to_lowercase().trim_end_matches('s').to_owned()),
        })
        .collect()
}

/// Plain text as Markdown that shows it as it is. A zero-width space keeps an address from becoming a link: what people
/// write is repeated, never made to lead somewhere.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("://", "\u{200B}://").replace("www.", "www\u{200B}.").chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What a person wrote, as Markdown that repeats it for others: code stays code, an address that is plain to see stays one,
/// and everything else is shown as it is.
pub fn repeat(text: &str) -> String {
    let mut out = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            out.push(line.to_owned());
        } else if fenced {
            out.push(line.to_owned());
        } else {
            out.push(repeat_line(line));
        }
    }
    if fenced {
        out.push("```".to_owned());
    }
    out.join("\n")
}

fn repeat_line(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // Backticks that have no partner are shown as they are.
    if parts.len().is_multiple_of(2) {
        return line.split(' ').map(repeat_word).collect::<Vec<_>>().join(" ");
    }
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 1 {
            out.push_str(&format!("`{part}`"));
        } else {
            out.push_str(&part.split(' ').map(repeat_word).collect::<Vec<_>>().join(" "));
        }
    }
    out
}

fn repeat_word(word: &str) -> String {
    let is_address = (word.starts_with("https://") || word.starts_with("http://"))
        && !word.contains(['<', '>', '|', '[', ']', '(', ')', '`', '"', '\'', '\\', '*']);
    if is_address { word.to_owned() } else { escape(word) }
}

/// The citation of a passage, with its age when nobody has looked at the page for long.
pub fn cite(passage: &PlacedPassage, shape: Shape) -> Citation {
    let age = passage.reviewed_at.filter(|reviewed| is_stale(*reviewed, shape)).map(|reviewed| {
        let date = reviewed.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
        format!("last reviewed {}", date.strftime("%B %Y"))
    });
    Citation {
        source: passage.source.clone(),
        path: passage.path.clone(),
        title: passage.title.clone(),
        headings: passage.passage.headings.clone(),
        url: passage.link(),
        age,
    }
}

fn is_stale(reviewed: Timestamp, shape: Shape) -> bool {
    let month = 30 * 24 * 3600;
    shape.now.since(reviewed).as_secs() > u64::from(shape.stale_after_months) * month
}

/// Words of prose; what stands in a link's target does not count.
pub fn word_count(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_repeated_and_lead_nowhere_unseen() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(repeat(text), expected);
        }
        check("see https://docs.example/a_b *now*", "see https://docs.example/a_b \\*now\\*");
        check("[click](https://evil.example)", "\\[click\\](https\u{200B}://evil.example)");
        check("<https://evil.example|click>", "\\<https\u{200B}://evil.example\\|click\\>");
        check("run `rm_all *` now", "run `rm_all *` now");
        check("```\n<!channel>\n```\n#1", "```\n<!channel>\n```\n\\#1");
        check("```\nopen", "```\nopen\n```");
        check("a ` b", "a \\` b");
    }
}
