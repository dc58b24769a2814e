//! Entries as lines of a text, `stations` and `neighbours`: the keys of `[[vni.fdb]]` and `[[vni.neigh]]` as words. A
//! table of TOML for each of a million takes ten times as long to read.

use std::ops::Range;

use toml::Spanned;

use super::{
    file::{FdbTable, NeighTable, Placed},
    locate::Flaw,
    value::{Value, Word},
};

/// A line that says something, and where it is in the file.
pub(super) struct Line<'a> {
    text: &'a str,
    /// Offset in the file, if that is known; else of the whole text.
    at: usize,
    exact: bool,
}

/// The lines of a text of the file that say something: not those that are empty or behind a `#`.
pub(super) fn of<'a>(file: &str, place: &'a Spanned<String>) -> impl Iterator<Item = Line<'a>> {
    let text = place.get_ref().as_str();
    // The text without its quotes, unless it holds escapes; TOML drops a line's end right behind the quotes.
    let start = place.span().start;
    let inside = file.get(start..).unwrap_or_default().trim_start_matches(['"', '\'']);
    let inside = inside.strip_prefix("\r\n").or_else(|| inside.strip_prefix('\n')).unwrap_or(inside);
    let exact = inside.starts_with(text);
    let mut at = if exact { file.len() - inside.len() } else { start };
    text.split_inclusive('\n').filter_map(move |whole| {
        let line = Line { text: whole.split('#').next().unwrap_or_default(), at, exact };
        at += if exact { whole.len() } else { 0 };
        (!line.text.trim_ascii().is_empty()).then_some(line)
    })
}

/// `MAC dst ADDR [vni VNI] [port PORT] [STATE]` or `MAC dev DEV [STATE]`
pub(super) fn station(line: &Line<'_>) -> Result<FdbTable, Flaw> {
    let mut words = line.words();
    let mac = line.first(&mut words, "the MAC address of a station")?;
    let mut table = FdbTable { mac, dst: None, dev: None, vni: None, port: None, state: None };
    while let Some(word) = words.next() {
        match word {
            "dst" => line.set(&mut table.dst, word, &mut words)?,
            "vni" => line.set(&mut table.vni, word, &mut words)?,
            "port" => line.set(&mut table.port, word, &mut words)?,
            "dev" if table.dev.is_none() => {
                let dev = line.value(word, &mut words)?;
                table.dev = Some(Spanned::new(line.span(dev), dev.to_owned()));
            }
            "permanent" | "static" | "dynamic" if table.state.is_none() => {
                table.state = Some(Word(Value::read(word).map_err(|why| line.flaw(word, why))?));
            }
            _ => {
                let why = format!(
                    "{word:?} is one word too many, as in MAC dst ADDR [vni VNI] [port PORT] \
                     [permanent|static|dynamic], or MAC dev DEV [permanent|static|dynamic]"
                );
                return Err(line.flaw(word, why));
            }
        }
    }
    Ok(table)
}

/// `ADDR lladdr MAC [router]`
pub(super) fn neighbour(line: &Line<'_>) -> Result<NeighTable, Flaw> {
    let mut words = line.words();
    let addr = line.first(&mut words, "an address")?;
    let (mut lladdr, mut router) = (None, false);
    while let Some(word) = words.next() {
        match word {
            "lladdr" => line.set(&mut lladdr, word, &mut words)?,
            "router" if !router => router = true,
            _ => {
                let why = format!("{word:?} is one word too many, as in ADDR lladdr MAC [router]");
                return Err(line.flaw(word, why));
            }
        }
    }
    let lladdr = lladdr.ok_or_else(|| line.flaw(line.text, "needs lladdr MAC".to_owned()))?;
    Ok(NeighTable { addr, lladdr, router })
}

impl<'a> Line<'a> {
    fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text.split_ascii_whitespace()
    }

    fn first<T: Value>(
        &self,
        words: &mut impl Iterator<Item = &'a str>,
        what: &str,
    ) -> Result<Placed<T>, Flaw> {
        let word = words.next().ok_or_else(|| self.flaw(self.text, format!("needs {what}")))?;
        self.read(word)
    }

    /// The value behind a word, which may be there once.
    fn set<T: Value>(
        &self,
        slot: &mut Option<Placed<T>>,
        word: &'a str,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), Flaw> {
        if slot.is_some() {
            return Err(self.flaw(word, format!("{word} is there twice: keep one")));
        }
        *slot = Some(self.read(self.value(word, words)?)?);
        Ok(())
    }

    fn value(&self, word: &'a str, words: &mut impl Iterator<Item = &'a str>) -> Result<&'a str, Flaw> {
        words.next().ok_or_else(|| self.flaw(word, format!("{word} needs a value")))
    }

    fn read<T: Value>(&self, word: &'a str) -> Result<Placed<T>, Flaw> {
        let value = T::read(word).map_err(|why| self.flaw(word, why))?;
        Ok(Spanned::new(self.span(word), Word(value)))
    }

    /// Where a word of the line is in the file.
    fn span(&self, word: &str) -> Range<usize> {
        let offset = word.as_ptr().addr() - self.text.as_ptr().addr();
        let at = self.at + if self.exact { offset } else { 0 };
        at..at + word.len()
    }

    fn flaw(&self, word: &str, why: String) -> Flaw {
        Flaw { at: Some(self.span(word).start), why }
    }
}
