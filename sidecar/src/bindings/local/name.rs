//! The names of files.

use std::fmt;

/// A file's name within the root folder: folders, and a file. It leads nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(Vec<String>);

/// The most folders within folders.
pub(super) const DEEPEST: usize = 64;
/// What file systems take.
const LONGEST: usize = 255;

// === impl Name ===

impl Name {
    /// Reads a name. As with Dapr, what leads above the root folder leads to it, and a slash at the beginning means it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut segments: Vec<String> = Vec::new();
        for segment in text.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                _ if segment.contains('\0') => {
                    return Err(format!("fileName {text:?} has a NUL, which no file's name has"));
                }
                _ if segment.len() > LONGEST => {
                    return Err(format!("a part of fileName is longer than {LONGEST} bytes"));
                }
                _ => segments.push(segment.to_owned()),
            }
        }
        if segments.len() > DEEPEST {
            return Err(format!("fileName has more than {DEEPEST} parts"));
        }
        Ok(Self(segments))
    }

    pub(super) fn segments(&self) -> &[String] {
        &self.0
    }

    /// The folders and the file; nothing if it names the root folder.
    pub(super) fn split(&self) -> Option<(&[String], &str)> {
        self.0.split_last().map(|(file, parents)| (parents, file.as_str()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str(".") } else { f.write_str(&self.0.join("/")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out() {
        for (text, expected) in [
            ("a", "a"),
            ("a/b.txt", "a/b.txt"),
            ("/etc/passwd", "etc/passwd"),
            ("../../etc/passwd", "etc/passwd"),
            ("a/../../b", "b"),
            ("./a//b/", "a/b"),
            ("..", "."),
            ("", "."),
            ("...", "..."),
            ("a\\..\\b", "a\\..\\b"),
        ] {
            assert_eq!(Name::parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["a\0b".to_owned(), "x".repeat(256), "a/".repeat(65)] {
            assert!(Name::parse(&text).is_err(), "{text}");
        }
    }
}
