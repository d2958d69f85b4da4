//! A service of a platform's catalogue: what is asked for, who may ask, who agrees, and who does it.

pub mod form;
pub mod fulfilment;
pub mod policy;
pub mod schema;
pub mod title;
pub mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use form::{Field, FieldKind, FormPage, FormSchema, Pick, When};
pub use fulfilment::{Fulfilment, Template};
pub use policy::{Approval, ApprovalRefused, Policy};
pub use validate::FieldError;

/// An entry of the catalogue, as its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Unique on its platform.
    pub id: String,
    pub name: String,
    pub summary: String,
    /// Id of the capability it belongs to.
    pub capability: Option<String>,
    pub work: WorkKind,
    /// What a request for it is called; see [`Service::title_of`].
    pub title: Option<Template>,
    pub form: FormSchema,
    pub cost: Option<Cost>,
    pub policy: Policy,
    pub fulfilment: Fulfilment,
}

/// Does doing it keep things running, or does it build something?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    #[default]
    Operational,
    Project,
}

impl WorkKind {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::Project => "project",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        [Self::Operational, Self::Project].into_iter().find(|work| work.id() == id)
    }
}

/// What a service costs each month: the sum of the amounts that stand beside what was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// As in `EUR`.
    pub currency: String,
    /// Per field and chosen value, in whole units of the currency.
    pub amounts: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Cost {
    /// Whole units of the currency for each month, for the values of a validated form. Each item of a list counts.
    pub fn of(&self, values: &Map<String, Value>) -> u64 {
        let amount = |field: &String, value: &Value| {
            let amounts = self.amounts.get(field)?;
            amounts.get(&form::plain(value)).copied()
        };
        values
            .iter()
            .flat_map(|(field, value)| match value {
                Value::Array(items) => items.iter().map(|item| (field, item)).collect(),
                single => vec![(field, single)],
            })
            .filter_map(|(field, value)| amount(field, value))
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cost_is_the_sum_of_what_was_chosen() {
        #[track_caller]
        fn check(cost: &Cost, values: &Value, expected: u64) {
            assert_eq!(cost.of(values.as_object().expect("an object")), expected, "{values}");
        }
        let amounts =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(value, amount)| ((*value).to_owned(), *amount)).collect();
        let cost = Cost {
            currency: "EUR".to_owned(),
            amounts: BTreeMap::from([
                ("size".to_owned(), amounts(&[("small", 20), ("large", 400)])),
                ("extras".to_owned(), amounts(&[("replica", 100), ("backup", 5)])),
                ("ha".to_owned(), amounts(&[("true", 50)])),
            ]),
        };
        check(&cost, &json!({}), 0);
        check(&cost, &json!({ "size": "large", "name": "small" }), 400);
        check(&cost, &json!({ "size": "small", "extras": ["replica", "backup", "none"], "ha": true }), 175);
        check(&cost, &json!({ "size": "unknown", "ha": false }), 0);
    }
}
