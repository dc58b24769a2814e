//! What is wrong with a config file, and where: from the offset that the parser knows to the line and the key
//! that people know.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::Error;

/// Something wrong at a place of the file.
#[derive(Debug)]
pub(super) struct Flaw {
    /// Offset in the text, if it is a place.
    pub(super) at: Option<usize>,
    /// What is wrong, and what to do.
    pub(super) why: String,
}

impl Flaw {
    /// Something wrong with a placed value.
    pub(super) fn at<T>(place: &Spanned<T>, why: impl Into<String>) -> Self {
        Self { at: Some(place.span().start), why: why.into() }
    }
}

/// The line that an offset is in, counted from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// The flaw as an error: `FILE:LINE: KEY: what is wrong`.
pub(super) fn error(name: &str, text: &str, flaw: &Flaw) -> Error {
    let Some(at) = flaw.at else { return Error::invalid(name, flaw.why.as_str()) };
    let what = format!("{name}:{}", line(text, at));
    match key(text, at) {
        Some(key) => Error::invalid(what, format!("{key}: {}", flaw.why)),
        None => Error::invalid(what, flaw.why.as_str()),
    }
}

/// The dotted key of the innermost value at an offset, `vni.fdb.mac`. None in a text that is not TOML.
fn key(text: &str, at: usize) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let mut path = Vec::new();
    in_table(document.get_ref(), at, &mut path);
    (!path.is_empty()).then(|| path.join("."))
}

/// Whether a value of the table is at the offset; then its key is on the path.
fn in_table(table: &DeTable<'_>, at: usize, path: &mut Vec<String>) -> bool {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        if key.span().contains(&at) || in_value(value, at, path) {
            return true;
        }
        path.pop();
    }
    false
}

fn in_value(value: &Spanned<DeValue<'_>>, at: usize, path: &mut Vec<String>) -> bool {
    // A table under a header spans the header only, so what is in it is looked at whatever the span.
    let inside = match value.get_ref() {
        DeValue::Table(table) => in_table(table, at, path),
        DeValue::Array(array) => array.iter().any(|value| in_value(value, at, path)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => false,
    };
    inside || value.span().contains(&at)
}
