//! YAML as JSON, with the line of each part: for files whose shape somebody else defines.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::{Diagnostics, diagnostics::parse_yaml};

/// A part of a document: its keys in order, and where they stand.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Single(Value),
    List(Vec<Spanned<Part>>),
    Entries(Vec<(Spanned<String>, Part)>),
}

impl Part {
    pub fn value(&self) -> Value {
        match self {
            Self::Single(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.value()).collect(),
            Self::Entries(entries) => Value::Object(
                entries.iter().map(|(key, part)| (key.value.clone(), part.value())).collect::<Map<_, _>>(),
            ),
        }
    }
}

/// A whole document.
#[derive(Debug, Clone)]
pub struct Document {
    pub value: Value,
    /// Line of each part, from 1, by JSON pointer.
    lines: BTreeMap<String, u64>,
    /// How manieth part of the document each is, by JSON pointer.
    order: BTreeMap<String, usize>,
}

impl Document {
    /// Reads a file; a finding when it is not YAML.
    pub fn read(file: &Path, text: &str, findings: &mut Diagnostics) -> Option<Self> {
        let root: Part = parse_yaml(file, text, 1, findings)?;
        let mut document = Self { value: root.value(), lines: BTreeMap::new(), order: BTreeMap::new() };
        document.note("", &root);
        Some(document)
    }

    fn note(&mut self, pointer: &str, part: &Part) {
        let inner: Vec<(String, u64, &Part)> = match part {
            Part::Single(_) => Vec::new(),
            Part::List(items) => items
                .iter()
                .enumerate()
                .map(|(at, item)| (at.to_string(), item.referenced.line(), &item.value))
                .collect(),
            Part::Entries(entries) => entries
                .iter()
                .map(|(key, part)| (key.value.replace('~', "~0").replace('/', "~1"), key.referenced.line(), part))
                .collect(),
        };
        for (step, line, part) in inner {
            let pointer = format!("{pointer}/{step}");
            self.lines.insert(pointer.clone(), line);
            self.order.insert(pointer.clone(), self.order.len());
            self.note(&pointer, part);
        }
    }

    /// The line of a part, or of the nearest part around it.
    pub fn line(&self, pointer: &str) -> Option<u64> {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return Some(*line);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }

    /// The order of the parts below a pointer, by JSON pointer from there.
    pub fn outline(&self, below: &str) -> BTreeMap<String, usize> {
        let inside = self.order.iter().filter_map(|(pointer, at)| Some((pointer.strip_prefix(below)?.to_owned(), *at)));
        inside.filter(|(pointer, _)| pointer.starts_with('/')).collect()
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
        Ok(Part::Single(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Part, E> {
        Ok(Part::Single(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Part, E> {
        Ok(Part::Single(Value::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Part, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a number that JSON knows"))?;
        Ok(Part::Single(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Part, E> {
        Ok(Part::Single(Value::from(value)))
    }

    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::Single(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Part, E> {
        Ok(Part::Single(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        Part::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Part, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Part::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut entries: Vec<(Spanned<String>, Part)> = Vec::new();
        while let Some((key, part)) = map.next_entry::<Spanned<String>, Part>()? {
            if entries.iter().any(|(known, _)| known.value == key.value) {
                return Err(A::Error::custom(format!("the key {} is there twice", key.value)));
            }
            entries.push((key, part));
        }
        Ok(Part::Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_have_lines_and_an_order() {
        #[track_caller]
        fn check(document: &Document, pointer: &str, line: Option<u64>) {
            assert_eq!(document.line(pointer), line, "{pointer}");
        }
        let text = "b: 1\na:\n  - x\n  - {z: true, y: ~}\n  - 1.5\nk/e: \"2\"\n";
        let document = Document::read(Path::new("x.yaml"), text, &mut Diagnostics::default()).expect("YAML");
        assert_eq!(document.value, json!({ "b": 1, "a": ["x", { "z": true, "y": null }, 1.5], "k/e": "2" }));
        check(&document, "/b", Some(1));
        check(&document, "/a", Some(2));
        check(&document, "/a/1/y", Some(4));
        check(&document, "/a/1/y/none/there", Some(4));
        check(&document, "/k~1e", Some(6));
        check(&document, "/q", None);
        let order = document.outline("/a/1");
        assert!(order["/z"] < order["/y"], "{order:?}");
        assert_eq!(order.len(), 2);
    }
}
