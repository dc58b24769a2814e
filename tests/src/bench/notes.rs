//! What people say about the figures: a file written by hand, whose headings are names of targets or free. It is put
//! into the report, so that making that again loses nothing.

/// A note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its heading.
    pub heading: String,
    /// What stands below it.
    pub text: String,
}

/// The notes of a file: each begins with a line `## HEADING`. What stands before the first is for who edits the file.
pub fn parse(file: &str) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for line in file.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            notes.push(Note { heading: heading.trim().to_owned(), text: String::new() });
        } else if let Some(note) = notes.last_mut() {
            note.text.push_str(line);
            note.text.push('\n');
        }
    }
    for note in &mut notes {
        note.text = note.text.trim().to_owned();
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_have_headings_and_what_is_before_is_left_out() {
        let notes =
            parse("# Notes\n\nHow to edit.\n\n## tc-frames-kernel\n\nIt is\nso.\n\n## What is left\nMuch.\n");
        let note = |heading: &str, text: &str| Note { heading: heading.to_owned(), text: text.to_owned() };
        assert_eq!(notes, [note("tc-frames-kernel", "It is\nso."), note("What is left", "Much.")]);
    }
}
