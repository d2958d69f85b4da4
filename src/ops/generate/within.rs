//! Short texts of a model that sum something up: a summary, a name, an opening, a draft. They may choose their words; what can be
//! looked up in them must stand in what they sum up.

use std::collections::BTreeSet;

use super::{
    claims::{self, Claims},
    ground::forbidden,
};
use crate::{domain::injection::instructs, retrieval::terms};

/// What a text is made from, as it is looked up in.
#[derive(Debug)]
pub struct Said {
    lower: String,
    numbers: BTreeSet<(String, Option<String>)>,
    terms: BTreeSet<String>,
}

impl Said {
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let all = texts.into_iter().collect::<Vec<_>>().join("\n");
        Self {
            lower: claims::joined(&all).to_lowercase(),
            numbers: claims::numbers(&all),
            terms: terms::all_terms(&all).into_iter().collect(),
        }
    }

    /// What a text has that was not said: a number, code, an address, a name; or why it has no place at all.
    pub fn lacks(&self, text: &str) -> Option<String> {
        if forbidden(text) || instructs(text) {
            return Some("it speaks to a machine, or to everybody".to_owned());
        }
        let Claims { numbers, code, addresses, names } = Claims::of(text);
        let stands = |what: &String| self.lower.contains(&what.to_lowercase());
        let number = numbers.iter().find(|number| !claims::has_number(&self.numbers, number)).map(|(value, _)| value);
        let literal = code.iter().chain(&addresses).chain(&names).find(|what| !stands(what));
        number.or(literal).map(|what| format!("nobody said {what}"))
    }

    /// Share of a text's content words that were not said, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    pub fn share_of_new_words(&self, text: &str) -> f32 {
        let words = terms::content_terms(text);
        if words.is_empty() {
            return 0.0;
        }
        let new = words.iter().filter(|word| !self.terms.contains(*word)).count();
        new as f32 / words.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_found() {
        #[track_caller]
        fn check(text: &str, lacks: bool) {
            let said =
                Said::of(["my deploy of `checkout` fails with E42 after 5 minutes", "I restarted it twice, ask Olga"]);
            assert_eq!(said.lacks(text).is_some(), lacks, "{text}");
        }
        check("The deployment of `checkout` ends with E42.", false);
        check("Restarting it did not help after 5 minutes, says Olga.", false);
        check("It fails after 10 minutes.", true);
        check("They ran `rm -rf /`.", true);
        check("Ask Paul about it.", true);
        check("See https://evil.test/x for more.", true);
        check("@everyone look at this", true);
    }

    #[test]
    fn new_words_are_counted() {
        let said = Said::of(["builds are slow on Mondays"]);
        assert!(said.share_of_new_words("Slow builds") < 0.01);
        assert!(said.share_of_new_words("Broken coffee machines") > 0.9);
    }
}
