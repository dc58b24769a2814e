//! The iproute2 grammar: before clap reads the arguments, words that name an option become flags.
//!
//! The words are those of the clap definition itself, so that an option cannot exist in one grammar only. Walking
//! the arguments also lets an object without a verb mean `show`, and brings the global options to the front, where
//! they count the same wherever they stood.

use std::ffi::OsString;

use clap::{Arg, Command};

/// `dst 192.0.2.1` as `--dst 192.0.2.1`. The first argument is the program's name.
pub(super) fn flags(root: &Command, args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut walk = Walk { root, at: root, globals: args.next().into_iter().collect(), rest: Vec::new() };
    while let Some(word) = args.next() {
        let values = match word.to_str() {
            Some("--") => Values::All,
            Some(text) if text.len() > 1 && text.starts_with('-') => walk.option(text),
            Some(text) => walk.word(text),
            None => Values::None,
        };
        match values {
            Values::Taken => {}
            Values::TakenWithValue => walk.globals.extend(args.next()),
            Values::None => walk.rest.push(word),
            Values::One(option) => {
                walk.rest.push(option.unwrap_or(word));
                walk.rest.extend(args.next());
            }
            Values::Flag(option) => walk.rest.push(option),
            Values::All => {
                let bare = word == "--";
                walk.rest.push(word);
                walk.rest.extend(args);
                return if bare { walk.end() } else { walk.into_args() };
            }
        }
    }
    walk.end()
}

/// What becomes of a word and of those after it.
enum Values {
    /// It is a global option and has been put there.
    Taken,
    /// The same, and the next word is its value.
    TakenWithValue,
    /// It stays.
    None,
    /// It stays or is replaced, and the next word is its value, whatever it looks like.
    One(Option<OsString>),
    /// It is replaced.
    Flag(OsString),
    /// It and everything after it stays.
    All,
}

struct Walk<'a> {
    root: &'a Command,
    /// The command whose words these are.
    at: &'a Command,
    /// The program's name and the global options.
    globals: Vec<OsString>,
    rest: Vec<OsString>,
}

impl Walk<'_> {
    /// A word with a dash.
    fn option(&mut self, text: &str) -> Values {
        // Of the program itself, and before any command, are others too.
        let first = std::ptr::eq(self.at, self.root);
        if let Some((option, value_follows)) = global(self.root, text, |arg| first || arg.is_global_set()) {
            self.globals.push(option);
            return if value_follows { Values::TakenWithValue } else { Values::Taken };
        }
        if matches!(text, "-h" | "--help" | "-V" | "--version") {
            return Values::All;
        }
        if let Some(show) = self.at.find_subcommand("show") {
            self.rest.push("show".into());
            self.at = show;
        }
        let named = text.strip_prefix("--").and_then(|name| find(self.at, name));
        if named.is_some_and(takes_value) { Values::One(None) } else { Values::None }
    }

    /// A word without one.
    fn word(&mut self, text: &str) -> Values {
        if self.at.has_subcommands() {
            if let Some(verb) = self.at.find_subcommand(text) {
                self.at = verb;
                return Values::None;
            }
            match self.at.find_subcommand("show").filter(|show| find(show, text).is_some()) {
                Some(show) => {
                    self.rest.push("show".into());
                    self.at = show;
                }
                // Clap knows it, or knows what to say.
                None => return Values::All,
            }
        }
        let Some(arg) = find(self.at, text) else { return Values::None };
        let option = OsString::from(format!("--{text}"));
        if takes_value(arg) { Values::One(Some(option)) } else { Values::Flag(option) }
    }

    fn end(mut self) -> Vec<OsString> {
        if self.at.find_subcommand("show").is_some() {
            self.rest.push("show".into());
        }
        self.into_args()
    }

    fn into_args(self) -> Vec<OsString> {
        let mut args = self.globals;
        args.extend(self.rest);
        args
    }
}

/// The option of that name, or of that other name.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let named = |arg: &&Arg| {
        arg.get_long()
            .is_some_and(|long| long == name || arg.get_all_aliases().is_some_and(|a| a.contains(&name)))
    };
    command.get_arguments().find(named)
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// A word made of options of the program only, in clap's spelling, and whether the next word is its value.
fn global(root: &Command, text: &str, counts: impl Fn(&Arg) -> bool) -> Option<(OsString, bool)> {
    let long = |name: &str| find(root, name).filter(|arg| counts(arg));
    if let Some(name) = text.strip_prefix("--") {
        let (name, attached) = name.split_once('=').map_or((name, false), |(name, _)| (name, true));
        return long(name).map(|arg| (text.into(), takes_value(arg) && !attached));
    }
    let letters = text.strip_prefix('-')?;
    // iproute2 writes long options with one dash: `ip -json neigh`.
    if let Some(arg) = long(letters) {
        return Some((format!("-{text}").into(), takes_value(arg)));
    }
    let mut letters = letters.chars();
    while let Some(letter) = letters.next() {
        let arg = root.get_arguments().find(|arg| counts(arg) && arg.get_short() == Some(letter))?;
        if takes_value(arg) {
            return Some((text.into(), letters.as_str().is_empty()));
        }
    }
    Some((text.into(), false))
}
