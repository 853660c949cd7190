//! `pillion compare` and `pillion doctor`, over a runner whose figures are known.

use std::fs;

use crate::fake::{Fake, RUNNER, done};

/// What `doctor` says, and whether it refuses; the machine's own state is not for a test to say.
fn doctor(fake: &Fake, lanes: &str, environment: &[(&str, &str)]) -> String {
    let out = fake.pillion(&["doctor", "--lanes", lanes], environment).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let refused = said.lines().any(|line| line.starts_with("REFUSE"));
    assert_eq!(out.status.code(), Some(if refused { 5 } else { 0 }), "{said}");
    said
}

fn line<'a>(said: &'a str, check: &str) -> &'a str {
    let of = |line: &&str| line.get(7..).is_some_and(|rest| rest.starts_with(&format!("{check}: ")));
    let found = said.lines().find(of).unwrap_or_default();
    assert!(!found.is_empty(), "no check {check}: {said}");
    found
}

#[test]
fn a_comparison_ends_on_verdicts_and_the_path_of_its_report() {
    let fake = Fake::new();
    let out = fake.verb("compare", "first", &[]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert!(said.contains("C1 inconclusive: ") && said.contains("Not for verdicts: a quick run"), "{said}");
    let report = fake.path("first").join("report.html");
    assert_eq!(said.lines().last(), report.to_str());
    let page = fs::read_to_string(report).unwrap();
    assert!(page.contains("Verdicts") && page.contains("kv-get 16 B"));
    let path = fake.path("first");
    done(fake.pillion(&["report", "--check", path.to_str().unwrap()], &[]), 0);

    // A directory holds one run.
    let said = done(fake.verb("compare", "first", &[]), 2);
    assert!(said.contains("already holds a run"), "{said}");
}

#[test]
fn a_comparison_tells_by_its_exit_what_is_wrong_with_it() {
    let fake = Fake::new();
    let of = |name: &str, environment: &[(&str, &str)], code: i32| {
        let out = fake.verb("compare", name, environment).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(code), "{out:?}");
        assert!(fake.path(name).join("report.html").is_file());
        said
    };
    let said = of("wrong", &[("FAKE_WRONG", "direct")], 3);
    assert!(said.contains("Wrong answers: left out of every figure are direct"), "{said}");
    let said = of("noisy", &[("FAKE_NOISY", "direct")], 4);
    assert!(said.contains("Noisy: something disturbed"), "{said}");
    let said = of("failing", &[("FAKE_FAILING", "noop")], 6);
    assert!(said.contains("Incomplete:"), "{said}");
    // Noise does not hide what is missing.
    of("both", &[("FAKE_NOISY", "direct"), ("FAKE_FAILING", "noop")], 6);
}

#[test]
fn the_doctor_looks_at_machine_and_lanes() {
    let fake = Fake::new();
    let said = doctor(&fake, "noop,direct", &[]);
    for check in ["CPUs", "memory", "steal", "clock source", "redis-server"] {
        line(&said, check);
    }
    for lane in ["lane noop", "lane direct"] {
        assert!(line(&said, lane).starts_with("pass") && line(&said, lane).contains("starts"), "{said}");
    }
    // It measures nothing and leaves nothing.
    let [here, temporary] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut command = fake.pillion(&["doctor", "--lanes", "noop,direct"], &[]);
    command.current_dir(here.path()).env("TMPDIR", temporary.path()).output().unwrap();
    for place in [here, temporary] {
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    let said = doctor(&fake, "noop", &[("FAKE_FAILING", "noop")]);
    assert!(
        line(&said, "lane noop").starts_with("warn   lane noop: does not start: no store today"),
        "{said}"
    );
}

#[test]
fn the_doctor_refuses_a_debug_build_of_runner_or_sidecar() {
    let fake = Fake::new();
    let said = doctor(&fake, "noop", &[("FAKE_DEBUG", "noop")]);
    assert!(
        line(&said, "lane noop").starts_with("REFUSE lane noop: a debug build of runner-direct; build by"),
        "{said}"
    );

    fake.program("runner-sidecar", RUNNER);
    let sidecar = |more: &str| {
        let ready = r#"{"ready":true,"http":"127.0.0.1:1","grpc":"127.0.0.1:2","metrics":"127.0.0.1:3""#;
        fake.program("pillion-sidecar", &format!("#!/bin/sh\necho '{ready}{more}}}'\nexec cat\n"));
        let said = doctor(&fake, "sidecar-http-tcp", &[]);
        line(&said, "lane sidecar-http-tcp").to_owned()
    };
    let said = sidecar(r#","release":true"#);
    assert!(said.starts_with("pass"), "{said}");
    for other in [r#","release":false"#, ""] {
        let said = sidecar(other);
        assert!(said.starts_with("REFUSE") && said.contains("a debug build of pillion-sidecar"), "{said}");
    }
}

#[test]
fn the_doctor_refuses_a_redis_that_is_too_old() {
    let fake = Fake::new();
    fake.program("redis-server", "#!/bin/sh\necho 'Redis server v=6.0.16 sha=00000000:0 bits=64'\n");
    let path = format!("{}:{}", fake.directory.path().display(), std::env::var("PATH").unwrap());
    let said = doctor(&fake, "direct", &[("PATH", &path)]);
    let check = line(&said, "redis-server");
    assert!(check.starts_with("REFUSE") && check.contains("6.0.16") && check.contains("install"), "{said}");
}
