//! Reading raw values: one value where a list may stand, and errors that know their place.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};

use crate::error::{Object, Problem, SpecError};

/// Reads `"a"` as `["a"]`, and a list of texts as it is.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    struct Texts;
    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = seq.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    d.deserialize_any(Texts)
}

/// Writes a list of one as its only text.
pub(crate) fn one_or_list<S: Serializer>(texts: &[String], s: S) -> Result<S::Ok, S::Error> {
    if let [text] = texts {
        return s.serialize_str(text);
    }
    let mut seq = s.serialize_seq(Some(texts.len()))?;
    texts.iter().try_for_each(|text| seq.serialize_element(text))?;
    seq.end()
}

/// Where a value stands: turns a [`Problem`] into a [`SpecError`].
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) object: &'a Object,
    pub(crate) field: &'static str,
    pub(crate) index: usize,
}

impl<'a> At<'a> {
    pub(crate) fn field(object: &'a Object, field: &'static str) -> Self {
        Self { object, field, index: 0 }
    }

    pub(crate) fn index(self, index: usize) -> Self {
        Self { index, ..self }
    }

    pub(crate) fn error(self, problem: Problem) -> SpecError {
        SpecError {
            object: self.object.clone(),
            field: self.field,
            index: self.index,
            problem: Box::new(problem),
        }
    }

    pub(crate) fn fail<T>(self, problem: Problem) -> Result<T, SpecError> {
        Err(self.error(problem))
    }

    pub(crate) fn ok<T>(self, result: Result<T, Problem>) -> Result<T, SpecError> {
        result.map_err(|problem| self.error(problem))
    }
}
