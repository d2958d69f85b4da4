//! What stands in a page's address: filters, the time it is of, and where a list goes on. An address is a saved filter.

use std::collections::BTreeMap;

use jiff::{civil::Date, tz::TimeZone};
use url::form_urlencoded;

use crate::{
    clock::Timestamp,
    ops::{Failure, UserError},
    store::lists::{Cursor, Page, Span},
};

/// Rows of a page.
pub const ROWS: u32 = 50;

/// The query of an address, without what is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    pub fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let pairs = pairs.map(|(name, value)| (name.into_owned(), value.trim().to_owned()));
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn owned(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// Takes a pair away.
    pub fn drop(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// `?…` with one more pair in place of an earlier one, or without it.
    pub fn with(&self, name: &str, value: Option<&str>) -> String {
        let mut pairs = self.0.clone();
        match value {
            Some(value) => pairs.insert(name.to_owned(), value.to_owned()),
            None => pairs.remove(name),
        };
        if pairs.is_empty() {
            return String::new();
        }
        format!("?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
    }

    /// `?…` without where the list goes on: the filter itself.
    pub fn filter(&self) -> String {
        self.with("after", None)
    }

    /// Is the list narrowed by anything?
    pub fn narrows(&self) -> bool {
        self.0.keys().any(|name| name != "after")
    }

    /// One more row than a page shows: it tells whether there is another page.
    ///
    /// # Errors
    /// When the address holds no cursor where one should be.
    pub fn page(&self) -> Result<Page, Failure> {
        let after = match self.get("after") {
            None => Cursor::FIRST,
            Some(text) => text
                .parse()
                .map_err(|_| UserError::new("The address is not complete.", "Begin at the first page of the list."))?,
        };
        Ok(Page { after, limit: ROWS + 1 })
    }

    /// The days `from` to `to`, both included, as they are in the platform's time zone.
    ///
    /// # Errors
    /// When one of them is no day.
    pub fn span(&self, zone: &TimeZone) -> Result<Span, Failure> {
        let midnight = |name: &str, days: i64| -> Result<Option<Timestamp>, Failure> {
            let Some(text) = self.get(name) else { return Ok(None) };
            let wrong = || UserError::new(format!("{text:?} is no day."), "Write it as in 2026-05-12.");
            let day: Date = text.parse().map_err(|_| wrong())?;
            let day = day.checked_add(jiff::Span::new().days(days)).map_err(|_| wrong())?;
            let start = day.to_zoned(zone.clone()).map_err(|_| wrong())?;
            Ok(Some(Timestamp::from_jiff(start.timestamp())))
        };
        Ok(Span {
            from: midnight("from", 0)?.unwrap_or(Span::ALL.from),
            until: midnight("to", 1)?.unwrap_or(Span::ALL.until),
        })
    }
}

/// Something a list can be narrowed by.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub input: Input,
}

#[derive(Debug, Clone)]
pub enum Input {
    Choice(Vec<Choice>),
    Search(String),
    Day(String),
    /// A number from 0 to `most`, and what it is when nothing is said.
    Number {
        value: String,
        usual: f64,
        most: f64,
    },
    /// Not shown, and kept when another field changes.
    Kept(String),
}

#[derive(Debug, Clone)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

impl Params {
    /// A choice of `options`; what stands in the address is chosen, even where it is none of them.
    pub fn choice(
        &self,
        name: &'static str,
        label: &'static str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Field {
        let now = self.get(name);
        let mut choices: Vec<Choice> =
            options.into_iter().map(|(value, label)| Choice { chosen: now == Some(&value), value, label }).collect();
        if let Some(other) = now.filter(|_| choices.iter().all(|choice| !choice.chosen)) {
            choices.push(Choice { value: other.to_owned(), label: other.to_owned(), chosen: true });
        }
        Field { name, label, input: Input::Choice(choices) }
    }

    pub fn search(&self, label: &'static str) -> Field {
        Field { name: "q", label, input: Input::Search(self.owned("q").unwrap_or_default()) }
    }

    /// A number; `None` where the address has none, or none that fits.
    pub fn number(&self, name: &str, most: f64) -> Option<f64> {
        self.get(name)?.parse().ok().filter(|value| (0.0..=most).contains(value))
    }

    /// A field that is not shown, where the address has it.
    pub fn kept(&self, name: &'static str) -> Option<Field> {
        self.owned(name).map(|value| Field { name, label: "", input: Input::Kept(value) })
    }

    /// The first and the last day.
    pub fn days(&self) -> [Field; 2] {
        let day = |name| Input::Day(self.owned(name).unwrap_or_default());
        [Field { name: "from", label: "From", input: day("from") }, Field { name: "to", label: "To", input: day("to") }]
    }
}

/// Options whose label is their id, made readable.
pub fn plain<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    ids.into_iter().map(|id| (id.to_owned(), readable(id))).collect()
}

/// `Not helpful` for `not_helpful`.
pub fn readable(id: &str) -> String {
    let words = id.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_is_an_address() {
        let params = Params::parse("?verdict=abstained&team=&q=disk+full&after=1-0".trim_start_matches('?'));
        assert_eq!(params.get("team"), None);
        assert_eq!(params.filter(), "?q=disk+full&verdict=abstained");
        assert_eq!(params.with("after", Some("2-1")), "?after=2-1&q=disk+full&verdict=abstained");
        assert_eq!(Params::parse("after=1").filter(), "");
        assert!(params.narrows() && !Params::parse("after=1").narrows());
    }

    #[test]
    fn days_are_the_platforms_own() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let span = Params::parse("from=2026-03-29&to=2026-03-29").span(&berlin).unwrap();
        let hours = (span.until.micros() - span.from.micros()) / 3_600_000_000;
        assert_eq!(hours, 23, "the day on which summer time begins");
        assert_eq!(span.from.to_string(), "2026-03-28T23:00:00Z");
        assert!(Params::parse("from=yesterday").span(&berlin).is_err());
        assert!(Params::parse("to=9999-12-31").span(&berlin).is_err(), "there is no day after it");
        assert_eq!(Params::default().span(&berlin).unwrap(), Span::ALL);
    }

    proptest! {
        #[test]
        fn any_filter_reads_back(pairs in proptest::collection::btree_map("[a-z]{1,6}", "\\PC{0,12}", 0..5)) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let params = Params::parse(&text);
            let again = params.with("zzzzzzz", None);
            prop_assert_eq!(Params::parse(again.trim_start_matches('?')), params);
        }
    }
}
