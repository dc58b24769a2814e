//! The lines of a batch: as many at a time as are there. Who writes them slowly into a pipe gets each done at once.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read as _},
    os::fd::AsFd as _,
    path::Path,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{Error, Result};

/// Bytes that are read at once.
const READ: usize = 1 << 20;
/// A block that has so many bytes is not made larger: one or two million lines.
const BLOCK: usize = 1 << 27;
/// Milliseconds that a writer may take until we do what it has written so far.
const PATIENCE: u8 = 10;

/// Where the lines come from.
pub(super) struct Input {
    name: String,
    file: File,
    /// What was read and belongs to no block yet.
    rest: Vec<u8>,
    /// The number of its first line.
    line: usize,
    ended: bool,
    /// `BLOCK`.
    most: usize,
}

/// Whole lines.
pub(super) struct Block {
    text: String,
    first: usize,
}

/// A command.
pub(super) struct Line<'a> {
    /// Number of the line it begins in, from 1.
    pub(super) number: usize,
    text: Cow<'a, str>,
}

impl Input {
    /// Opens a file, or stdin.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let opened = match name.as_str() {
            "-" => io::stdin().as_fd().try_clone_to_owned().map(File::from),
            _ => File::open(path),
        };
        let file = opened.map_err(Error::system(format!("open batch {name}")))?;
        Ok(Self { name, file, rest: Vec::new(), line: 1, ended: false, most: BLOCK })
    }

    /// What errors call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next lines. Waits for one if need be, and hardly for more.
    pub(super) fn block(&mut self) -> Result<Option<Block>> {
        let reading = || Error::system(format!("read batch {}", self.name));
        let mut whole = whole_lines(&self.rest);
        while !self.ended && self.rest.len() < self.most && (whole == 0 || is_ready(&self.file)) {
            let before = self.rest.len();
            self.rest.resize(before + READ, 0);
            let read = self.file.read(self.rest.get_mut(before..).unwrap_or_default()).map_err(reading())?;
            self.rest.truncate(before + read);
            self.ended = read == 0;
            whole = whole.max(whole_lines(&self.rest));
        }
        if self.ended {
            whole = self.rest.len();
        }
        if whole == 0 && self.ended {
            return Ok(None);
        }
        let rest = self.rest.split_off(whole);
        let text = std::mem::replace(&mut self.rest, rest);
        let text =
            String::from_utf8(text).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        let first = self.line;
        self.line += text.bytes().filter(|byte| *byte == b'\n').count();
        Ok(Some(Block { text, first }))
    }
}

/// How many bytes at the beginning are whole lines, each with those it goes on in.
fn whole_lines(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    loop {
        let Some(newline) = bytes.get(..end).and_then(|bytes| bytes.iter().rposition(|byte| *byte == b'\n'))
        else {
            return 0;
        };
        if newline == 0 || bytes.get(newline - 1) != Some(&b'\\') {
            return newline + 1;
        }
        end = newline;
    }
}

/// Whether there is something to read, now or in a moment. A file always is.
fn is_ready(file: &File) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::from(PATIENCE)).is_ok_and(|ready| ready > 0)
}

impl Block {
    /// The commands.
    pub(super) fn lines(&self) -> Lines<'_> {
        Lines { rest: &self.text, number: self.first }
    }
}

/// Commands: not what is empty, nor what is behind `#`; a line that ends in `\` goes on in the next.
#[derive(Clone)]
pub(super) struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn physical(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let number = self.number;
            let mut text = Cow::Borrowed(self.physical()?);
            while let Some(begun) = text.strip_suffix('\\') {
                text = Cow::Owned(format!("{begun} {}", self.physical().unwrap_or_default()));
            }
            if let Some(comment) = text.find('#') {
                text = match text {
                    Cow::Borrowed(text) => Cow::Borrowed(text.get(..comment)?),
                    Cow::Owned(mut text) => {
                        text.truncate(comment);
                        Cow::Owned(text)
                    }
                };
            }
            if text.bytes().any(|byte| !byte.is_ascii_whitespace()) {
                return Some(Line { number, text });
            }
        }
    }
}

impl Line<'_> {
    /// Its words.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_ascii_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let block = Block { text: text.to_owned(), first: 7 };
        let lines = block.lines();
        lines.map(|line| format!("{} {}", line.number, line.words().collect::<Vec<_>>().join(" "))).collect()
    }

    #[test]
    fn comments_and_empty_lines_are_no_commands_and_lines_go_on_behind_a_backslash() {
        assert_eq!(
            lines("fdb\n\n # none\n\tvni  show # all\r\nport\\\n show\\\n\nneigh"),
            ["7 fdb", "10 vni show", "11 port show", "14 neigh"]
        );
        assert_eq!(lines("fdb\\"), ["7 fdb"]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn lines_are_whole_with_their_newline_and_what_they_go_on_in() {
        for (text, whole) in
            [("", 0), ("a", 0), ("a\nb", 2), ("a\n", 2), ("a\nb\\\nc", 2), ("b\\\nc", 0), ("\n", 1)]
        {
            assert_eq!(whole_lines(text.as_bytes()), whole, "{text:?}");
        }
    }

    #[test]
    fn blocks_of_a_file_are_all_its_lines_with_their_numbers() {
        let path = std::env::temp_dir().join(format!("vxbpf-batch-{}", std::process::id()));
        let text: String =
            (1..=200_000).map(|number| format!("fdb add line {number}, and then some words\n")).collect();
        std::fs::write(&path, &text).unwrap();
        let mut input = Input { most: 2 * READ, ..Input::open(&path).unwrap() };
        std::fs::remove_file(path).unwrap();
        let (mut next, mut blocks) = (1, 0);
        while let Some(block) = input.block().unwrap() {
            for line in block.lines() {
                assert_eq!(line.number, next);
                assert_eq!(line.words().nth(3), Some(format!("{next},").as_str()));
                next += 1;
            }
            blocks += 1;
        }
        assert_eq!(next, 200_001);
        assert!(blocks > 1);
    }
}
