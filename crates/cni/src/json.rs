//! JSON as runtimes and their tools have come to expect it to be read: names without regard to
//! case, of two equal ones the last, and `null` as if it were not there.
//!
//! (Go's `encoding/json` reads so, and configuration files rely on it.)

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::fault::{Code, Fault};

/// A value. Objects keep every field, in the order in which they were written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Object),
}

/// The fields of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

impl Json {
    /// Reads a whole text. Objects and arrays may be nested 128 deep.
    ///
    /// # Errors
    /// [`Code::Decode`] with line and column.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(bytes).map_err(|why| {
            Fault::new(Code::Decode, "the network configuration is no JSON")
                .details(why.to_string())
        })
    }

    fn text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(text.clone()) } else { None }
    }

    fn truth(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { number.as_u64() } else { None }
    }

    fn list(&self) -> Option<Vec<Self>> {
        if let Self::List(list) = self { Some(list.clone()) } else { None }
    }

    fn object(&self) -> Option<Object> {
        if let Self::Object(object) = self { Some(object.clone()) } else { None }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Where a value stands, for errors: `ipam.ranges`.
pub(crate) fn wrong(path: &str, wanted: &str, found: &Json) -> Fault {
    Fault::new(Code::Decode, format!("{path}: {wanted} is expected, not {}", found.kind()))
}

impl Object {
    /// The field `name`; none when it is absent or `null`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Json> {
        let meant = |(key, value): &&(String, Json)| *value != Json::Null && alike(key, name);
        self.0.iter().rev().find(meant).map(|(_, value)| value)
    }

    /// Every field under its own name, for objects whose names are the user's.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The text `name`; empty when absent.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is something else.
    pub fn text(&self, name: &str) -> Result<String, Fault> {
        self.read(name, "a string", Json::text).map(Option::unwrap_or_default)
    }

    /// The truth value `name`.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is something else.
    pub fn truth(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.read(name, "true or false", Json::truth)
    }

    /// The whole number `name`, 0 to 2^64-1.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is something else.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        self.read(name, "a whole number", Json::number)
    }

    /// The object `name`.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is something else.
    pub fn object(&self, name: &str) -> Result<Option<Self>, Fault> {
        self.read(name, "an object", Json::object)
    }

    /// The list `name`; empty when absent.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is something else.
    pub fn list(&self, name: &str) -> Result<Vec<Json>, Fault> {
        self.read(name, "a list", Json::list).map(Option::unwrap_or_default)
    }

    /// The list `name` of objects.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is something else.
    pub fn objects(&self, name: &str) -> Result<Vec<Self>, Fault> {
        let one = |v: &Json| v.object().ok_or_else(|| wrong(name, "a list of objects", v));
        self.list(name)?.iter().map(one).collect()
    }

    /// The list `name` of strings.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is something else.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Fault> {
        let one = |v: &Json| v.text().ok_or_else(|| wrong(name, "a list of strings", v));
        self.list(name)?.iter().map(one).collect()
    }

    fn read<T>(
        &self,
        name: &str,
        wanted: &str,
        as_it: impl Fn(&Json) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let one = |value| as_it(value).ok_or_else(|| wrong(name, wanted, value));
        self.field(name).map(one).transpose()
    }
}

/// True for names that are the same but for case.
fn alike(one: &str, two: &str) -> bool {
    if one.is_ascii() && two.is_ascii() {
        return one.eq_ignore_ascii_case(two);
    }
    one.to_lowercase() == two.to_lowercase()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Json::Object(Object(fields)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        let Json::Object(object) = Json::read(text.as_bytes()).unwrap() else { unreachable!() };
        object
    }

    #[test]
    fn names_are_read_without_regard_to_case_and_the_last_one_counts() {
        let conf =
            object(r#"{"MTU": 1, "mtu": 1400, "Mtu": null, "IPAM": {"SUBNET": "10.0.0.0/8"}}"#);
        assert_eq!(conf.number("mtu"), Ok(Some(1400)));
        assert_eq!(conf.object("ipam").unwrap().unwrap().text("subnet").unwrap(), "10.0.0.0/8");
        assert_eq!(conf.text("bridge").unwrap(), "");
        // The sign of the kelvin is a K in small letters.
        assert_eq!(object("{\"\u{212a}ey\": 3}").number("key"), Ok(Some(3)));
    }

    #[test]
    fn another_shape_is_refused_by_name() {
        let conf = object(r#"{"mtu": "1400", "ips": ["10.0.0.1", 3], "vlan": -1}"#);
        let said = conf.number("mtu").unwrap_err();
        assert_eq!(said.msg, "mtu: a whole number is expected, not a string");
        let said = conf.texts("ips").unwrap_err();
        assert_eq!(said.msg, "ips: a list of strings is expected, not a number");
        assert_eq!(conf.number("vlan").unwrap_err().code, Code::Decode);
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for bad in ["", "{", "{}x", "{\"a\":}", &"[".repeat(100_000), "\u{0}"] {
            assert_eq!(Json::read(bad.as_bytes()).unwrap_err().code, Code::Decode);
        }
        let said = Json::read(b"{\n  \"a\": x}").unwrap_err();
        assert_eq!(said.details, "expected value at line 2 column 8");
    }
}
