//! BM25 over one field that holds heading path and text, in an index kept in memory: it is derived and quick to make.

use std::collections::HashMap;

use anyhow::Context as _;
use tantivy::{
    Index as Tantivy, IndexReader, IndexWriter, TantivyDocument, Term,
    collector::TopDocs,
    query::{BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery},
    schema::{FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions, Value as _},
};

use super::terms;

const ANALYZER: &str = "technical";

pub struct Lexical {
    reader: IndexReader,
    text: Field,
    source: Field,
    number: Field,
}

impl std::fmt::Debug for Lexical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lexical").finish_non_exhaustive()
    }
}

impl Lexical {
    /// Indexes `(source, text)` pairs; their order gives the numbers that [`Self::search`] returns.
    pub fn build<'a>(documents: impl Iterator<Item = (&'a str, String)>) -> anyhow::Result<Self> {
        let mut schema = Schema::builder();
        let indexing =
            TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqs);
        let text = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
        let source = schema.add_text_field("source", STRING);
        let number = schema.add_u64_field("number", FAST | INDEXED | tantivy::schema::STORED);
        let index = Tantivy::create_in_ram(schema.build());
        index.tokenizers().register(ANALYZER, terms::analyzer());
        let mut writer: IndexWriter<TantivyDocument> =
            index.writer_with_num_threads(1, 20_000_000).context("open the word index")?;
        for (count, (source_id, body)) in (0_u64..).zip(documents) {
            let mut document = TantivyDocument::new();
            document.add_text(text, body);
            document.add_text(source, source_id);
            document.add_u64(number, count);
            writer.add_document(document).context("index a passage")?;
        }
        writer.commit().context("commit the word index")?;
        drop(writer);
        let reader = index.reader().context("read the word index")?;
        Ok(Self { reader, text, source, number })
    }

    /// BM25 scores of the best `limit` passages of the given sources, by number.
    pub fn search(
        &self,
        terms: &[(String, f32)],
        sources: &[&str],
        limit: usize,
    ) -> anyhow::Result<HashMap<usize, f32>> {
        if terms.is_empty() || sources.is_empty() {
            return Ok(HashMap::new());
        }
        let searcher = self.reader.searcher();
        let words: Vec<(Occur, Box<dyn Query>)> = terms
            .iter()
            .map(|(term, weight)| {
                let query = TermQuery::new(Term::from_field_text(self.text, term), IndexRecordOption::WithFreqs);
                (Occur::Should, Box::new(BoostQuery::new(Box::new(query), *weight)) as Box<dyn Query>)
            })
            .collect();
        let places: Vec<(Occur, Box<dyn Query>)> = sources
            .iter()
            .map(|source| {
                let query = TermQuery::new(Term::from_field_text(self.source, source), IndexRecordOption::Basic);
                (Occur::Should, Box::new(query) as Box<dyn Query>)
            })
            .collect();
        let filter = ConstScoreQuery::new(Box::new(BooleanQuery::new(places)), 0.0);
        let query = BooleanQuery::new(vec![
            (Occur::Must, Box::new(BooleanQuery::new(words)) as Box<dyn Query>),
            (Occur::Must, Box::new(filter)),
        ]);
        let found = searcher.search(&query, &TopDocs::with_limit(limit).order_by_score()).context("search words")?;
        found
            .into_iter()
            .map(|(score, address)| {
                let document: TantivyDocument = searcher.doc(address).context("read a found passage")?;
                let number = document.get_first(self.number).and_then(|value| value.as_u64()).unwrap_or_default();
                Ok((usize::try_from(number).unwrap_or_default(), score))
            })
            .collect()
    }
}
