//! The stored files are what the oracle says, and what is read is what was written.

use pillion_transcripts::{App, Step, Transcript};

#[test]
fn the_stored_files_are_what_the_oracle_says() {
    for app in App::ALL {
        let text = Transcript::of(app).text().unwrap();
        let path = format!("{}/files/{app}.jsonl", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("PILLION_WRITE_TRANSCRIPTS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let same = std::fs::read_to_string(&path).unwrap() == text;
        assert!(same, "{path} is not what the oracle says; PILLION_WRITE_TRANSCRIPTS=1 writes it anew");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for app in App::ALL {
        let transcript = Transcript::of(app);
        assert_eq!(Transcript::parse(app, &transcript.text().unwrap()).unwrap(), transcript);
    }
}

#[test]
fn a_line_that_is_no_step_is_named() {
    let text = "{\"store\":\"a\",\"value\":\"b\"}\n{\"store\":\"a\"}\n";
    let error = Transcript::parse(App::Kv, text).unwrap_err().to_string();
    assert!(error.starts_with("line 2 of the transcript"), "{error}");
    let repeated = "{\"store\":\"a\",\"value\":{\"base64\":\"\",\"repeat\":\"ß\",\"times\":3}}\n";
    assert!(Transcript::parse(App::Kv, repeated).is_err());
}

#[test]
fn what_differs_is_told_and_hashed() {
    let step = Step::Reply { call: "echo".into(), request: b"a".into(), reply: b"a".into() };
    let transcript = Transcript { app: App::Echo, steps: vec![step.clone()] };
    let right = transcript.expected().outcome();
    assert_eq!(right.difference, None);
    assert_eq!(right.steps, 1);
    // printf '\001\001\000\000\000a' | sha256sum
    assert_eq!(right.sha256, "af9f96fcbe84bccd200346044086083eb045e953fe1bd2cbc92e8c46f14eb156");
    let mut wrong = pillion_transcripts::Observed::new();
    wrong.answer(&step, Err("a"));
    let wrong = wrong.outcome();
    assert_ne!(wrong.sha256, right.sha256);
    let difference = wrong.difference.unwrap();
    assert!(difference.contains("echo of") && difference.contains("an error of"), "{difference}");
}
