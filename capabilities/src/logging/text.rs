//! Text that stays within its line.

use std::fmt::Write;

/// How many bytes the name of an app has in the log at most, its escapes included.
pub const LONGEST_SOURCE: usize = 256;

/// How many bytes a line's text has in the log at most, its escapes included.
pub const LONGEST_TEXT: usize = 8 << 10;

/// A text of an app as it may stand in a log: without what could end its line, control a terminal or turn the direction of what follows, cut at `most`
/// bytes.
#[must_use]
pub fn plain(text: &str, most: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(most));
    for (position, character) in text.char_indices() {
        let before = plain.len();
        if character == '\\' || harmful(character) {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
        if plain.len() > most {
            plain.truncate(before);
            let left = text.len() - position;
            // Writing to a string does not fail.
            let _ = write!(plain, " … and {left} bytes more");
            break;
        }
    }
    plain
}

fn harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Ends of lines and paragraphs.
            '\u{2028}' | '\u{2029}'
            // Marks, embeddings, overrides and isolates of a direction.
            | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Invisible: the mark of byte order, tags, and what joins or parts words.
            | '\u{feff}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_is_escaped() {
        for (text, expected) in [
            ("plain, ключ, 🦀, a\u{301}", "plain, ключ, 🦀, a\u{301}"),
            ("a\nERROR b", "a\\nERROR b"),
            ("a\r\tb\0", "a\\r\\tb\\u{0}"),
            ("\u{1b}[2J\u{7f}\u{9b}", "\\u{1b}[2J\\u{7f}\\u{9b}"),
            ("a\u{2028}b\u{85}", "a\\u{2028}b\\u{85}"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("no \\n line", "no \\\\n line"),
            ("", ""),
        ] {
            assert_eq!(plain(text, 100), expected);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_say_so() {
        assert_eq!(plain("abcdef", 6), "abcdef");
        assert_eq!(plain("abcdefg", 6), "abcdef … and 1 bytes more");
        assert_eq!(plain("жжж", 5), "жж … and 2 bytes more");
        assert_eq!(plain("ab\n\n", 5), "ab\\n … and 1 bytes more");
        assert_eq!(plain("\u{1b}", 5), " … and 1 bytes more");
    }
}
