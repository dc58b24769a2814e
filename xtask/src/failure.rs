//! The one error type: what failed and what to do about it. A failure can't be made without a hint,
//! so nobody is left with half of the story.

use std::fmt;

/// Shorthand for functions that may fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Printed as `error: …` and `hint: …`, then exit status 1.
#[derive(Debug)]
pub(crate) struct Failure {
    error: String,
    hint: String,
}

impl Failure {
    /// Says what failed, naming the object and the cause, and the way out.
    pub(crate) fn new(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { error: error.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhint: {}", self.error, self.hint)
    }
}
