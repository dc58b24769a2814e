//! The words of libtest on the command line. The harness takes one filter; libtest takes several, and so do we.

use libtest_mimic::Arguments;

/// Options whose value is a word of its own.
const WITH_VALUE: [&str; 6] = ["--test-threads", "--skip", "--logfile", "--format", "--color", "-Z"];

/// What the harness is to know, and the filters.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> (Arguments, Vec<String>) {
    let (mut options, mut filters) = (Vec::new(), Vec::new());
    let mut words = words;
    options.extend(words.next());
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            filters.push(word);
            continue;
        }
        let takes_one = WITH_VALUE.contains(&word.as_str());
        options.push(word);
        options.extend(takes_one.then(|| words.next()).flatten());
    }
    (Arguments::from_iter(options), filters)
}

/// Whether one of the filters, if there are any, is part of the name.
pub(crate) fn wanted(name: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}
