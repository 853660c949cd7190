//! What the ABI says that the guest's steps do.

use super::script::{AT, STEP};

pub(super) const PAGE: u32 = 65_536;
pub(super) const OPERATION: &str = "op";
const OPERATION_AT: u32 = 1_024;

/// A memory's pages, at first and at most.
pub(super) struct Pages {
    pub(super) first: u32,
    pub(super) limit: u32,
}

pub(super) const PAGES: Pages = Pages { first: 2, limit: 4 };

/// What the guest asked of its host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Call([Vec<u8>; 4]),
    Log(String),
}

/// How a call ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Response(Vec<u8>),
    NoResponse,
    Error(String),
    Trap,
}

/// What the host answers to a call: a text to put around the payload, at this place of it, or an error.
pub(super) enum Answer {
    Response { around: &'static [u8], place: usize },
    Error(String),
}

/// Something is out of bounds, or no text.
struct Trap;

#[derive(Default)]
struct Machine {
    memory: Vec<u8>,
    request: Vec<u8>,
    reply: Option<Result<Vec<u8>, Vec<u8>>>,
    response: Option<Vec<u8>>,
    error: Option<String>,
    asked: Vec<Asked>,
}

pub(super) fn answer(operation: &[u8], payload: &[u8]) -> Answer {
    match operation.first().copied().unwrap_or(0) % 4 {
        0 => Answer::Response { around: b"", place: 0 },
        1 => Answer::Error(format!("no to {} bytes", payload.len())),
        2 => Answer::Response { around: b"<>", place: 1 },
        _ => Answer::Response { around: b"<>", place: 2 },
    }
}

/// What comes of a script, and what the host is asked on the way.
pub(super) fn run(script: &[u8]) -> (Outcome, Vec<Asked>) {
    let memory = vec![0; (PAGES.first * PAGE) as usize];
    let mut machine = Machine { memory, request: script.to_vec(), ..Machine::default() };
    let outcome = match machine.run() {
        Err(Trap) => Outcome::Trap,
        Ok(0) => Outcome::Error(machine.error.unwrap_or_else(|| "no error message set".to_owned())),
        Ok(_) => machine.response.map_or(Outcome::NoResponse, Outcome::Response),
    };
    (outcome, machine.asked)
}

// === impl Machine ===

impl Machine {
    fn run(&mut self) -> Result<u32, Trap> {
        self.guest_request(OPERATION_AT, AT)?;
        let end = AT as usize + self.request.len();
        let mut at = AT as usize;
        while at + STEP <= end {
            let operation = *self.memory.get(at).ok_or(Trap)? % 10;
            if let Some(status) = self.step(operation, at + 4)? {
                return Ok(status);
            }
            at += STEP;
        }
        Ok(1)
    }

    /// Arguments are read when they are needed: an earlier effect of the same step may have changed them.
    fn step(&mut self, operation: u8, arguments: usize) -> Result<Option<u32>, Trap> {
        let numbers: Vec<u32> = self.memory[arguments..arguments + 32]
            .chunks_exact(4)
            .map(|bytes| bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
            .collect();
        let (a, b) = (numbers[0], numbers[1]);
        match operation {
            0 => self.guest_request(a, b)?,
            1 => self.response = Some(self.read(a, b)?.to_vec()),
            2 => self.error = Some(String::from_utf8_lossy(self.read(a, b)?).into_owned()),
            3 => {
                let succeeded = self.host_call(&numbers)?;
                self.write(0, &u32::from(succeeded).to_le_bytes())?;
            }
            4 => {
                if let Some(Ok(reply)) = self.reply.clone() {
                    self.write(a, &reply)?;
                }
            }
            5 => {
                if let Some(Err(text)) = self.reply.clone() {
                    self.write(a, &text)?;
                }
            }
            6 => {
                if let Ok(line) = self.read(a, b) {
                    let line = String::from_utf8_lossy(line).into_owned();
                    self.asked.push(Asked::Log(line));
                }
            }
            7 => {
                let pages = self.memory.len() as u32 / PAGE;
                let grown = pages + a % 4;
                let result = if grown <= PAGES.limit { pages } else { u32::MAX };
                if grown <= PAGES.limit {
                    self.memory.resize((grown * PAGE) as usize, 0);
                }
                self.write(4, &result.to_le_bytes())?;
            }
            8 => {
                let lengths: [u32; 2] = match &self.reply {
                    None => [0, 0],
                    Some(Ok(response)) => [response.len() as u32, 0],
                    Some(Err(text)) => [0, text.len() as u32],
                };
                self.write(a, &lengths[0].to_le_bytes())?;
                self.write(a.checked_add(4).ok_or(Trap)?, &lengths[1].to_le_bytes())?;
            }
            _ => return Ok(Some(a & 1)),
        }
        Ok(None)
    }

    fn host_call(&mut self, numbers: &[u32]) -> Result<bool, Trap> {
        let mut parts = [const { Vec::new() }; 4];
        for (part, place) in parts.iter_mut().zip(numbers.chunks_exact(2)) {
            *part = self.read(place[0], place[1])?.to_vec();
        }
        let [binding, namespace, operation, payload] = &parts;
        let reply = match answer(operation, payload) {
            Answer::Error(text) => Err(text.into_bytes()),
            Answer::Response { around, place } => Ok([&around[..place], payload, &around[place..]].concat()),
        };
        let text = [binding, namespace, operation].iter().all(|name| std::str::from_utf8(name).is_ok());
        self.asked.push(Asked::Call(parts));
        // Only a call that fails has its names looked at.
        if reply.is_err() && !text {
            return Err(Trap);
        }
        let succeeded = reply.is_ok();
        self.reply = Some(reply);
        Ok(succeeded)
    }

    fn guest_request(&mut self, operation_at: u32, payload_at: u32) -> Result<(), Trap> {
        let request = self.request.clone();
        self.write(payload_at, &request)?;
        self.write(operation_at, OPERATION.as_bytes())
    }

    fn read(&self, at: u32, length: u32) -> Result<&[u8], Trap> {
        self.memory.get(at as usize..at as usize + length as usize).ok_or(Trap)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Trap> {
        let place = self.memory.get_mut(at as usize..at as usize + bytes.len()).ok_or(Trap)?;
        place.copy_from_slice(bytes);
        Ok(())
    }
}
