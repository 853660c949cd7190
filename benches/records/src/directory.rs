//! A run's directory: `plan.json` and `blocks.jsonl`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::{Block, Outcome, Plan, RecordError, SCHEMA};

/// A run as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What it set out to do.
    pub plan: Plan,
    /// What it measured so far, in the order of recording. Blocks of a round that a later session measured anew,
    /// because it was broken off, are left out: each round belongs to one session. But no wrong answer is.
    pub blocks: Vec<Block>,
    /// Bytes of a last line that a crash cut short; it is left out of `blocks`.
    pub torn_bytes: u64,
}

/// Appends blocks to a run. Each is one line, on disk before [`Recorder::append`] returns.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines: after a failed write the file is cut back to this.
    whole: u64,
}

const PLAN: &str = "plan.json";
const BLOCKS: &str = "blocks.jsonl";

// === impl Run ===

impl Run {
    /// Reads a run. A torn last line is tolerated: it was never acknowledged.
    ///
    /// # Errors
    /// No run, another format, or a damaged file.
    pub fn read(directory: &Path) -> Result<Self, RecordError> {
        let plan = read_plan(directory)?;
        let path = directory.join(BLOCKS);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(RecordError::io(&path, error)),
        };
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut blocks: Vec<Block> = Vec::new();
        for (index, line) in text[..whole].split(|&byte| byte == b'\n').enumerate() {
            if !line.is_empty() {
                blocks.push(parse(line, &format!("{} line {}", path.display(), index + 1))?);
            }
        }
        let mut latest: BTreeMap<u32, u32> = BTreeMap::new();
        for block in &blocks {
            let session = latest.entry(block.round).or_default();
            *session = block.session.max(*session);
        }
        // A wrong answer stays, whatever was measured later.
        blocks.retain(|block| {
            latest.get(&block.round) == Some(&block.session) || matches!(block.outcome, Outcome::Wrong { .. })
        });
        Ok(Self { plan, blocks, torn_bytes: (text.len() - whole) as u64 })
    }
}

/// Reads a run's plan.
///
/// # Errors
/// No run, another format, or a damaged file.
pub fn read_plan(directory: &Path) -> Result<Plan, RecordError> {
    let path = directory.join(PLAN);
    match fs::read(&path) {
        Ok(text) => parse(&text, &path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(RecordError::NotARun { path: directory.to_owned() })
        }
        Err(error) => Err(RecordError::io(&path, error)),
    }
}

/// Writes a run's plan: a reader sees the old one or the new one, never a part.
///
/// # Errors
/// The file system's.
pub fn write_plan(directory: &Path, plan: &Plan) -> Result<(), RecordError> {
    let path = directory.join(PLAN);
    let draft = directory.join("plan.json.draft");
    let write = || -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(plan)?;
        text.push(b'\n');
        let mut file = File::create(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| {
        // The draft is of no use to anybody; that it may stay behind does no harm.
        let _ = fs::remove_file(&draft);
        RecordError::io(&path, error)
    })
}

/// Parses after a look at the version alone, so that another format is named as such and not as damage.
fn parse<T: DeserializeOwned>(text: &[u8], path: &str) -> Result<T, RecordError> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema: u64,
    }
    let damaged =
        |error: serde_json::Error| RecordError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let version: Version = serde_json::from_slice(text).map_err(damaged)?;
    if version.schema != u64::from(SCHEMA) {
        return Err(RecordError::Schema { path: path.to_owned(), found: version.schema });
    }
    serde_json::from_slice(text).map_err(damaged)
}

// === impl Recorder ===

impl Recorder {
    /// Starts a run: makes the directory if need be, and writes the plan.
    ///
    /// # Errors
    /// The directory already holds a run, or the file system's.
    pub fn create(directory: &Path, plan: &Plan) -> Result<Self, RecordError> {
        fs::create_dir_all(directory).map_err(|error| RecordError::io(directory, error))?;
        if directory.join(PLAN).exists() {
            return Err(RecordError::Exists { path: directory.to_owned() });
        }
        write_plan(directory, plan)?;
        Self::open(directory, 0)
    }

    /// Goes on with a run that was read before: a torn last line is cut off.
    ///
    /// # Errors
    /// No run, another format, damaged, or the file system's.
    pub fn resume(directory: &Path) -> Result<(Self, Run), RecordError> {
        let run = Run::read(directory)?;
        let path = directory.join(BLOCKS);
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok((Self::open(directory, size - run.torn_bytes)?, run))
    }

    fn open(directory: &Path, whole: u64) -> Result<Self, RecordError> {
        let path = directory.join(BLOCKS);
        let open = || -> io::Result<File> {
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.set_len(whole)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(|error| RecordError::io(&path, error))?;
        Ok(Self { path, file, whole })
    }

    /// Appends a block. When this returns, it is on disk; when it fails, the file ends with the block before.
    ///
    /// # Errors
    /// [`RecordError::Full`] without room, or the file system's.
    pub fn append(&mut self, block: &Block) -> Result<(), RecordError> {
        let mut line =
            serde_json::to_vec(block).map_err(|error| RecordError::io(&self.path, error.into()))?;
        line.push(b'\n');
        match self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.whole += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // If this fails too, the torn line is cut off on resume.
                let _ = self.file.set_len(self.whole);
                Err(RecordError::io(&self.path, error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_as_such() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let mut recorder = Recorder { path, file, whole: 0 };
        let block = Block {
            schema: SCHEMA,
            session: 0,
            round: 0,
            position: 0,
            entry: "a".into(),
            lane: "a".into(),
            cell: crate::Cell {
                workload: "echo".into(),
                payload: 0,
                calls: None,
                provider: "memory".into(),
                placement: crate::Placement::Free,
                load: crate::Load::Service,
            },
            began: String::new(),
            outcome: crate::Outcome::Failed { reason: String::new() },
            noise: crate::Noise::default(),
        };
        let error = recorder.append(&block).unwrap_err();
        assert!(matches!(error, RecordError::Full { .. }), "{error}");
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
